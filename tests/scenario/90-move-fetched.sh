#!/bin/sh
# A live move of a service whose copies are fetched (replicate.pull), there and
# back: neither site's key opens anything at the other but what is given to be
# fetched, so the last point goes the way the policy says, or the move is given up
# in good time and the service goes on where it was.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'moves'
lab_talks() { # FROM TO
	lab_permit "$2" "$1" \
	    "$B -r $WORK/$2/repository store serve --allow get --service counter"
	printf 'command="%s --socket %s bridge",restrict %s\n' "$B" "$WORK/$2/socket" \
	    "$(cat "$WORK/$1/ssh/id_bridge.pub")" >>"$WORK/$2/ssh/authorized_keys"
}
PULL=1 EVERY_TALK=2s
move_sites
moves_begin
there() { at brent points counter | grep -q 'brent southwark\|southwark brent'; }
wait_for 40 there
holds 'and fetched, as brent has heard' there

run=$(move_request brent southwark planned)
move_start brent "$run" southwark
holds 'the plan has run at southwark' phase_is southwark "$run" RAN 120
holds 'it runs there' runs_at southwark
fails 'and not at brent' runs_at brent
nothing_lost 'planned'
move_say southwark commit "$run" southwark
holds 'committed' phase_is southwark "$run" COMMITTED 10
holds 'and protected again, by brent' phase_is southwark "$run" REPROTECTED 90

run=$(move_request southwark brent planned)
move_start southwark "$run" brent
holds 'the plan has run at brent' phase_is brent "$run" RAN 120
holds 'it runs at brent again' runs_at brent
nothing_lost 'failback'
move_say brent commit "$run" brent
holds 'protected as before' phase_is brent "$run" REPROTECTED 90
for site in brent southwark; do
	at $site --json jobs >.out
	fails "$site sent nothing" grep '"kind":"replicate".*"to_site":' .out
done

# --- southwark can fetch no more
: >brent/ssh/authorized_keys
printf 'command="%s --socket %s bridge",restrict %s\n' "$B" "$WORK/brent/socket" \
    "$(cat southwark/ssh/id_bridge.pub)" >>brent/ssh/authorized_keys
run=$(move_request brent southwark planned)
move_start brent "$run" southwark
holds 'it is given up' phase_is brent "$run" ABORTED 200
at brent events --type failover --run "$run" >.out
says "fetches its copy itself (replicate.pull), and has not fetched the last point"
holds 'it runs at brent' wait_for 20 runs_at brent
nothing_lost 'given up'
for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
