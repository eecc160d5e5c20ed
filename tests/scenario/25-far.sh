#!/bin/sh
# Sources on another host, over a real sshd with nothing of ours behind it:
# commands, and hooks that hold a service still, also when the worker is killed.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

holds 'a host' sshd_start "$WORK/ssh" || finish
remember "$(cat ssh/sshd.pid)"
IDENTITY=$WORK/ssh/id_ed25519
host() { # NAME FINGERPRINT
	echo "{ name = \"$1\"; address = \"127.0.0.1\"; port = $(cat ssh/port); user = \"$(id -un)\"; host_keys = [ \"$2\" ]; }"
}
hosts=$(host db1.brent "$(ssh-keygen -lf ssh/host_ed25519.pub | cut -d' ' -f2)"
	echo ,; host db2.brent SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA)
service() { # NAME SETTINGS
	echo "service = { name = \"$1\"; title = \"$1\"; owner = \"brent\"; tier = 1; home = \"brent\"; rpo = \"2d\"; rto = \"2d\";
  backup = { every = \"12h\"; expect = \"1s\"; timeout = \"60s\"; retries = 0; }; $2 };"
}
dataset() { echo "{ name = \"$1\"; command = [ \"$WORK/say\", \"$1\" ]; host = \"db1.brent\"; $2 }"; }
site_new brent
cat >say <<END
#!/bin/sh
# say NAME: what $WORK/NAME holds, then ends as $WORK/NAME.exit says.
[ -n "\$SSH_CONNECTION" ] || exit 99
cat "$WORK/\$1"; echo "progress of \$1" >&2
exit "\$(cat "$WORK/\$1.exit" 2>/dev/null || echo 0)"
END
chmod 700 say
hook() { echo "[ \"sh\", \"-c\", \"echo $1 \$SSH_CONNECTION | cut -c 1-10 >>$WORK/hooks\" ]"; }
(umask 077; mkdir services
	shared_policy | awk -v more="$hosts" \
	    '!done && /"b1.brent"/ { done = 1; sub(/{ name/, "{ name"); b1 = 1 }
	     b1 && sub(/ \]; } \);/, " ]; }, " more " );") { b1 = 0 } 1' >shared.conf
	service out "datasets = ( $(dataset plain ''), $(dataset shrink 'max_shrink = "50%";') );" >services/out.conf
	service wrong "datasets = ( { name = \"a\"; command = [ \"echo\" ]; host = \"db2.brent\"; } );" >services/wrong.conf
	service still "datasets = ( { name = \"a\"; command = [ \"cat\", \"$WORK/hold\" ]; } );
	  quiesce = { before = $(hook before); after = $(hook after); on = \"db1.brent\"; timeout = \"20s\"; };" >services/still.conf
	service here "datasets = ( { name = \"a\"; command = [ \"cat\", \"$WORK/hold\" ]; } );
	  quiesce = { before = $(hook before); after = $(hook after); timeout = \"20s\"; };" >services/here.conf
	sed -i 's|shared.conf" \]|shared.conf", "../services" ]|' brent/bascule.conf)
expect 0 'the policy is good' "$DAEMON" -c brent/bascule.conf --check
holds 'a daemon' daemon_start brent || finish
export BASCULE_KEY_FILE=$PWD/brent/key
count() { "$B" -r brent/repository --json snapshots | grep -c "\"dataset\":\"$1\""; }
log() { at brent job "$(at brent --json jobs -n 1 | grep -o '"job":"[^"]*"' | cut -d'"' -f4)" --log >.out 2>&1; }

# --- commands ---------------------------------------------------------------
seq 1000 >plain; seq 9000 >shrink
expect 0 'what they print there' at brent run out --wait; log; says 'progress of plain'
"$B" -r brent/repository cat latest:out/plain plain >got 2>/dev/null
is 'is what is kept' "$(cmp got plain && echo same)" same
refused() { # DATASET, pattern...: its run fails, nothing of it is kept
	d=$1; shift; n=$(count "$d")
	at brent run "out/$d" --wait >.out 2>.err; code=$?
	fails "$d: the run fails (exit code $code)" test $code = 0
	cat .out .err >said; log; cat said >>.out; says "$@"
	is '... and nothing is kept' "$(count "$d")" "$n"
}
echo 3 >plain.exit; refused plain 'exit.* 3' 'progress of plain'; rm plain.exit
seq 4000 >shrink; refused shrink '50 %'
at brent run wrong --wait >.out 2>&1; code=$?; log
fails 'another key is refused' test $code = 0
says 'db2.brent' 'not the pinned one'

# --- hooks ------------------------------------------------------------------
# A look at the service may find the mark first: twice is as good as once.
words() { sed 's/ .*//' hooks | uniq | tr '\n' ' '; }
worker_of() {
	at brent --json jobs 2>/dev/null | grep '"state":"running"' |
	    grep -o '"pid":[0-9]*' | tail -n 1 | cut -d: -f2
}
held() { [ "$(wc -l <hooks)" -ge 1 ] && [ -n "$(worker_of)" ]; }
let_go() { grep -q after hooks; }
for s in still here; do
	there=$([ $s = still ] && echo ' 127'); : >hooks; echo x >hold
	expect 0 "$s: a backup" at brent run $s --wait
	is '... between its hooks' "$(words)" 'before after '
	is '... which ran where they should' "$(grep -c "after$there" hooks)" 1
	rm hold; mkfifo hold; : >hooks
	at brent run $s >/dev/null 2>&1
	wait_for 20 held; kill -9 "$(worker_of)"; wait_for 20 let_go
	is '... let go when the worker is killed' "$(words)" 'before after '
	holds '... which is remembered, until a look makes sure of it' \
	    test -n "$(ls brent/state/quiesced/$s)" -o "$(grep -c after hooks)" -ge 2
	rm hold; echo x >hold; : >hooks
	mark=$(ls brent/state/quiesced/$s; cat hooks) # a look may come just now
	expect 0 '... and the next backup' at brent run $s --wait
	is '... makes sure of it first' "$(words)" "${mark:+after }before after "
	is '... and nothing stays' "$(ls brent/state/quiesced/$s)" ''
done
daemon_stop brent
sshd_stop "$WORK/ssh"
finish
