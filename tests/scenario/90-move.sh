#!/bin/sh
# Live moves between two daemons: a small service under constant writes goes to
# the other site and back, and no write that it acknowledged is lost; either
# daemon is killed on the way; what cannot end well ends HELD, never at two
# sites.  EVERY=1: killed at every phase.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

if [ "$LAB" != namespaces ] || ! lab_up; then
	skip 'moves' 'hosts of their own need root'
	finish
fi
move_sites
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
holds 'brent is heard to be where it was' wait_for 20 at brent permit counter
fails 'southwark may not start it' at southwark permit counter
lab_on brent "$WORK/ctl" start
expect 0 'a point is made' at brent run counter --wait
wait_for 20 copied southwark
holds 'and copied' copied southwark
holds 'it runs at brent' runs_at brent

# --- planned, and back
run=$(move_request brent southwark planned)
move_start brent "$run" southwark
holds 'the plan has run at southwark' phase_is southwark "$run" RAN 60
holds 'it runs there' runs_at southwark
fails 'and not at brent' runs_at brent
nothing_lost 'planned'
move_say southwark commit "$run" southwark
holds 'committed' phase_is southwark "$run" COMMITTED 10
holds 'and protected again' phase_is southwark "$run" REPROTECTED 60

run=$(move_request southwark brent planned)
move_start southwark "$run" brent
holds 'the plan has run at brent' phase_is brent "$run" RAN 60
holds 'it runs at brent again' runs_at brent
fails 'and not at southwark' runs_at southwark
nothing_lost 'failback'
move_say brent commit "$run" brent
holds 'protected as before' phase_is brent "$run" REPROTECTED 60
report_knows brent "$run" $REPORT_MOVE last_write loss_files loss_transactions
report_forms brent "$run"

# --- either daemon is killed on the way: it ends at one site, or nowhere
killed_at() { # PHASE AT SITE
	run=$(move_request brent southwark planned)
	move_start brent "$run" southwark >/dev/null
	phase_is "$2" "$run" "$1" 30
	daemon_stop "$3" KILL
	lab_daemon "$3"
	holds "$3 killed at $1: it goes on" \
	    wait_for 60 ended southwark "$run"
	is "$3 killed at $1: it runs at one site" "$( (runs_at brent && echo one
	    runs_at southwark && echo one) 2>/dev/null)" one
	nothing_lost "$3 killed at $1"
}
ended() {
	has_phase "$1" "$2" RAN || has_phase brent "$2" ABORTED ||
	    has_phase "$1" "$2" ABORTED
}
[ -z "${EVERY:-}" ] || killed_at QUIESCED brent brent

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
