#!/bin/sh
# valgrind.sh BASCULE: the offline commands, whole, under valgrind (which has no
# pidfd_open, so no command as a source here).
set -eu
bascule=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/bascule-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
export BASCULE_STATE_DIR="$dir/state"
passed=0 failed=0
mkdir "$dir/from" && cp -R lib/base lib/store docs "$dir/from/"

run() {
	if valgrind -q --error-exitcode=99 --leak-check=full \
	    --errors-for-leak-kinds=definite "$bascule" -r "$dir/repo" "$@" \
	    >"$dir/out" 2>&1; then
		passed=$((passed + 1)); echo "ok $1"
	else
		failed=$((failed + 1)); echo "not ok $*"; grep -v "^--" "$dir/out"
	fi
}
run init
run backup "$dir/from"
run snapshots --json
run ls -l latest
run check --open
run restore "latest:local/$dir/from" --to "$dir/to" --verify
diff -r "$dir/from" "$dir/to$dir/from" && passed=$((passed + 1)) ||
    failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
