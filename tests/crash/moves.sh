#!/bin/sh
# The whole of tests/crash/moves.py: LABS laboratories at a time, each begun anew
# after a failure and every CELLS cells, until there is nothing left.  What has
# held is not done again: RESULTS.  FAULTS, MODES, POINTS, MOST (times a record is
# struck in each mode): less of it.  While the file PAUSE is there no cell begins.
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build} LABS=${LABS:-2} MOST=${MOST:-0} CELLS=${CELLS:-30}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
RESULTS=${RESULTS:-$BUILD/move-faults}
export BUILD MOST CELLS RESULTS
mkdir -p "$RESULTS/cells"
lab() {
	while :; do
		tests/scenario/90-move-faults.sh >"$RESULTS/lab.$1" 2>&1
		cat "$RESULTS/lab.$1" >>"$RESULTS/log"
		case $(tail -n 1 "$RESULTS/code.$1" 2>/dev/null) in
		3 | 75) ;;
		*) return ;;
		esac
	done
}
for n in $(seq "$LABS"); do
	CODE=$RESULTS/code.$n lab "$n" &
	sleep 1
done
wait
python3 tests/crash/moves.py "$RESULTS" --table
python3 tests/crash/moves.py "$RESULTS" --left
