#!/bin/sh
# Brent is lost, and southwark's daemon dies amid the move that takes its service: what
# it had measured of brent is not known any more.  Who approved has approved all the
# same, and status says to a tired person what to type, to the end.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'moves'
EVERY_TALK=2s SILENT=3s FENCE_TIMEOUT=3s
move_sites
moves_begin
wait_for 20 copied southwark
holds 'and copied' copied southwark
at southwark readiness --measure >.out # no box was made: NOT READY
daemon_stop brent KILL
unheard() { at southwark hold inspect counter | grep -qF 'may write there: not known (yes, when it was last heard)'; }
holds 'what a site may whose daemon is silent is not known, also where its links are up' wait_for 15 unheard
lab_on brent "$WORK/ctl" stop
lab_reset virgin
lab_reset bt

typed() { at southwark status | sed -n 's/^      type: //p'; }
type_is() { typed | grep -qF "$1"; }
shown() { at southwark failover show "$run"; }
shown_is() { shown | grep -q -- "$1"; }
both_links_down() { [ "$(at southwark links | grep -c ' down ')" = 2 ]; }
again() {
	daemon_stop southwark KILL
	lab_daemon southwark
}

# --- asked for and approved
run=$(move_request southwark southwark unplanned --accept-loss "what was written since")
holds 'status says that it is to be approved' wait_for 5 type_is "bascule approve $run"
is '... as the run does' "$(shown | sed -n 's/^next: //p')" \
    "bascule approve $run (by somebody else than root)"
expect 0 'somebody approves' as_person 6 southwark approve "$run" --yes
holds 'and that it is to be started' wait_for 5 type_is "bascule failover start $run --confirm southwark"
holds 'southwark is ready' shown_is 'G08 pass'
expect 0 'it starts' at southwark failover start "$run" --confirm southwark --override G09="silent" \
    --override G07="a laboratory" --override G06="a laboratory" --override G02="it is silent" \
    --override G12="a laboratory"

# --- what was known of brent is known no more
holds "southwark's daemon dies" again
holds 'whether their clocks agree is not known' wait_for 20 shown_is "not known now: G08 of 'counter'"
holds '... which is no change of what was approved' shown_is '^approvals: 1 of 1'
holds 'whoever is lost is named' wait_for 20 type_is "bascule hold inspect $run"
expect 0 'how they know is told' at southwark hold inspect counter
says 'does not answer: lost, or only cut off? .bascule links. tells which links are down' \
    'Lost is what somebody at brent, or at its console or its power, has seen to be off' \
    'next: bascule links; or, by two people, bascule hold resolve counter --owner brent'
holds 'which links are down is told' wait_for 20 both_links_down
for who in 6 8; do
	expect 0 'two people know that brent does not run it' as_person $who southwark \
	    hold resolve counter --owner brent --confirm brent --reason "it is lost"
done
holds 'two people are asked' wait_for 40 type_is "bascule approve $run --attest METHOD"
for who in 6 8; do
	expect 0 'they attest' as_person $who southwark approve "$run" --attest "power is off" --yes
done
holds 'a guard that is not known lets nothing through' wait_for 20 type_is \
    "bascule failover retry $run --override G08=REASON"
at southwark status >.out
says "a guard does not let through: set the target's clock (.*): guard G08 (the target is ready) is not known to pass: the clocks agree: not known"
fails '... but who may does' has_phase southwark "$run" TAKEN
expect 0 'a dr-lead does' at southwark failover retry "$run" --override G08="its clock was right"
holds 'and it runs at southwark' phase_is southwark "$run" RAN 30
holds 'really' runs_at southwark

daemon_stop southwark
never_stumbled ./*/log ./*/state/jobs/*
finish
