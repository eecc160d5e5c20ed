#!/bin/sh
# A live move preempts every isolated test at the site it goes to, whatever service
# that is of: nothing of it runs while the plan does, no other begins, and what it
# left is undone and removed when the service runs.  The daemon dies meanwhile.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'preempted tests'
move_sites
mkdir services wiki && echo a page >wiki/page
(umask 077; cat >services/wiki.conf <<END
service = {
  name = "wiki"; title = "A wiki"; owner = "brent"; tier = 2;
  home = "brent"; standby = "southwark"; rpo = "24h"; rto = "4h";
  datasets = ( { name = "pages"; tree = "$WORK/wiki"; } );
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  plan = ( { step = "pages"; restore = "pages"; to = "\${sandbox}/pages"; },
    { step = "serve"; after = [ "pages" ]; undo = [ "sh", "-c", "date +%s >>$WORK/undone" ];
      run = [ "sh", "-c", "setsid bash -c 'exec -a $WORK/served sleep 1000' >/dev/null 2>&1 &" ]; },
    { step = "there"; after = [ "serve" ]; check = { command = [ "grep", "page", "pages/page" ]; }; } );
};
END
)
# The move's plan sees whether anything of the test still runs beside it, before it starts
# anything itself: the daemon is killed amid what may be done twice, and no other step.
sed -i 's|step = "start"; after = \[ "[a-z]*" \]|step = "start"; after = [ "alone" ]|' shared.conf
sed -i "s|modes = \[ \"planned\", \"unplanned\" \]; },|&\n    { step = \"alone\"; after = [ \"data\" ]; run = [ \"sh\", \"-c\", \"pgrep -f $WORK/[s]erved >$WORK/beside; until test -e $WORK/hurry; do sleep 0.2; done\" ]; undo = \"none\"; modes = [ \"planned\", \"unplanned\" ]; timeout = \"10m\"; idempotent = true; on_uncertain = \"retry\"; },|" shared.conf
for site in brent southwark; do
	sed -i 's|shared.conf" |shared.conf", "../services" |' $site/bascule.conf
done
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
wait_for 20 at brent permit counter
lab_on brent "$WORK/ctl" start
expect 0 'points are made' at brent run counter --wait
expect 0 '... of both' at brent run wiki --wait
wiki_copied() { at southwark --json points wiki | grep -q '"type":"point"'; }
wait_for 20 copied southwark
holds 'and copied' wait_for 20 wiki_copied

tests() { at southwark --json exercise list; }
state_is() { tests | grep "\"run\":\"$1\"" | grep -q "\"state\":\"$2\""; }
result_is() { tests | grep "\"run\":\"$1\"" | grep -q "\"result\":\"$2\""; }
test_begun() {
	at southwark --json exercise start wiki --mode test --hold 10m |
	    grep -o '"run":"[^"]*"' | cut -d'"' -f4
}
serves() { pgrep -f "$WORK/served" >/dev/null; }
test=$(test_begun)
holds 'a test of another service stands' wait_for 30 state_is "$test" HOLDING
holds '... and runs' serves

run=$(move_request brent southwark planned)
move_start brent "$run" southwark >/dev/null
holds 'the plan is at work there' wait_for 60 test -e beside
is '... and nothing of the test beside it' "$(cat beside)" ''
fails '... nor now' serves
holds 'it gave way' wait_for 10 state_is "$test" PREEMPTED
at southwark exercise list >.out
says "it gives way: move $run of 'counter' is under way"
at southwark exercise show "$test" >.out
says 'state  *PREEMPTED'
holds 'what it made stands' test -e southwark/sandbox/*"$test"*/pages
fails 'nothing is undone yet' test -e undone
expect 11 'no test begins now' at southwark exercise start wiki --mode test
says "move $run of 'counter' is under way at this site, and tests give way to it"

daemon_stop southwark KILL
holds 'the daemon dies and comes back' lab_daemon southwark
holds 'the move goes on' phase_is southwark "$run" PROVISIONAL 30
sleep 2
holds 'the test waits' state_is "$test" PREEMPTED
touch hurry
holds 'the service runs there' phase_is southwark "$run" RAN 90
holds 'then the test is cleaned up' wait_for 30 state_is "$test" CLEAN
holds '... and was interrupted' result_is "$test" INTERRUPTED
holds 'what it did is undone' test -e undone
is 'its sandbox is gone' "$(ls southwark/sandbox)" ''
at southwark exercise show "$test" >.out
says 'INTERRUPTED' 'gave way to a live move'
rm -f undone
test=$(test_begun)
holds 'a test may begin again' wait_for 30 state_is "$test" HOLDING
expect 0 'and a person ends it' at southwark exercise abort "$test"
holds '... cleaned' wait_for 30 state_is "$test" CLEAN

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
