#!/bin/sh
# Faults in live moves, at their records: daemons killed, links cut, processes
# stopped, disks full; it ends at one site, never at two, and the screen says what
# to type.  tests/crash/moves.py is the campaign, `make move-faults` all of it; here
# three cells.  With RESULTS: CELLS, MODES, FAULTS, POINTS, MOST say what of it.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

# Each with a disk of its own, which may be full.
for site in brent southwark; do
	for part in state repository; do
		mkdir -p -m 700 "$WORK/$site/$part"
		[ "$LAB" != namespaces ] ||
		    mount -t tmpfs -o size=48m,mode=700 room "$WORK/$site/$part"
	done
done
rooms_end() {
	umount -l "$WORK"/*/state "$WORK"/*/repository 2>/dev/null
	scenario_end
}
trap rooms_end EXIT
if [ "$LAB" != namespaces ] || ! lab_up; then
	skip 'faults in moves' 'hosts of their own need root'
	finish
fi
EVERY_TALK=2s SILENT=3s PATIENCE=8s
move_sites
${MAKE:-make} -s -C "$TOP" gate BUILD="$BUILD" || not_ok 'the gate is built'
# A test whose worker and the clean-up's die, a step that may have been done, and a
# demotion that nobody saw end.
[ -n "${RESULTS:-}" ] ||
    set -- --only 'test+B.step.restore:data.i+work.self,planned+B.step.run:start.i+late.self,planned+A.job.move.i#2+late.self'
RESULTS=${RESULTS:-$WORK/results}
export WORK TOP DAEMON BUILD LAB LAB_PORT LAB_RELAY
{ python3 "$TOP/tests/crash/moves.py" "$RESULTS" --modes "${MODES:-planned}" \
    --faults "${FAULTS:-late.self}" --points "${POINTS:-.}" --most "${MOST:-0}" \
    --cells "${CELLS:-40}" ${AGAIN:+--again} "$@"; echo $? >.code; } | tee .moves
code=$(cat .code)
passed=$((passed + $(grep -c '^ok' .moves)))
failed=$((failed + $(grep -c '^not ok' .moves)))
never_stumbled ./*/log ./*/state/jobs/*
case $code in 0 | 3 | 75) ;; *) not_ok "the campaign ends with $code" ;; esac
echo "$code" >"${CODE:-/dev/null}" # for who begins the next part
finish
