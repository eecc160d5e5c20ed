#!/bin/sh
# The ways back: a move that is rolled back from PROVISIONAL keeps what was
# written there; one that is held runs nowhere until two people say where.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'moves'
NO_UNDO=1 # a site that was fenced starts by the plan, without its restores
move_sites
moves_begin
wait_for 20 copied southwark

# --- rolled back
run=$(move_request brent southwark planned)
move_start brent "$run" southwark
holds 'the plan has run at southwark' phase_is southwark "$run" RAN 60
expect 0 'what going back would be is told' at southwark failover rollback "$run" --confirm brent --dry-run
says 'counter at southwark would go on with quiesce: rollback: the writes here stop' \
    'counter at southwark would go on with CAPTURED' 'counter at southwark would go on with GRANTED' \
    'counter at brent would go on with TAKEN' 'counter at brent would go on with ROLLED_BACK' \
    'rollback: nothing was recorded'
cp .out told
holds '... and nothing is done' runs_at southwark
expect 0 'somebody wants it back' at southwark failover rollback "$run" --confirm brent
holds 'what was written at southwark is kept' phase_is southwark "$run" CAPTURED 30
holds 'it is rolled back' phase_is brent "$run" ROLLED_BACK 30
holds 'it runs at brent again' runs_at brent
at brent failover show "$run" >did
for phase in CAPTURED UNDONE GRANTED TAKEN PROVISIONAL ROLLED_BACK; do
	holds "... as was told: $phase" sh -c "grep -q 'would go on with $phase' told && grep -q '$phase' did"
done
is 'southwark restored once' \
    "$(at southwark events --type step --run "$run" | grep -c 'kind=restore')" 2
is 'its own data stayed: nothing was restored over it' \
    "$(at brent events --type step --run "$run" | grep -c 'kind=restore')" 0
fails 'and not at southwark' runs_at southwark
report_knows brent "$run" $REPORT_DECIDED outage_back
report_forms brent "$run"

# --- held, and resolved
run=$(move_request brent southwark planned)
move_start brent "$run" southwark
holds 'the next one has run' phase_is southwark "$run" RAN 60
expect 0 'somebody holds it' at southwark failover hold "$run"
is 'of which epoch that is said is on record' \
    "$(at southwark events --type failover --run "$run" |
	grep 'event=hold' | grep -c 'epoch=4')" 1
holds 'held, it is fenced where it ran' phase_is southwark "$run" STOPPED 30
fails 'it runs nowhere' runs_at southwark
fails '... at all' runs_at brent
expect 0 'it can be looked into' at southwark hold inspect counter
says HELD
expect 0 'one says where' as_person 6 southwark hold resolve counter --owner southwark \
    --confirm southwark --reason "it was well there"
says 'one person'
says 'next: another person: bascule hold resolve counter --owner southwark'
fails 'one person is not enough' has_phase southwark "$run" RESOLVED
expect 0 'another one, too' as_person 8 southwark hold resolve counter --owner southwark \
    --confirm southwark --reason "it was well there"
says 'next: bascule status counter'
holds 'it runs there again' phase_is southwark "$run" RESUMED 30
holds 'really' runs_at southwark
fails '... and nowhere else' runs_at brent
report_knows southwark "$run" $REPORT_RUN

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
