#!/bin/sh
# run.sh: everything `make test` proves, cheapest first.  A line a step on the
# terminal, the whole of it in build/test-logs/; the last line counts.
# STEPS="unit scenario" runs only those.
set -u
cd "$(dirname "$0")/.."
logs=build/test-logs
mkdir -p "$logs"
rm -f "$logs"/*.log
passed=0 failed=0
jobs=$(nproc)
: "${MAKE:=make}" "${FUZZ_SECONDS:=5}"
STEPS=${STEPS:-house build unit clang valgrind scenario fuzz}

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
	passed=$((passed + $1)) failed=$((failed + $2))
	if [ "$2" -eq 0 ]; then
		echo "ok      $name ($1, $(($(date +%s) - begun)) s)"
	else
		echo "FAILED  $name ($2 of $(($1 + $2))); $log ends:"
		grep -E '^not ok|:[EF]:|error:|ERROR|FAIL' "$log" | head -20
		tail -n 15 "$log"
	fi
}

wanted() { case " $STEPS " in *" $1 "*) ;; *) false ;; esac; }

if wanted house; then
	step floors $MAKE floors
	step format $MAKE format-check
	step lengths $MAKE lengths
fi
if wanted build; then
	step build $MAKE -j"$jobs" all
	step symbols $MAKE symbols
fi
if wanted unit; then
	step unit-build $MAKE -j"$jobs" SAN=address,undefined unit-tests
	step unit $MAKE SAN=address,undefined unit
fi
if wanted clang; then
	step clang $MAKE -j"$jobs" CC=clang BUILD=build-clang all unit-tests
fi
if wanted valgrind; then
	step valgrind $MAKE valgrind
fi
if wanted scenario; then
	for s in tests/scenario/[0-9]*; do
		step "$(basename "${s%.*}")" "$s"
	done
fi
if wanted fuzz; then
	step fuzz-build $MAKE -j"$jobs" fuzz-build
	step fuzz $MAKE fuzz FUZZ_SECONDS="$FUZZ_SECONDS"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
