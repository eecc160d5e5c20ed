#!/bin/sh
# A writer that never stops: what is kept of a file is one consistent copy, or
# the run says which file it is not, and exits 3; whoever takes it out again is
# told, too.  What becomes another kind of thing (a pipe, a folder, a link, a
# device) while it is read is one of them, or named; nothing waits for a pipe's
# other end.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

mkdir src
python3 "$TOOLS/rewriter.py" src &
writer=$!
trap 'kill -9 "-$writer" 2>/dev/null; scenario_end' EXIT
for _ in $(seq 100); do [ -e writing ] && break; sleep 0.1; done
holds 'a writer that never stops' test -e writing
expect 0 'init' "$B" -r repo init

told() { grep -a 'when it was saved: ' "$1" | sort; }
# others_tell FILE: what a restore said (.err) an export and a mount say, cat of it.
others_tell() {
	told .err >wanted
	"$B" -r repo export "latest:$PWD/src" -o out.tar >.out 2>.err
	is 'an export says what a restore says' "$? $(told .err)" "0 $(cat wanted)"
	"$B" -r repo cat latest "$PWD/$1" >.out 2>.err
	is '... cat: what is of this file' "$? $(told .err)" "0 $(grep -F "/$1: " wanted)"
	is '... and of a steady one nothing' \
	    "$("$B" -r repo cat latest "$PWD/src/steady-0" 2>&1 >/dev/null)" ''
	[ -w /dev/fuse ] && [ "$(id -u)" = 0 ] || return
	mkdir at
	"$B" -r repo mount "latest:$PWD/src" at >.out 2>.err &
	mount=$!
	remember $mount
	for _ in $(seq 100); do grep -q '^mounted' .out && break; sleep 0.1; done
	umount at
	wait $mount
	is '... a mount: all of it' "$? $(told .err)" "0 $(cat wanted)"
}

partial=0 mixed=0 silent=0 kinds= named=
for run in $(seq "${ROUNDS:-3}"); do
	timeout 60 "$B" -r repo backup src >.out 2>said
	code=$?
	case $code in 0) ;; 3) partial=$((partial + 1)) ;; *) not_ok "run $run: $code" ;; esac
	rm -rf out
	"$B" -r repo restore "latest:$PWD/src" --to out >.out 2>.err ||
	    not_ok "run $run restores"
	kinds="$kinds $(find out -maxdepth 1 -name 'turn-*' -printf '%y ')"
	for name in $(python3 "$TOOLS/rewriter.py" --judge out); do
		mixed=$((mixed + 1))
		grep -q "/$name:" said && grep -q "when it was saved: .*/$name: " .err || {
			silent=$((silent + 1)); not_ok "run $run: $name, in silence"; }
	done
	if [ -z "$named" ]; then
		named=$(grep -o 'src/busy-[0-9]' said | head -n 1)
		[ -z "$named" ] || others_tell "$named"
	fi
	for name in $(grep -o 'src/[a-z0-9-]*:' said); do
		case $name in src/busy-*|src/replaced:|src/size:|src/turn-*) ;;
		*) not_ok "run $run: $name is steady" ;; esac
	done
done
echo "# $partial runs of ${ROUNDS:-3} were partial; $mixed copies mixed, $silent in silence"
is 'no mixed copy in silence' "$silent" 0
kinds=$(echo $kinds | tr ' ' '\n' | sort | uniq -c | tr -s '\n ' ' ')
echo "# kinds kept:$kinds"
holds 'things of several kinds were met' test "$(echo "$kinds" | wc -w)" -ge 6
holds 'the writer was in the way' test "$partial" -gt 0
holds '... of a file that is there' test -n "$named"
kill -9 "-$writer"
expect 0 'check' "$B" -r repo check --open
finish
