#!/bin/sh
# Brent is cut off: two people attest that it is off, southwark takes the service
# from its newest point.  When brent returns it is quarantined, fences itself,
# keeps what it wrote meanwhile, and only then receives; then all goes back.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

if [ "$LAB" != namespaces ] || ! lab_up; then
	skip 'moves' 'hosts of their own need root'
	finish
fi
EVERY_TALK=2s SILENT=3s
printf '#!/bin/sh\n{ cat; echo; } >>"$PWD/told"\n' >"$WORK/tell"
chmod +x "$WORK/tell"
ALERTS="alerts = ( { on = [ \"move\" ]; run = [ \"$WORK/tell\" ]; } );"
REMINDER=1s
CAPTURE="capture = { before = [ \"$WORK/ctl\", \"open\" ]; after = [ \"$WORK/ctl\", \"close\" ]; timeout = \"20s\"; };"
move_sites "$CAPTURE"
touch brent/here/shuts # its fence leaves nothing to be read
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
holds 'brent is heard' wait_for 20 at brent permit counter
lab_on brent "$WORK/ctl" start
expect 0 'a point is made' at brent run counter --wait
wait_for 20 copied southwark
chosen=$(tail -n 1 brent/here/data/log)

# --- brent is gone, and goes on writing
lab_reset virgin
lab_reset bt
# a fence is tried there first: 12 s with its patience, then once for the proof
run=$(move_request southwark southwark unplanned --accept-loss "what was written since")
expect 0 'somebody approves too early' as_person 8 southwark approve "$run" --yes
expect 0 'and takes it back' as_person 8 southwark approve "$run" --withdraw --yes
fails 'it does not start without' move_start southwark "$run" southwark --override G09="nobody answers" \
    --override G07="a laboratory" --override G06="a laboratory" \
    --override G02="it is silent" --override G12="a laboratory"
expect 0 'somebody approves' as_person 6 southwark approve "$run" --yes
expect 0 'it starts' move_start southwark "$run" southwark --override G09="nobody answers" \
    --override G07="a laboratory" --override G06="a laboratory" \
    --override G02="it is silent" --override G12="a laboratory"
wait_for 30 has_phase southwark "$run" DECLARED
holds 'the evidence is frozen' has_phase southwark "$run" DECLARED
wait_for 30 sh -c "'$B' --socket southwark/socket status | grep -q 'two people may attest'"
fails 'unfenced it is not taken' has_phase southwark "$run" TAKEN
expect 0 'one attests' as_person 6 southwark approve "$run" --attest "power is off" --yes
sleep 1
fails 'one person is not enough' has_phase southwark "$run" FENCED
expect 0 'another one, too' as_person 8 southwark approve "$run" --attest "power is off" --yes
holds 'two people attest' phase_is southwark "$run" FENCED 20
holds 'and it runs at southwark' phase_is southwark "$run" RAN 30
holds 'really' runs_at southwark
holds 'who owns it is reminded of the commit' phase_is southwark "$run" reminder 10
expect 0 'who may approve accepts it' as_person 6 southwark approve "$run" --accept --reason "works" --yes
move_say southwark commit "$run" southwark
holds 'committed' phase_is southwark "$run" COMMITTED 10

# --- brent returns
daemon_stop brent KILL
holds 'brent begins again' lab_daemon brent
expect 11 'and is quarantined' at brent permit counter
says quarantined
lab_mend virgin
lab_mend bt
holds 'it fences itself' phase_is brent "$run" STOPPED 30
fails 'it runs no more' runs_at brent
holds 'what it wrote is kept' phase_is brent "$run" DIVERGENCE 30
fails 'and shut again' test -e brent/here/data
is 'it was opened for that, and closed' "$(tail -n 2 brent/here/hooks | tr '\n' ' ')" 'open close '
is 'nothing stays marked' "$(ls brent/state/opened/counter)" ''
lab_on brent cp "$WORK/here/shut/log" "$WORK/brent/kept"
expect 0 'the owner lets it be overwritten' move_say southwark reprotect "$run" southwark
holds 'protected again' phase_is southwark "$run" REPROTECTED 60
report_knows southwark "$run" $REPORT_MOVE
wait_for 20 sh -c "'$B' --socket brent/socket failover show $run | grep -q REPROTECTED"
report_knows brent "$run" $REPORT_MOVE
at southwark report exercise "$run" >report
counted=$(at brent events --type point | sed -n 's/.* count.data=\([0-9]*\) .*/\1/p' | head -n 1)
is 'what was lost is counted' "$(sed -n 's/^ *transactions lost *\([0-9]*\):.*/\1/p' report)" \
    $(($(wc -l <brent/kept) - counted))
holds 'who accepted is in the report' grep -q 'accepted by .*man' report
holds 'and who was reminded' grep -q 'reminder: .*neither accepted nor rolled back' report
expect 0 'a point has its count' at southwark --json points counter
is 'as it was recorded' "$(grep -o '"transactions":[0-9]*' .out | tail -n 1)" "\"transactions\":$counted"
for phase in REQUESTED STARTED DECLARED FENCED TAKEN RAN COMMITTED REPROTECTED; do
	holds "the program of the policy was told of $phase, and the report says so" \
	    grep -q "notified .*$WORK/tell at .* $phase: brent -> southwark: $phase" report
done

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
