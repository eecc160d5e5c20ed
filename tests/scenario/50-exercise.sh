#!/bin/sh
# Isolated tests: one that passes, one that fails and takes back what it did,
# one that reaches production, one whose worker or daemon is killed, one that a
# person ends; and where no namespace can be made, NOT MEASURED.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/report.sh"

PORT=20011 # of the hosts: anybody may listen there
mkdir data && echo forty-two >data/page
PLAN='{ step = "nothing"; check = { command = [ "true" ]; }; }'
exercise_policy() {
	shared_policy
	cat <<END
service = {
  name = "pages"; title = "Pages"; owner = "brent"; tier = 1;
  home = "brent"; standby = "southwark"; rpo = "1h"; rto = "4h";
  datasets = ( { name = "tree"; tree = "$WORK/data"; },
    { name = "dump"; command = [ "echo", "a dump" ]; } );
  backup = { every = "30m"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  plan = ( { step = "tree"; restore = "tree"; to = "\${sandbox}/tree"; },
    { step = "dump"; restore = "dump"; to = "\${sandbox}/it.dump"; },
    $1 );
  ${2-}
};
END
}
# shell NAME AFTER WHAT: a run step that logs itself, and its undo.
shell() {
	echo "{ step = \"$1\"; after = [ $2 ]; run = [ \"sh\", \"-ec\",
	    \"echo $1 >>$WORK/steps; $3\" ]; undo = [ \"sh\", \"-c\",
	    \"echo un$1 >>$WORK/steps\" ]; }"
}
policy() {
	rm -f steps
	(umask 077; exercise_policy "$@" >shared.conf)
	[ -e southwark/pid ] || return 0
	loaded=$(grep -c . southwark/log)
	kill -HUP "$(cat southwark/pid)"
	sleep 1
}
test_it() { at southwark exercise start pages --mode test "$@"; }
run_id() { at southwark --json exercise list | sed -n 1p | grep -o '"run":"[^"]*"' | cut -d'"' -f4; }
show() { at southwark exercise show "$(run_id)"; }
have_state() { at southwark --json exercise list | sed -n 1p | grep "\"state\":\"$1\"" >/dev/null; }
have_result() { at southwark --json exercise list | sed -n 1p | grep "\"result\":\"$1\"" >/dev/null; }
clean() {
	is "$1: the sandbox is empty" "$(ls southwark/sandbox 2>/dev/null)" ''
	fails "$1: no process is left" pgrep -f "$WORK/marker"
}
started="exec -a $WORK/marker sleep 1000"

STANDBY=
site_new brent
policy "$PLAN"
daemon_start brent
expect 0 'a point is made at home' at brent run pages --wait
expect 13 'it is not tested there' at brent exercise start pages --mode test
says "standby site 'southwark'"
daemon_stop brent
mkdir southwark
(umask 077; sed 's/"brent"/"southwark"/; s|/brent/|/southwark/|g' \
    brent/bascule.conf >southwark/bascule.conf)
cp -a brent/repository brent/key southwark/

policy "$(shell look '"tree", "dump"' "grep -q forty tree/page; grep -q dump it.dump; setsid bash -c '$started' >/dev/null 2>&1 &"),
    { step = \"count\"; after = [ \"look\" ]; check = { command = [ \"sh\", \"-c\", \"ls tree | wc -l\" ]; expect_at_least = 1; }; },
    { step = \"dns\"; confirm = \"move it\"; modes = [ \"planned\" ]; undo = \"none\"; }"
daemon_start southwark
expect 2 'no such mode' at southwark exercise start pages --mode dance
says 'is no mode'
expect 2 'a test plays no scenario' at southwark exercise start pages --mode test --scenario S
says "a scenario is a tabletop's"
expect 2 '... nor has it players' test_it --player Ann:lead --dry-run
says "a player is a tabletop's"
expect 1 'an unknown service' at southwark exercise start nothing --mode test

if unshare -n true 2>/dev/null || unshare -rn true 2>/dev/null; then
	isolated=yes
	expect 0 'a plan that works passes' test_it --wait
	says 'PASS' 'HOLDING until .*exercise abort' 'run *look: done'
else
	isolated=
	expect 8 'without a namespace it is not measured' test_it --wait
	says 'NOT_MEASURED'
fi
is 'the steps ran and were undone' "$(cat steps)" "look
unlook"
clean 'a test'
expect 0 'the report' show
says 'EXERCISE REPORT' 'RTA' 'recovery point' 'dns' 'not for isolated tests'
expect 0 'the report for programs' at southwark --json exercise show "$(run_id)"
says '"type":"exercise_report"'
report_knows southwark "$(run_id)" approvals authority_after authority_before break_glass builds capacity chain \
    cleanup clock_offset consistency control councils criteria deviation direction dns_ttl ended epoch escrow_drill exception exclusions failback fence head \
    integrity isolation known_issue last limitation loss manual mode next_due operators overrides plan point point_age \
    point_at point_proof point_sites point_why policy precondition production_impact purpose range requested \
    requester role run scope service simulated site skipped state trigger unprotected MTPD RPO RTO
report_forms southwark "$(run_id)"
says '"type":"exercise_report"'
expect 0 '... the same by its format' at southwark exercise show "$(run_id)" --format json
says '"type":"exercise_report"'
expect 0 '... for a browser' at southwark exercise show "$(run_id)" --format html
says '<html' 'EXERCISE REPORT' 'RTA'
expect 0 '... for a spreadsheet' at southwark exercise show "$(run_id)" --format csv
says 'dns' 'not for isolated tests'
expect 2 '... not as a song' at southwark exercise show "$(run_id)" --format song; says 'no format'
point=$(at southwark --json points pages | sed -n 1p)
[ -z "$isolated" ] || case $point in *'"tested'*) ok 'the point is tested' ;;
*) not_ok 'the point is tested' "$point" ;; esac

policy "$(shell one '"tree"' true), $(shell two '"one"' true),
    { step = \"wrong\"; after = [ \"two\" ]; check = { command = [ \"sh\", \"-c\", \"echo 1\" ]; expect_at_least = 2; within = \"0s\"; }; },
    $(shell late '"wrong"' true)"
expect 8 'a failing check fails the test' test_it --wait --json
says 'FAIL' 'CLEAN'
is 'undone in reverse order' "$(cat steps)" "one
two
untwo
unone"
clean 'a failed test'
show >.out
says "FAIL" "wrong' failed" "late' was not executed"

if [ -n "$isolated" ]; then
	cat >listen.py <<END
import socket, time
s = socket.socket()
s.bind(("127.0.1.1", ${PORT:-1}))
s.listen(5)
open("up", "w").close()
time.sleep(100)
END
	policy "$(shell serve '"tree"' "setsid python3 $WORK/listen.py >/dev/null 2>&1 & while test ! -e up; do sleep 0.1; done"),
	    { step = \"fine\"; check = { command = [ \"true\" ]; }; }"
	expect 8 'production that can be reached fails the test' test_it --wait
	show >.out
	says 'BREACHED'
	clean 'a breach'
fi

# The worker is killed, then the daemon, in the middle.
policy "$(shell slow '"tree"' "setsid bash -c '$started' >/dev/null 2>&1 & sleep 100"),
    { step = \"fine\"; after = [ \"slow\" ]; check = { command = [ \"true\" ]; }; }"
expect 0 'one begins' test_it
wait_for 20 grep -q slow steps
pid=$(at southwark --json jobs | grep '"kind":"exercise"' | grep -o '"pid":[0-9]*' | tail -n 1 | cut -d: -f2)
kill -9 "$pid"
wait_for 30 have_result INTERRUPTED
holds 'a killed worker: INTERRUPTED' have_result INTERRUPTED
holds 'and CLEAN' have_state CLEAN
is 'and what it did is undone' "$(cat steps)" "slow
unslow"
clean 'a killed worker'
at southwark events --run "$(run_id)" >.out
says 'step=slow.*the worker died before it could say'

rm steps
expect 0 'one begins' test_it
wait_for 20 grep -q slow steps
daemon_stop southwark KILL
holds 'what it started survives the daemon for now' sleep 0
daemon_start southwark
wait_for 30 have_result INTERRUPTED
holds 'a killed daemon: INTERRUPTED' have_result INTERRUPTED
holds 'and CLEAN' have_state CLEAN
is 'and what it did is undone' "$(cat steps)" "slow
unslow"
clean 'a killed daemon'
at southwark events --run "$(run_id)" >.out
says 'step=slow.*the daemon ended before it was done'

# A person ends one.
rm steps
expect 0 'one begins' test_it
wait_for 20 grep -q slow steps
records=$(at southwark --json events --run "$(run_id)" | grep -c '"type":"record"')
expect 0 'what to abort it would do' at southwark exercise abort "$(run_id)" --dry-run
says "the sandbox would be removed: $WORK/southwark/sandbox/$(run_id)" 'an abort of .*nothing was done'
is '... is not done, nor recorded' "$(at southwark --json events --run "$(run_id)" | grep -c '"type":"record"')" "$records"
expect 0 'it is aborted' at southwark exercise abort "$(run_id)" --reason "enough"
wait_for 30 have_result INTERRUPTED
show >.out
says 'INTERRUPTED' 'enough'
clean 'an aborted one'

# What could not be undone keeps the next test back, until somebody saw to it.
policy "{ step = \"stays\"; after = [ \"tree\" ]; run = [ \"true\" ]; undo = [ \"test\", \"-e\", \"$WORK/mended\" ]; },
    { step = \"fine\"; after = [ \"stays\" ]; check = { command = [ \"true\" ]; }; }"
expect 8 'what cannot be undone' test_it --wait
holds '... is not cleaned up' have_state CLEANUP_INCOMPLETE
unclean=$(run_id)
expect 13 '... and keeps the next test back' test_it
says "exercise $unclean is not cleaned up" "bascule exercise cleanup $unclean"
touch mended
# It ends as the test did, which is measured only where it can be cut off.
expect "$([ -n "$isolated" ] && echo 0 || echo 8)" '... until it can be' at southwark exercise cleanup "$unclean" --wait
holds '... and was' have_state CLEAN
clean 'what could be undone later'
# An undo that fails leaves something: what a clean-up would do is told first.
policy "{ step = \"stuck\"; after = [ \"tree\" ]; run = [ \"sh\", \"-ec\", \"echo stuck >>$WORK/steps; sleep 100\" ];
    undo = [ \"sh\", \"-c\", \"test ! -e $WORK/stuck\" ]; },
    { step = \"fine\"; after = [ \"stuck\" ]; check = { command = [ \"true\" ]; }; }"
touch stuck
expect 0 'one begins' test_it
wait_for 20 grep -q stuck steps
expect 0 'it is aborted, and cannot be undone' at southwark exercise abort "$(run_id)"
holds 'it is not clean' wait_for 30 have_state CLEANUP_INCOMPLETE
run=$(run_id)
mkdir "southwark/sandbox/$run"
BASCULE_RUN=$run sleep 1000 &
left=$!
records=$(at southwark --json events --run "$run" | grep -c '"type":"record"')
expect 0 'what a clean-up would do' at southwark exercise cleanup "$run" --dry-run
says "step stuck would be undone: sh -c test ! -e $WORK/stuck" 'that would be killed: 1$' \
    "the sandbox would be removed: $WORK/southwark/sandbox/$run" 'CLEANUP_INCOMPLETE.*nothing was done'
expect 0 '... for programs' at southwark --json exercise cleanup "$run" --dry-run
says '"what":"undo","step":"stuck"' '"dry_run":true'
is '... and nothing is' "$(at southwark --json events --run "$run" | grep -c '"type":"record"') $(ls southwark/sandbox)" "$records $run"
holds '... nobody is killed' kill -0 "$left"
expect 13 'no test begins meanwhile' test_it
rm stuck
expect 8 'it is cleaned up' at southwark exercise cleanup "$run" --wait
holds '... and clean' have_state CLEAN
fails '... the process is gone' kill -0 "$left"
clean 'what was left'
expect 1 'a second time' at southwark exercise cleanup "$run" --dry-run
says 'is clean already'

# A person is asked.
policy "{ step = \"ask\"; after = [ \"tree\" ]; confirm = \"does it look right?\"; },
    { step = \"fine\"; check = { command = [ \"true\" ]; }; }"
expect 0 'one begins that asks' test_it
waits() { at southwark --json jobs | grep '"step":"ask"' >/dev/null; }
wait_for 20 waits
expect 1 'a step nobody asks about' at southwark exercise answer "$(run_id)" tree
expect 0 'it is answered' at southwark exercise answer "$(run_id)" ask
over() { have_state CLEAN; }
wait_for 30 over
[ -z "$isolated" ] || holds 'and passes' have_result PASS

# Fired by the policy.
before=$(at southwark --json exercise list | grep -c '"type":"exercise"')
policy "$PLAN" 'exercises = ( { kind = "test"; every = "3s"; hold = "0s"; } );'
more() { [ "$(at southwark --json exercise list | grep -c '"type":"exercise"')" -gt "$before" ]; }
wait_for 20 more
holds 'the schedule tests as well' more

# What is done on another machine stands aside, which is said before it begins.
shared_policy_of_one=$(shared_policy)
shared_policy() {
	echo "$shared_policy_of_one" | sed "s|hosts = ( { name = \"s1.southwark\"|hosts = ( { name = \"s1.southwark\"; address = \"127.0.2.1\"; user = \"nobody\"; host_keys = [ \"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" ]; }, { name = \"app.southwark\"|"
}
policy "{ step = \"far\"; after = [ \"tree\" ]; on = \"app.southwark\"; run = [ \"true\" ]; undo = \"none\"; },
    { step = \"switch\"; after = [ \"far\" ]; run = [ \"true\" ]; undo = \"none\"; modes = [ \"planned\" ]; },
    { step = \"seen\"; after = [ \"switch\" ]; check = { command = [ \"false\" ]; }; },
    { step = \"fine\"; check = { command = [ \"true\" ]; }; }"
before=$(at southwark --json exercise list | grep -c '"type":"exercise"')
expect 0 'a dry run says what a test would leave out' test_it --dry-run
says 'tree  *is tested' "far  *NOT TESTED: it is done on 'app.southwark', which a test cannot cut off" \
    "seen  *NOT TESTED: it follows 'far', which stood aside" 'fine  *is tested' \
    'it can prove L4 (restored and compared) at most, not L5 or L6: 2 of its 5 steps stand aside' 'nothing was started'
is '... and starts none' "$(at southwark --json exercise list | grep -c '"type":"exercise"')" "$before"
expect 0 '... for programs' at southwark --json exercise start pages --mode test --dry-run
says '"at_most":"L4"' '"stand_aside":2'
expect 2 'a tabletop has none' at southwark exercise start pages --mode tabletop --dry-run
test_it --wait >.out 2>.err
says "warning: step 'far' will not be tested" "step 'seen' will not be tested" 'it can prove L4'
show >.out
says "step 'far' was not tested" 'it can prove L4 (restored and compared) at most'
[ -z "$isolated" ] || at southwark report ladder pages >.out
[ -z "$isolated" ] || says 'southwark.*L4'

# What a tabletop says of a step rests on what its real runs took.
run=$(at southwark --json exercise start pages --mode tabletop | grep -o '"run":"[^"]*"' | cut -d'"' -f4)
for go in 'stage approve' 'stage schedule --at 1d' 'attend Ann' brief begin 'step tree'; do
	# shellcheck disable=SC2086
	set -- $go
	verb=$1; shift
	at southwark exercise "$verb" "$run" "$@" >/dev/null 2>.err || not_ok "tabletop: $go" "$(cat .err)"
done
expect 13 'a tabletop left nothing to remove' at southwark exercise cleanup "$run" --dry-run
says 'is no isolated test but a tabletop'
at southwark exercise play "$run" </dev/null >.out
says 'step tree the median of [0-9]* real runs'

# The evidence: records and manifest by the site's key.
expect 0 'the evidence is exported' at southwark evidence export -o "$WORK/pack"
says 'the manifest is signed by SHA256:'
key=$(sed -n 's/.*signed by //p' .out)
expect 0 'and is the key holder'"'"'s' "$B" evidence verify "$WORK/pack" --key "$key"
says 'GOOD:' "manifest   signed by $key"

daemon_stop southwark
never_stumbled southwark/log
"$B" -r southwark/repository check >.out 2>&1 || not_ok 'the copy is as it was' "$(cat .out)"
finish
