#!/bin/sh
# One daemon: it fires by the policy, does what it is told, says what it knows,
# and lets in whom it should.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data && echo one >data/a && echo two >data/b
cat >page <<'END'
#!/bin/sh
[ -e "$(dirname "$0")/paged.once" ] || { touch "$(dirname "$0")/paged.once"; exit 1; }
cat >>"$(dirname "$0")/paged"
END
chmod 700 page
EXTRA="alerts = ( { on = [ \"rpo\", \"backup\" ]; run = [ \"$WORK/page\" ]; retries = 2; } );"
site_new brent
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)

expect 0 'check finds nothing' "$DAEMON" -c brent/bascule.conf --check
says 'no problems'
sed 's/tier = 1/teir = 1/' shared.conf >bad && cp shared.conf good
cp bad shared.conf
expect 7 'check finds a misspelt setting' "$DAEMON" -c brent/bascule.conf --check
says 'shared.conf:[0-9]*: .*teir' 'tier'
expect 7 'and a daemon does not start with it' "$DAEMON" -c brent/bascule.conf
cp good shared.conf

expect 1 'without a daemon a live command says so' at brent status
says 'no daemon' 'bascule -r'
holds 'it starts' daemon_start brent || finish
expect 11 'a second one for the same state does not' \
    "$DAEMON" -c brent/bascule.conf
is 'the socket is for user and group' "$(stat -c %a brent/socket)" 660

expect 0 'the policy that is meant is the one it goes by' at brent policy check
says "$WORK/brent/bascule.conf: no problems: site brent"
expect 6 'without a point the status is behind' at brent status
says 'UNKNOWN' 'files'
before_it=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
expect 0 'a backup is asked for and waited for' at brent run files --wait --json
is 'it succeeded' "$(field state)" succeeded
job=$(field job)
expect 0 'the status is good' at brent status
says 'OK  *files'
after=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
expect 0 '... and was, as of now' at brent --json status --as-of "$after"
is '... with that point' "$(field rpo_state) $(field active_site) $(field as_of)" "OK brent $after"
expect 6 '... not before it' at brent status files --as-of "$before_it"
says 'UNKNOWN *files *brent' 'no complete recovery point'
expect 0 'the report leads with what is unproven' at brent report posture
says 'files: its newest point is unproven: L1' 'files: it was never exercised' 'OK'
expect 0 '... as of then' at brent report posture --as-of "$after" --format csv
says '"Each service","services 1","RPO is","OK"' 'only what was recorded by then'
expect 0 '... before it' at brent report posture --as-of "$before_it" --service files
says 'files: its RPO is UNKNOWN' 'files: no recovery point is known'
expect 1 '... before anything' at brent report posture --as-of 3d; says 'nothing was recorded'
expect 2 '... nor tomorrow' at brent report posture --as-of 2099-01-01; says 'still to come'
expect 1 '... before anything' at brent status --as-of 3d; says 'nothing was recorded'
expect 1 '... of another service' at brent status other --as-of 0s
expect 2 '... nor tomorrow' at brent status --as-of 2099-01-01; says 'still to come'
expect 0 'the points of then' at brent points files --as-of "$after"
says 'as recorded at brent by' '  L1  *brent  *complete'
expect 0 '... before there was one' at brent points files --as-of "$before_it"
fails '... none' grep -q complete .out
expect 0 '... as a report' at brent report points --as-of "$before_it"; says 'As recorded at' 'there is none'
expect 1 '... before anything' at brent points files --as-of 3d; says "nothing was recorded of service 'files'"
expect 2 '... nor tomorrow' at brent points files --as-of 2099-01-01; says 'still to come'
expect 1 'the ladder before anything' at brent report ladder --as-of 3d; says 'no policy was loaded'
expect 0 'the point is there' at brent points files --json
is 'and complete' "$(field complete)" true
point=$(field point)
"$B" -r brent/repository --json snapshots >.out
is 'two snapshots are in the repository' "$(grep -c '"type":"snapshot"' .out)" 2

expect 0 'jobs lists it' at brent jobs
says "$job.*succeeded"
expect 0 'job shows its log' at brent job "$job" --log
says 'snapshot .* of tree' 'snapshot .* of dump'
expect 0 'one dataset alone' at brent run files/tree --wait
mv brent/key brent/key.away
expect 12 'a backup without its key' at brent run files/tree --wait
says 'put the key file back there, or name its place in the policy (key_file)'
mv brent/key.away brent/key; mv brent/repository brent/away
expect 10 '... without its repository' at brent run files/tree --wait
says 'is its disk mounted'
mv brent/away brent/repository
expect 0 '... and with both' at brent run files/tree --wait
expect 0 'verify by reading' at brent run files --kind verify --wait
expect 0 'verify by restoring' at brent run files --kind verify --how restore --wait
at brent points files --json >.out
says '"proof":"L4"'
expect 0 'what is proved since was not proved then' at brent points files --json --as-of "$after"
is '... it was L1' "$(field proof) $(field as_of) $(field seen_from)" "L1 $after brent"
expect 0 '... in the report of the points' at brent report points --as-of "$after" --format csv; says '"unverified"'
expect 0 '... and on the ladder' at brent report ladder files --as-of "$after"
says 'as recorded at brent by' 'L1  *ran  *stands' 'L4  *restored and compared  *-'
is 'nothing is left of the restore' "$(ls brent/sandbox)" ''

# Given back, as a recorded job.
expect 0 'a dataset is restored' at brent restore "files/tree@$(echo "$point" | cut -c1-12)" --to back
says 'succeeded'
is '... as it was, where it was asked for' "$(cd "back$WORK/data" && cat a b)" "$(cat data/a data/b)"
at brent --json events --type job >.out
says "\"to\",\"value\":\"$WORK/back\"" '"kind","value":"restore"'
expect 0 'the latest, by its name' at brent restore files/tree@latest --to latest
is '... is the newest' "$(cd "latest$WORK/data" && cat a b)" "$(cat data/a data/b)"
expect 0 'a whole service, a folder a dataset' at brent restore files --to all --verify
is '... has both' "$(ls all | tr '\n' ' ')" 'dump tree '
expect 0 '... nothing is to be done then' at brent restore files --to all --dry-run
says 'nothing was written: a dry run of the restore of files succeeded' 'what would be where: bascule job'
echo other >"all/tree$WORK/data/a"
expect 0 'a part of it, over what differs' at brent restore files/tree --to all/tree --path "$WORK/data/a"
is '... is as it was' "$(cat "all/tree$WORK/data/a")" one
expect 1 'a point that is not there' at brent restore files@0123456789 --to back
says 'no recovery point'
expect 1 'nor such a dataset' at brent restore files/nothing --to back
expect 2 'paths are of one dataset' at brent restore files --to back --path /x

expect 0 'the views are made anew' at brent ledger rebuild
says 'made anew'

# A dataset that fails leaves a partial backup and no point.
mv data data.away
expect 3 'a dataset that is not there makes it partial' at brent run files --wait
says 'no recovery point' 'data'
wait_for 20 grep -q '"on":"backup"' paged
holds 'the alarm program is told, and asked again when it fails' \
    grep -q '"on":"backup".*"service":"files"' paged
mv data.away data
# One that takes too long is stopped when it is cancelled.
mkfifo hold
expect 0 'a long one begins' at brent run files --json
long=$(field job)
wait_for 10 jobs_have brent "\"job\":\"$long\".*\"state\":\"running\""
expect 0 'what cancelling it would do' at brent cancel "$long" --dry-run
says "$long" 'a dry run'
holds '... is not done' jobs_have brent "\"job\":\"$long\".*\"state\":\"running\""
expect 0 'it is cancelled' at brent cancel "$long"
wait_for 30 jobs_have brent "\"job\":\"$long\".*\"state\":\"cancelled\""
at brent job "$long" >.out
says 'cancelled by'
rm hold

expect 1 'an unknown service is refused' at brent run nothing
expect 2 'a kind that is none is refused' at brent run files --kind magic
expect 0 'services' at brent services
expect 0 'sites' at brent sites
says 'brent (here)'
expect 0 'the schedule' at brent schedule files --next 3
is 'has three firings' "$(grep -c 'backup\|prune' .out)" 3
expect 0 'links' at brent links

# Firing by the policy: every two seconds, from a reload on.
expect 0 'policy diff: the files are what the daemon goes by' at brent policy diff
sed "s/\"$RARELY\"/\"2s\"/" good >shared.conf
expect 1 '... until one is changed' at brent policy diff
is '... and it says where' "$(cut -c1-99 .out | tr -d '\n')" \
    "- service[files].backup.every = \"$RARELY\"+ service[files].backup.every = \"2s\""
expect 1 '... in JSON' at brent --json policy diff
is '... and nothing else' "$(grep -o '"type":"[a-z]*"' .out | tr '\n' ' ')" \
    '"type":"difference" "type":"summary" '
expect 1 'the daemon against a named policy' at brent policy diff brent/bascule.conf
printf 'service = { };' >bad.conf
expect 7 '... that does not load' at brent policy diff bad.conf
expect 1 'no daemon, nothing to compare with' "$B" --socket none policy diff
says 'no daemon'
kill -HUP "$(cat brent/pid)"
fired_twice() {
	[ "$(at brent --json events --type job --limit 200 |
	    grep -c '"value":"schedule"')" -ge 2 ]
}
wait_for 20 fired_twice
holds 'the schedule fires after a reload' fired_twice
# Who asks again while one is being loaded has the last one.
cp shared.conf before
for minutes in $(seq 61 90); do
	sed "s/rpo = \"1h\"/rpo = \"${minutes}m\"/" before >shared.conf
	kill -HUP "$(cat brent/pid)"
done
in_force() { at brent --json status | grep '"rpo_seconds":5400[,.]' >/dev/null; }
wait_for 10 in_force
holds 'of reloads in a row the last one counts' in_force
cp bad shared.conf
kill -HUP "$(cat brent/pid)"
wait_for 10 grep -q 'the one in force stays' brent/log
holds 'a bad policy is refused and said' grep -q 'the one in force stays' brent/log
at brent events --type policy >.out
says 'refused' 'loaded'
before=$(at brent --json points files | grep -c '"type":"point"')
more_points() {
	[ "$(at brent --json points files | grep -c '"type":"point"')" -gt "$before" ]
}
wait_for 20 more_points
holds 'and the one in force works on' more_points

# Who may what.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 . brent
	chmod 666 brent/socket
	as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	if as test -x "$B"; then
		expect 13 'a stranger may not look' as "$B" --socket brent/socket status
		says 'roles'
		expect 13 'nor run anything' as "$B" --socket brent/socket run files
	else
		skip 'a stranger may not look' 'nobody may not execute the build'
	fi
else
	skip 'a stranger may not look' 'not root'
fi

# events, and the ledger's own proof
at brent events --limit 5 >.out
is 'events shows as many as asked' "$(wc -l <.out)" 5
"$B" --socket brent/socket --json events --follow --limit 1 >follow &
follow=$!
remember $follow
at brent run files --wait >/dev/null
wait_for 10 grep -q '"phase":"outcome"' follow
holds 'events --follow goes on' grep -q '"phase":"outcome"' follow
kill $follow

# What was recorded about where it runs stands, whatever the policy calls home.
daemon_stop brent
is 'SIGTERM ends it cleanly' "$ended" 0
"$B" --json events --ledger brent/state/ledger.db --type authority >.out
is 'one grant was recorded, intent and outcome' \
    "$(grep -c '"type":"record"' .out)" 2
says '"phase":"intent"' '"phase":"outcome"' '"value":"grant"'
"$B" evidence export --ledger brent/state/ledger.db -o pack >.out
fails 'after an orderly end every record is under a head' grep 'no signed head' .out
sed 's/home = "brent"/home = "southwark"/' good >shared.conf
began=$(date +%s)
holds 'with another home in the policy' daemon_start brent
at brent --json status >.out
is 'it is still active where it was granted' "$(field active_site)" brent
is 'with its epoch' "$(field epoch)" 1
says "it runs at 'brent', not at its home 'southwark', until it is moved back"
is 'and no second grant is recorded' \
    "$(at brent --json events --type authority | grep -c '"type":"record"')" 2
"$B" evidence export --ledger brent/state/ledger.db -o pack >.out
says '[1-9][0-9]* records.*no signed head'
"$B" --socket brent/socket evidence export -o pack >.out
fails 'but through the daemon all of them are' grep 'no signed head' .out

# A worker that dies: who waits is told, and what nobody waits for is tried again.
# Its schedule's own turn does not come between the daemon's start and the end of
# this: that run would go first.
for every in $(seq 90 118); do
	[ $((began / every)) -eq $((($(date +%s) + 60) / every)) ] && break
done
sed 's/rpo = "1h"/rpo = "2m"/; s/every = "'"$RARELY"'"/every = "'"$every"'s"/' good >shared.conf
kill -HUP "$(cat brent/pid)"
mkfifo hold
at brent --json run files >.out
job=$(field job)
wait_for 10 jobs_have brent "\"job\":\"$job\".*\"pid\""
# ... as one that died between writing and renaming leaves it
cache=$(cd brent/state/cache && ls | head -n 1)
leftover=brent/state/cache/.${cache%%.*}.$(sh -c 'echo $$').0.tmp
echo half >"$leftover"
at brent --json job "$job" >.out
kill -9 "$(field pid)"
rm hold
wait_for 30 jobs_have brent "\"job\":\"$job\".*\"state\":\"succeeded\""
holds 'a run whose worker is killed is tried again' \
    jobs_have brent "\"job\":\"$job\".*\"state\":\"succeeded\""
at brent events --run "$job" >.out
says 'retrying.*signal 9' 'attempt=2'
fails 'the half-written state cache was swept' [ -e "$leftover" ]
is 'and no other is left' "$(find brent/state/cache -name '.*.tmp' | wc -l)" 0
daemon_stop brent
fails 'its socket is gone' [ -e brent/socket ]
fails 'no worker is left' pgrep -s "$(cat brent/pid)"
never_stumbled brent/log brent/state/jobs/*
"$B" events --ledger brent/state/ledger.db --limit 2 >.out
says 'daemon stopped'

# A newer version's point is no damage (scenario 62 has the other files).
cp -a brent/repository new && cp -a brent/repository torn
python3 "$TOOLS/newer.py" new point
python3 "$TOOLS/newer.py" torn point --torn
print_of new >before
expect 16 'check of a newer point' "$B" -r new check
says 'points/files/' 'version'
is '... did not touch it' "$(print_of new)" "$(cat before)"
expect 4 'check of a point with that bit flipped' "$B" -r torn check
says 'points/files/'
finish
