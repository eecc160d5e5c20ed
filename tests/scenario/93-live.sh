#!/bin/sh
# A live plan, as its worker carries it out: at southwark, with steps on two other
# hosts over a real sshd; connections that are lost in the middle, a worker that
# is killed, a fence that is read back, undo in reverse.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
if ! lab_up || ! lab_link wit southwark lewisham; then
	skip 'live plans' 'no sshd can be started here'
	finish
fi
lab_permit brent southwark
lab_permit lewisham southwark
export BASCULE_KEY_FILE="$WORK/family.key"

# --- a policy, a point, a worker ----------------------------------------------
lab_site southwark
mkdir -p data/deep southwark/live
seq 20000 >data/deep/numbers
ln -s deep/numbers data/link
printf 'x' >data/one
find data -depth -exec touch -h -d '2026-01-02 03:04:05' {} + # whole seconds, as SFTP has
APP1=$(lab_address brent virgin) APP2=$(lab_address lewisham wit)
if [ "$LAB" != namespaces ]; then APP1=$(lab_address brent virgin); fi
trace() { echo "[ \"sh\", \"-c\", \"echo $1 >>$WORK/$2/trace\" ]"; }
(umask 077; {
	echo 'councils = ( { name = "brent"; title = "Brent"; share = 100; } );'
	echo 'sites = ('
	lab_policy_site brent datacentre | sed "s/address = \"[^\"]*\"/address = \"$APP1\"/"
	echo ','
	lab_policy_site southwark datacentre \
	    "$(lab_policy_host app1.southwark "$APP1" brent), $(lab_policy_host app2.southwark "$APP2" lewisham)"
	echo ','
	lab_policy_site lewisham witness
	echo '); links = ('
	lab_policy_link virgin 1 400Mbit/s; echo ','; lab_policy_link bt 2 100Mbit/s
	cat <<END
);
service = { name = "svc"; title = "svc"; owner = "brent"; tier = 1; home = "brent";
  standby = "southwark"; rpo = "2d"; rto = "2d"; live_root = "$WORK/southwark/live";
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "1h"; };
  datasets = ( { name = "files"; tree = "$WORK/data"; } );
  fence = ( { run = [ "sh", "-c", "touch $WORK/brent/fenced; exit 3" ];
      prove = [ "sh", "-c", "test -e $WORK/brent/fenced && echo it is fenced" ];
      undo = [ "rm", "-f", "$WORK/brent/fenced" ]; sites = [ "brent" ]; timeout = "20s"; } );
  plan = (
    { step = "place"; restore = "files"; to = "\${sandbox}/data"; },
    { step = "one"; run = $(trace 'one ${epoch} $BASCULE_STEP' brent); on = "app1.southwark";
      after = [ "place" ]; undo = $(trace unone brent); },
    { step = "two"; run = [ "$WORK/two" ]; on = "app2.southwark";
      after = [ "one" ]; undo = $(trace untwo lewisham); timeout = "60s"; retries = 1; },
    { step = "pause"; wait = "1s"; after = [ "two" ]; },
    { step = "sure"; confirm = "Go on at \${site}?"; role = "operator"; after = [ "pause" ]; },
    { step = "looks"; check = { command = [ "grep", "-c", "one", "$WORK/brent/trace" ]; expect_at_least = 1; };
      on = "app1.southwark"; after = [ "sure" ]; },
    { step = "there"; check = { file = "$WORK/brent/trace"; contains = "one 7"; };
      on = "app1.southwark"; after = [ "sure" ]; },
    { step = "not-there"; check = { file = "\${sandbox}/data/stray"; exists = false; }; after = [ "sure" ]; },
    { step = "rows"; check = { sql = [ "echo", " 41 " ]; equals = "41"; }; after = [ "sure" ]; },
    { step = "tls"; check = { tls = "localhost:4433"; days = 2; within = "10s"; }; after = [ "sure" ]; },
    { step = "elsewhere"; run = [ "false" ]; on = "bascule1.brent"; undo = "none"; },
    { step = "drill"; run = [ "false" ]; modes = [ "test" ]; undo = "none"; }
  ); };
END
} >shared.conf)
(umask 077; cat >far.conf <<END
service = { name = "far"; title = "far"; owner = "brent"; tier = 1; home = "brent";
  standby = "southwark"; rpo = "2d"; rto = "2d"; live_root = "$WORK/southwark/live";
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "1h"; };
  datasets = ( { name = "files"; tree = "$WORK/data"; } );
  plan = ( { step = "place"; restore = "files"; to = "$WORK/brent/app/data"; on = "app1.southwark"; modes = [ "planned" ]; undo = "none"; },
    { step = "works"; check = { command = [ "true" ]; }; after = [ "place" ]; } ); };
END
cat >bad.conf <<END
service = { name = "bad"; title = "bad"; owner = "brent"; tier = 1; home = "brent";
  standby = "southwark"; rpo = "2d"; rto = "2d"; live_root = "$WORK/southwark/live";
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "1h"; };
  datasets = ( { name = "files"; tree = "$WORK/data"; } );
  plan = ( { step = "early"; run = [ "touch", "$WORK/southwark/early" ]; undo = "none"; },
    { step = "works"; check = { tcp = "localhost:9"; }; on = "app1.southwark"; after = [ "early" ]; } ); };
END
)
sed -i "s|shared.conf\"|shared.conf\", \"$WORK/far.conf\", \"$WORK/bad.conf\"|" southwark/bascule.conf
# What app2 does: the first time it takes long, unless it is told otherwise.
cat >two <<END
#!/bin/sh
echo "two \$BASCULE_RUN" >>"$WORK/lewisham/trace"
[ ! -e "$WORK/lewisham/slow" ] || { rm "$WORK/lewisham/slow"; sleep 60; }
[ ! -e "$WORK/lewisham/broken" ] || { echo it is broken; exit 7; }
END
chmod 755 two
expect 0 'the policy is good' "$DAEMON" -c southwark/bascule.conf --check
{ for f in southwark/bascule.conf shared.conf far.conf bad.conf; do
	printf '%s' "$WORK/$f" | base64 -w0; echo; base64 -w0 "$f"; echo
done; } >southwark/policy

# act NAME ACT FIELDS...: one worker; its events to NAME.  answer LINE: what to say
# to its question; on_event LINE: anything else that is to happen.
act() {
	name=$1; shift
	rm -f southwark/in southwark/out; mkfifo southwark/in southwark/out
	exec 8<>southwark/in 9<>southwark/out
	: >"$name"
	(lab_on southwark sh -c 'echo $$ >southwark/worker
		exec timeout 100 "$0" --worker 3>southwark/out <southwark/in 2>>southwark/said' "$DAEMON"
	    echo '{"type":"gone"}' >&9) &
	echo "{\"type\":\"job\",\"v\":1,\"job\":\"J1\",\"kind\":\"move\",\"policy\":\"$WORK/southwark/policy\",\"service\":\"${SERVICE:-svc}\",\"act\":\"$1\",\"mode\":\"planned\",\"epoch\":7,\"site_from\":\"brent\",\"site_to\":\"southwark\",$2}" >&8
	while read -r line <&9; do
		echo "$line" >>"$name"
		case $line in
		*'"type":"gone"'*) break ;;
		*'"type":"intent"'* | *'"type":"outcome"'*)
			seq=${line##*\"seq\":}; seq=${seq%%[!0-9]*}
			echo "{\"ack\":$seq}" >&8 ;;
		*'"type":"ask"'*) answer "$line" ;;
		*'"type":"result"'*) break ;;
		esac
		on_event "$line"
	done
	exec 8>&- 9>&-
	rm -f southwark/in southwark/out
}
say() { echo "{\"answer\":\"$1\",\"verb\":\"$2\",\"reason\":\"$3\",\"by\":\"amara\"}" >&8; }
answer() { case $1 in *'"name":"sure"'*) say sure done '' ;; *) say two abort '' ;; esac; }
on_event() { :; }
has() { # TEXT FILE PATTERN
	holds "$1" grep -q "$3" "$2"
}
said() { sed -n "s/.*\"type\":\"result\".*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$1"; }

act capture capture '"run":"R0","tag":"divergence:R0"'
has 'what is there is captured, under its tag' capture '"type":"point".*"tag":"divergence:R0"'
POINT=$(said capture point)

# Who answers with a certificate, and that it is believed at all.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.pem 2>/dev/null
export SSL_CERT_FILE="$WORK/tls.pem"
# Where the laboratory has no namespaces, $! is the shell around it.
lab_on southwark sh -c 'echo $$ >tls.pid; exec openssl s_server -accept 4433 -cert tls.pem -key tls.key -www' \
    >/dev/null 2>&1 </dev/null &
until [ -s tls.pid ]; do sleep 0.1; done
remember "$(cat tls.pid)"

# --- all goes well ------------------------------------------------------------
mkdir -p southwark/live/data; echo stray >southwark/live/data/stray; echo kept >southwark/live/beside
act well plan "\"run\":\"R1\",\"point\":\"$POINT\""
is 'a plan over three hosts is done' "$(said well verdict)" done
same 'what it restored is what was saved' data southwark/live/data
is 'what the point lacks is gone, and nothing beside it' "$(cat southwark/live/beside; ls southwark/live/data)" "$(echo kept; ls data)"
is 'the command on app1 was told the epoch and its step' "$(cat brent/trace)" 'one 7 one'
is '... and the one on app2 its run' "$(cat lewisham/trace)" 'two R1'
has 'a person was asked' well '"verbs":\["done","skip","abort"\]'
has 'what is for the other site stands aside' well 'elsewhere.*for another site'
is 'each step was written ahead' "$(grep -c '"type":"intent"' well)" 10
has 'a certificate was looked at' well 'localhost:4433: its certificate is valid for'
is 'times are told' "$([ "$(said well promoted_ns)" -gt 0 ] && [ "$(said well accepted_ns)" -gt 0 ] && echo yes)" yes

SERVICE=bad act refused plan "\"run\":\"R1\",\"point\":\"$POINT\""
is 'a plan that cannot be carried out is refused' "$(said refused verdict)" not-done
has '... in words' refused "step 'works': its check asks over the network"
fails '... before anything of it began' test -e southwark/early

# --- data on another host -------------------------------------------------------
SERVICE=far act farcap capture '"run":"R0","tag":"divergence:R0"'
FAR=$(said farcap point)
mkdir -p brent/app/data/deep brent/beside
echo stray >brent/app/data/stray; echo kept >brent/beside/one
ln -s ../../beside brent/app/data/out
SERVICE=far act place plan "\"run\":\"R1\",\"point\":\"$FAR\""
is 'data is restored on another host' "$(said place verdict)" done
same 'what lies there is what was saved, to the second' data brent/app/data
is '... what was there and not in it is gone, beside it nothing' \
    "$(cat brent/beside/one; ls brent/app/data)" "$(echo kept; ls data)"
has '... and what SFTP lost is said' place 'over SFTP.*times to the second'
echo y >brent/app/data/one
SERVICE=far act again plan "\"run\":\"R1b\",\"point\":\"$FAR\""
has 'the second time only what differs is written' again '1 unchanged\|2 unchanged'
same '... and it is the same again' data brent/app/data

# --- taken back -----------------------------------------------------------------
DONE='{"step":"place","state":"done"},{"step":"one","state":"done"}'
act back undo "\"run\":\"R1\",\"point\":\"$POINT\",\"steps\":[$DONE,{\"step\":\"two\",\"state\":\"done\"}]"
is 'an undo is done' "$(said back verdict)" done
is '... in reverse' "$(grep '"type":"intent"' back | sed 's/.*"step":"\([^"]*\)".*/\1/' | tr '\n' ' ')" 'two one '
is '... where the steps were' "$(tail -n 1 brent/trace) $(tail -n 1 lewisham/trace)" 'unone untwo'

# --- it fails: a person decides, what was done stands -----------------------------
touch lewisham/broken
act fails plan "\"run\":\"R2\",\"point\":\"$POINT\""
is 'a failed plan is not done' "$(said fails verdict)" not-done
is '... and says where' "$(said fails failed_step) $(said fails standing)" 'two true'
has '... what the command said' fails 'it is broken'
is '... after its retry' "$(grep -c 'two R2' lewisham/trace)" 2
is '... and undoes nothing by itself' "$(grep -c un lewisham/trace)" 1
rm lewisham/broken

# --- the connection is lost --------------------------------------------------------
# Dropped once: it is made again, the program is killed there, that is read back.
touch lewisham/slow
on_event() {
	case $1 in *'"step":"two"'*'"state":"running"'*)
		[ ! -e lewisham/slow ] || { until [ ! -e lewisham/slow ]; do sleep 0.05; done
		lab_drop wit; } ;;
	esac
}
act drop plan "\"run\":\"R3\",\"steps\":[$DONE],\"point\":\"$POINT\""
is 'a connection that is dropped is made again, the step is tried again' "$(said drop verdict)" done
has '... its end was read back' drop 'was killed there'
fails '... and nothing of it runs on' pgrep -f 'sleep 60'
fails '... what was done is not done again' grep -q '"type":"intent".*"step":"one"' drop

# Gone for good: nobody knows.  The person looks, mends the link, says retry.
touch lewisham/slow
on_event() {
	case $1 in *'"step":"two"'*'"state":"running"'*)
		[ ! -e lewisham/slow ] || { until [ ! -e lewisham/slow ]; do sleep 0.05; done
		lab_reset wit; } ;;
	esac
}
answer() {
	case $1 in
	*'"name":"two"'*) lab_mend wit; say two retry 'the link is back' ;;
	*) say sure done '' ;;
	esac
}
act lost plan "\"run\":\"R4\",\"steps\":[$DONE],\"point\":\"$POINT\""
has 'a connection that is lost for good is uncertain' lost '"type":"outcome".*"state":"uncertain"'
has '... a person is asked, who may say that it was done' lost '"verbs":\["done","retry","skip","abort"\]'
is '... and the plan goes on at their word' "$(said lost verdict)" done
on_event() { :; }

# --- the worker is killed -------------------------------------------------------------
touch lewisham/slow
on_event() {
	case $1 in *'"step":"two"'*'"state":"running"'*)
		until [ ! -e lewisham/slow ]; do sleep 0.05; done
		pkill -KILL -P "$(cat southwark/worker)" ;; # timeout's child, and nobody else's
	esac
}
act killed plan "\"run\":\"R5\",\"steps\":[$DONE],\"point\":\"$POINT\""
has 'a worker is killed in the middle' killed '"type":"gone"'
on_event() { :; }
answer() { case $1 in *'"name":"sure"'*) say sure done '' ;; *) say two 'done' 'I looked' ;; esac; }
act after plan "\"run\":\"R5\",\"steps\":[$DONE,{\"step\":\"two\",\"state\":\"uncertain\"}],\"point\":\"$POINT\""
has 'the next one asks about what nobody knows' after 'nobody knows whether step .two. was done: it was begun, and its end is not on record'
is '... does not do it again' "$(grep -c 'two R5' lewisham/trace)" 1
is '... and goes on' "$(said after verdict)" done

# --- a fence ---------------------------------------------------------------------------
act p0 prove '"run":"R6"'
is 'before, a fence is proved not to be' "$(said p0 verdict) $(said p0 state)" 'not-done succeeded'
act f1 fence '"run":"R6"'
is 'a fence whose command fails is proved all the same' "$(said f1 verdict)" done
has '... by what was read back' f1 'it is fenced'
act p1 prove '"run":"R6"'
is '... again and again' "$(said p1 verdict)" done
lab_reset virgin
act p2 prove '"run":"R6"'
is 'what cannot be reached proves nothing' "$(said p2 verdict)" uncertain
lab_mend virgin
act r1 resume '"run":"R6"'
is 'it is let go, and that is read back' "$(said r1 verdict) $(ls brent/fenced 2>/dev/null)" 'done '
finish
