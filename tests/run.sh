#!/bin/sh
# run.sh: everything `make test` proves, cheapest first.  A line a step on the
# terminal, the whole of it in build/test-logs/; the last line counts.  What
# needs no other runs as many at a time as there are processors.
# STEPS="unit scenario" runs only those.
set -u
cd "$(dirname "$0")/.."
logs=build/test-logs
mkdir -p "$logs"
rm -rf "$logs"/*
jobs=$(nproc)
: "${MAKE:=make}" "${FUZZ_SECONDS:=1}"
STEPS=${STEPS:-house build checked unit fuzz model valgrind scenario}

# A step of which nothing may be left: what is, fails it (tests/tools/ward.c).
warded=build/ward
$MAKE -s $warded || exit 1

# What a log says of itself: check's lines, and "N passed, N failed".
count() {
	awk '/%: Checks: / { gsub(/[^0-9 ]/, " "); split($0, n, " ")
		bad += n[3] + n[4]; good += n[2] - n[3] - n[4] }
	/^[0-9]+ passed, [0-9]+ failed/ { good += $1; bad += $3 }
	END { print good + 0, bad + 0 }' "$1"
}

step() { # name, command...
	name=$1; shift
	log=$logs/$name.log
	begun=$(date +%s)
	"$@" >"$log" 2>&1 </dev/null
	status=$?
	set -- $(count "$log")
	if [ $status -ne 0 ] && [ "$2" -eq 0 ]; then set -- "$1" 1; fi
	if [ "$1" -eq 0 ] && [ "$2" -eq 0 ]; then set -- 1 0; fi
	echo "$1 $2" >"$logs/$name.count"
	if [ "$2" -eq 0 ]; then
		used=$(sed -n 's/^# processor: \(.*\)/, \1 of processor/p' "$log" |
		    tail -n 1)
		echo "ok      $name ($1, $(($(date +%s) - begun)) s$used)"
		return
	fi
	{
		echo "FAILED  $name ($2 of $(($1 + $2))); $log ends:"
		grep -E '^not ok|:[EF]:|error:|ERROR|FAIL' "$log" | head -20
		tail -n 15 "$log"
	} >"$logs/$name.failure"
	cat "$logs/$name.failure" # in one piece
}

# later NAME COMMAND: in its turn, by whoever is free; together waits for all.
later() { echo "$@" >>"$logs/queue"; }
work() {
	while read -r name command; do
		# shellcheck disable=SC2086
		mkdir "$logs/$name.begun" 2>/dev/null &&
		    step "$name" $warded $command
	done <"$logs/queue"
}
together() {
	# More than there are processors: scenarios wait more than they work.
	for _ in $(seq $((2 * jobs + 2))); do work & done
	wait
	rm -rf "$logs/queue" "$logs"/*.begun
}

wanted() { case " $STEPS " in *" $1 "*) ;; *) false ;; esac; }

if wanted house; then
	step floors $MAKE floors
	step format $MAKE format-check
	step lengths $MAKE lengths
fi
if wanted build; then
	step build $warded $MAKE -j"$jobs" all
	step symbols $MAKE symbols
fi
if wanted checked; then
	step checked-build $warded $MAKE -j"$jobs" checked-build
fi
: >"$logs/queue"
if wanted unit; then
	later unit-store $MAKE checked-unit M=store
	later unit-far $MAKE checked-unit M=replicate,source,ssh # they wait much
	later unit-job $MAKE checked-unit M=job
	others=$(cd tests/unit && ls | grep -vxE 'store|replicate|source|ssh|job' |
	    tr '\n' ,)
	later unit $MAKE checked-unit M="$others"
fi
if wanted fuzz; then
	later fuzz sh tools/fuzz.sh build-checked "$FUZZ_SECONDS"
fi
if wanted model; then
	step model-build $MAKE -j"$jobs" model build/sim
	later model-1 build/model -n "$((${SEEDS:-2000} / 2))"
	later model-2 build/model -n "$((${SEEDS:-2000} / 2))" -s 500001
	later sim build/sim -n "${HISTORIES:-10000}"
	later sim-mutants sh tests/sim/mutants.sh build/sim tests/sim/mutants.list
fi
if wanted valgrind; then
	step valgrind-build $MAKE -j"$jobs" unit-tests
	later valgrind $MAKE valgrind
fi
if wanted scenario; then
	for s in tests/scenario/[0-9]*; do
		later "$(basename "${s%.*}")" "$s"
	done
fi
together
cat "$logs"/*.count | awk '{ good += $1; bad += $2 }
	END { print good + 0 " passed, " bad + 0 " failed"; exit bad > 0 }'
