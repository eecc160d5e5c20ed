#!/bin/sh
# Faults in live moves, at their records: daemons killed, links cut, processes
# stopped, disks full; it ends at one site, never at two, and the screen says what
# to type.  tests/crash/moves.py is the campaign, `make move-faults` all of it; here
# four cells.  With RESULTS: CELLS, MODES, FAULTS, POINTS, MOST say what of it; ETCD=1:
# the registers are in etcd, three members, which have faults of their own.
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
	for member in "$WORK"/*/etcd.pid; do
		[ ! -e "$member" ] || kill -KILL "$(cat "$member")" 2>/dev/null
	done
	umount -l "$WORK"/*/state "$WORK"/*/repository 2>/dev/null
	scenario_end
}
trap rooms_end EXIT
lab_apart 'faults in moves'
# A fence there is tried as long as its timeout says, and in unplanned moves in vain.
EVERY_TALK=2s SILENT=3s PATIENCE=8s FENCE_TIMEOUT=5s
move_sites
if [ -n "${ETCD:-}" ]; then
	. "$TOP/tests/support/etcdlab.sh"
	holds 'three members answer' etcd_up || finish
	etcd_policies
fi
${MAKE:-make} -s -C "$TOP" gate BUILD="$BUILD" || not_ok 'the gate is built'
# A test whose worker and the clean-up's die, a test whose end there is no room to
# record, a step that may have been done, and a demotion that nobody saw end.
[ -n "${RESULTS:-}" ] ||
    set -- --only 'test+B.step.restore:data@CLONING.i+work.self,test+B.exercise.precondition:no:freeze:of.e+state.self,planned+B.step.run:start@plan.i+late.self,planned+A.job.move:fence.i+late.self'
RESULTS=${RESULTS:-$WORK/results}
export WORK TOP DAEMON BUILD LAB LAB_PORT LAB_RELAY
{ python3 "$TOP/tests/crash/moves.py" "$RESULTS" ${MODES:+--modes "$MODES"} \
    ${FAULTS:+--faults "$FAULTS"} --points "${POINTS:-.}" --most "${MOST:-0}" \
    --cells "${CELLS:-40}" ${AGAIN:+--again} "$@"; echo $? >.code; } | tee .moves
code=$(cat .code)
passed=$((passed + $(grep -c '^ok' .moves)))
failed=$((failed + $(grep -c '^not ok' .moves)))
never_stumbled ./*/log ./*/state/jobs/*
case $code in 0 | 3 | 75) ;; *) not_ok "the campaign ends with $code" ;; esac
echo "$code" >"${CODE:-/dev/null}" # for who begins the next part
finish
