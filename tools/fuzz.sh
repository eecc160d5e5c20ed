#!/bin/sh
# fuzz.sh BUILD SECONDS: each fuzz target for so long, over its corpus; what a
# run finds stays in BUILD.  Two at a time.
set -u
build=$1 seconds=$2
one() {
	name=$(basename "$1")
	found=$build/corpus/$name
	mkdir -p "$found"
	"$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
	    -max_len=65536 -artifact_prefix="$build/" "$found" \
	    "tests/fuzz/corpus/${name#fuzz_}" >"$build/$name.log" 2>&1
}
if [ $# -eq 3 ]; then
	one "$3" && echo "ok $(basename "$3")" ||
	    { echo "not ok $(basename "$3")"; tail -n 30 "$build/$(basename "$3").log"; }
	exit 0
fi
out=$(find "$build" -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort |
    xargs -P "$(nproc)" -n 1 sh "$0" "$build" "$seconds")
echo "$out"
good=$(echo "$out" | grep -c '^ok ')
bad=$(echo "$out" | grep -c '^not ok ')
echo "$good passed, $bad failed"
[ "$bad" -eq 0 ] && [ "$good" -gt 0 ]
