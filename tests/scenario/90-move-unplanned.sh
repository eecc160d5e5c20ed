#!/bin/sh
# Brent is cut off: two people attest that it is off, southwark takes the service
# from its newest point.  When brent returns it is quarantined, fences itself,
# keeps what it wrote meanwhile, and only then receives; then all goes back.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'moves'
EVERY_TALK=2s SILENT=3s
printf '#!/bin/sh\n{ cat; echo; } >>"$PWD/told"\n' >"$WORK/tell"
chmod +x "$WORK/tell"
ALERTS="alerts = ( { on = [ \"move\" ]; run = [ \"$WORK/tell\" ]; } );"
REMINDER=1s
CAPTURE="capture = { before = [ \"$WORK/ctl\", \"open\" ]; after = [ \"$WORK/ctl\", \"close\" ]; timeout = \"20s\"; };"
move_sites "$CAPTURE"
touch brent/here/shuts # its fence leaves nothing to be read
moves_begin
wait_for 20 copied southwark
chosen=$(tail -n 1 brent/here/data/log)

# --- brent is gone, and goes on writing
lab_reset virgin
lab_reset bt
# a fence is tried there first: 12 s with its patience, then once for the proof
run=$(move_request southwark southwark unplanned --accept-loss "what was written since")
wait_for 10 sh -c "'$B' --socket southwark/socket status | grep -q REQUESTED"
at southwark status >.out
says 'REQUESTED since .*: to be approved, then started (approvals: 0 of 1)$' \
    "^      type: bascule approve $run (by somebody else than root)"
expect 0 'somebody approves too early' as_person 8 southwark approve "$run" --yes
expect 0 'and takes it back' as_person 8 southwark approve "$run" --withdraw --yes
fails 'it does not start without' move_start southwark "$run" southwark --override G09="nobody answers" \
    --override G07="a laboratory" --override G06="a laboratory" \
    --override G02="it is silent" --override G12="a laboratory"
expect 0 'somebody approves' as_person 6 southwark approve "$run" --yes
says 'approvals: 1 of 1: man'
wait_for 10 sh -c "'$B' --socket southwark/socket status | grep -q 'approved, and to be started'"
at southwark status >.out
says "^      type: bascule failover start $run --confirm southwark"
expect 0 'it starts' move_start southwark "$run" southwark --override G09="nobody answers" \
    --override G07="a laboratory" --override G06="a laboratory" \
    --override G02="it is silent" --override G12="a laboratory"
wait_for 30 has_phase southwark "$run" DECLARED
holds 'the evidence is frozen' has_phase southwark "$run" DECLARED
wait_for 30 sh -c "'$B' --socket southwark/socket status | grep -q 'two people may attest'"
fails 'unfenced it is not taken' has_phase southwark "$run" TAKEN
expect 0 'one attests' as_person 6 southwark approve "$run" --attest "power is off" --yes
says "1 of 2 people attest by the same method that 'brent' is off" \
    "next: another person, .*: bascule approve $run --attest \"power is off\""
sleep 1
at southwark status >.out
fails 'nobody calls that fenced' grep -q 'is fenced' .out
expect 0 'what the old site may do now is not known' at southwark hold inspect "$run"
says '^  brent, heard .* ago: says ' 'may write there: not known (yes, when it was last heard)'
fails 'one person is not enough' has_phase southwark "$run" FENCED
expect 0 'another one, too' as_person 8 southwark approve "$run" --attest "power is off" --yes
says '2 of 2 people attest' "next: bascule failover show $run"
holds 'two people attest' phase_is southwark "$run" FENCED 20
holds 'and it runs at southwark' phase_is southwark "$run" RAN 30
holds 'really' runs_at southwark
holds 'who owns it is reminded of the commit' phase_is southwark "$run" reminder 10
expect 15 'nobody goes back to what nobody knows' at southwark failover rollback "$run" --confirm brent --dry-run
says 'G17 unknown'
expect 0 'who may approve accepts it' as_person 6 southwark approve "$run" --accept --reason "works" --yes
move_say southwark commit "$run" southwark
holds 'committed' phase_is southwark "$run" COMMITTED 10
expect 15 'nothing is sent to a site that has kept nothing yet' at southwark failover reprotect "$run" --confirm southwark --dry-run
says 'G18 '
replications() { grep -c 'replicate of counter to brent: waiting' southwark/log; }
sleep 2
before=$(replications)
sleep 2
is 'what finds no link up waits for one' "$(replications)" "$before"

# --- brent returns
daemon_stop brent KILL
holds 'brent begins again' lab_daemon brent
expect 11 'and is quarantined' at brent permit counter
says quarantined
expect 0 'which is looked into' at brent hold inspect counter
says "^counter: QUARANTINED: since this daemon's start southwark has not said where" \
    'next: bascule links; or, by two people, bascule hold resolve counter --owner brent'
lab_mend virgin
lab_mend bt
holds 'it fences itself' phase_is brent "$run" STOPPED 30
fails 'it runs no more' runs_at brent
holds 'what it wrote is kept' phase_is brent "$run" DIVERGENCE 30
fails 'and shut again' test -e brent/here/data
is 'it was opened for that, and closed' "$(tail -n 2 brent/here/hooks | tr '\n' ' ')" 'open close '
is 'nothing stays marked' "$(ls brent/state/opened/counter)" ''
lab_on brent cp "$WORK/here/shut/log" "$WORK/brent/kept"
holds '... as southwark hears' wait_for 20 sh -c "'$B' --socket southwark/socket failover show $run | grep -q DIVERGENCE"
wait_for 10 sh -c "'$B' --socket brent/socket status | grep -q 'lets it be overwritten'"
at brent status >.out
says 'what was written at brent after the point is kept: the owner looks at it' \
    "^      type: bascule failover reprotect $run --confirm southwark"
expect 0 'what that would let happen is told' at southwark failover reprotect "$run" --confirm southwark --dry-run
says 'counter at southwark would then be: unprotected until a first point is whole and verified at brent' \
    'reprotect: nothing was recorded'
sleep 1
fails '... and nothing is overwritten' has_phase southwark "$run" REPROTECTED
expect 0 'the owner lets it be overwritten' move_say southwark reprotect "$run" southwark
holds 'protected again' phase_is southwark "$run" REPROTECTED 60
report_knows southwark "$run" $REPORT_MOVE
wait_for 20 sh -c "'$B' --socket brent/socket failover show $run | grep -q REPROTECTED"
report_knows brent "$run" $REPORT_MOVE
at southwark report exercise "$run" >report
counted=$(at brent events --type point | sed -n 's/.* count.data=\([0-9]*\) .*/\1/p' | head -n 1)
is 'what was lost is counted' "$(sed -n 's/^ *transactions lost *\([0-9]*\):.*/\1/p' report)" \
    $(($(wc -l <brent/kept) - counted))
holds 'what ran on is told: no proof that brent was off, and until when it may have written' sh -c "
    grep -q 'people.s word (attested); it was not read back then' report &&
    grep -q 'brent was read back as stopped only .* after southwark had taken the service' report &&
    grep -q '^ *RPA  *pass (at most ' report && grep -q '^ *loss  *at most .* until brent was read back' report"
expect 0 '... to programs as well' at southwark report exercise "$run" --format json
says '"rpa_is":"at most"'
holds 'both sites records are named, their heads, and who signed these' sh -c "
    grep -q '^ *ledger  *southwark: .*#.*; brent: .*#' report &&
    grep -q '^ *signed by head  *southwark: [0-9]*; brent: [0-9]*' report &&
    grep -q '^ *co-signed by  *southwark: .*; brent: ' report && grep -q '^ *site  *southwark, brent' report"
holds 'and where it was before' grep -q '^ *authority before  *[A-Z]* at brent, epoch 1$' report
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
