#!/bin/sh
# What scenarios share: a folder that goes away again, lines that count.
#
#	. "$(dirname "$0")/../support/scenario.sh"
#	expect 0 'a backup' "$B" -r repo backup src	exit code, name, command
#	says 'snapshot [0-9a-f]*'			of the last one's output
#	is 'one file' "$(ls | wc -l)" 1
#	finish						N passed, N failed
#
# The working directory is then $WORK (empty; so is $HOME in it), the tree is
# $TOP, the programs are $B and $DAEMON, the last command's words in $WORK/.out
# and $WORK/.err.  Programs started in the background: remember PID; what is
# still there at the end is ended, and so is what sshd_start started.  BUILD says
# which build to drive, LOCALE under which locale (C.UTF-8).
set -u
TOP=$(cd "$(dirname "$0")" && while [ ! -f lib/FLOORS ] && [ "$PWD" != / ]; do
	cd ..; done && pwd)
BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
B=$BUILD/bascule
DAEMON=$BUILD/basculed
TOOLS=$TOP/tests/tools
if [ ! -x "$B" ]; then
	${MAKE:-make} -s -C "$TOP" all >&2 || exit 1
fi
# IN_MEMORY=1 before: where no power fails, nothing need wait for a disk.
room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
if [ "${IN_MEMORY:-0}" = 1 ] && [ -w /dev/shm ] && [ "${room:-0}" -gt 500000 ]; then
	TMPDIR=/dev/shm
fi
WORK=$(mktemp -d "${TMPDIR:-/tmp}/bascule-scenario.XXXXXX") || exit 1
passed=0 failed=0 finished=0 pids=

scenario_end() {
	for p in $pids; do
		kill -9 "$p" 2>/dev/null && wait "$p" 2>/dev/null
	done
	for d in ${sshd_dirs:-}; do sshd_stop "$d"; done
	cd /
	chmod -R u+rwX "$WORK" 2>/dev/null
	rm -rf "$WORK"
	[ $finished = 1 ] && return
	echo "not ok it ended before its end"
	echo "$passed passed, $((failed + 1)) failed"
	exit 1
}
trap scenario_end EXIT
trap 'exit 1' INT TERM HUP

mkdir "$WORK/home"
export B HOME="$WORK/home" BASCULE_STATE_DIR="$WORK/state" LC_ALL="${LOCALE:-C.UTF-8}" TZ=UTC
export PYTHONDONTWRITEBYTECODE=1 # nothing into the tree
unset TMPDIR BASCULE_SOCKET BASCULE_REPOSITORY BASCULE_KEY_FILE BASCULE_PASSPHRASE_FILE
cd "$WORK" || exit 1

remember() { pids="$pids $1"; }

ok() { passed=$((passed + 1)); echo "ok $*"; }
not_ok() { failed=$((failed + 1)); echo "not ok $*"; }
skip() { ok "$1 # skipped: $2"; }

# JSON lines are kept, for finish to hold against docs/schema.
keep_lines() {
	if [ "$(head -c 9 "$1" | tr -d '\0')" = '{"type":"' ]; then
		cat "$1" >>"$WORK/.lines"
	fi
}

# expect CODE NAME command...
expect() {
	want=$1 name=$2; shift 2
	"$@" >"$WORK/.out" 2>"$WORK/.err" </dev/null
	got=$?
	keep_lines "$WORK/.out"
	if [ "$got" = "$want" ]; then ok "$name"; return 0; fi
	not_ok "$name: exit code $got, not $want: $*"
	tail -n 3 "$WORK/.out" "$WORK/.err" | sed 's/^/# /'
	return 1
}

# says PATTERN...: the last command said that, on either stream.
says() {
	for pattern; do
		if cat "$WORK/.out" "$WORK/.err" | grep -aqe "$pattern"; then
			ok "... says $pattern"
		else
			not_ok "... says $pattern"
			tail -n 3 "$WORK/.out" "$WORK/.err" | sed 's/^/# /'
		fi
	done
}

# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: '$2', not '$3'"; fi
}

# holds NAME command...: it exits 0.  Its words are shown when it does not.
holds() {
	name=$1; shift
	if "$@" >"$WORK/.holds" 2>&1; then ok "$name"; return 0; fi
	not_ok "$name"
	head -n 12 "$WORK/.holds" | sed 's/^/# /'
	return 1
}

# fails NAME command...: it does not.
fails() {
	name=$1; shift
	if "$@" >"$WORK/.holds" 2>&1; then not_ok "$name"; return 1; fi
	ok "$name"
}

# never_stumbled LOG...: no program said there that it is wrong itself (defs.h's
# ASSERT, the sanitizers).  sshd's logs lie beside ours, and it says "debug:".
never_stumbled() {
	[ -e "$1" ] || { not_ok "there is no $1"; return 1; }
	is 'nothing stumbled' "$(cat "$@" 2>/dev/null |
	    grep -a 'AddressSanitizer\|runtime error\|: bug: ')" ''
}

# bend FILE OFFSET: the byte there becomes another, whichever it was.
bend() {
	chmod u+w "$1" && python3 -c '
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    was = f.read(1)[0]
    f.seek(-1, 1)
    f.write(bytes([was ^ 0xff]))' "$1" "$2" || not_ok "$1 was not bent at $2"
}

# same NAME A B [option...]: the two trees are one, by an independent walk.
same() {
	name=$1; shift
	holds "$name" python3 "$TOOLS/same_tree.py" "$@"
}

# Everything of a folder by name and content, to compare with later.
print_of() {
	(cd "$1" && find . -printf '%P %y %m %s %l\n' | LC_ALL=C sort &&
	    find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum) |
	    sha256sum
}

snapshots_of() { "$B" -r "$1" --json snapshots | grep -c '"type":"snapshot"'; }

finish() {
	if [ -s "$WORK/.lines" ]; then
		holds 'every JSON line is as docs/schema says' python3 \
		    "$TOOLS/json_schema.py" "$TOP/docs/schema/bascule.schema.json" \
		    "$WORK/.lines"
	fi
	finished=1
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
}
