#!/bin/sh
# A directory that was moved: none of its files is read again.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
[ "$(id -u)" = 0 ] && rootless= || rootless=-r
unshare -m$rootless true 2>/dev/null ||
    { skip 'a moved directory' 'no namespaces here'; finish; exit; }

# Files that were there long before (young ones are read again by rule), seen
# at one path and then at another: as a move leaves them.
data=/usr/include
[ "$(find $data -type f | wc -l)" -gt 1500 ] || data=/usr/share/doc
at() {
	place=$1; shift
	unshare -m$rootless sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' \
	    at "$data" "$WORK/src/$place" "$@"
}
said() { python3 -c '
import json, sys
for l in open(".out"):
    v = json.loads(l)
    if v["type"] == "summary": print(v[sys.argv[1]])
' "$1"; }
mkdir -p src/old src/new src/other
"$B" -r repo init >/dev/null 2>&1
expect 0 'the first backup' at old "$B" -r repo --json backup src
files=$(said files)
holds 'of many files' test "$files" -gt 1000
find $data -type f -size +0 >all
filled=$(wc -l <all)

expect 0 'after it was moved' at new "$B" -r repo --json backup src
is '... it has as many' "$(said files)" "$files"
holds '... none is read again' test "$(said unchanged)" -ge "$filled"
holds '... nor stored' test "$(said new_bytes)" -lt $((files * 400))
expect 0 'and again' at new "$B" -r repo --json backup src
holds '... all is where it was' test "$(said unchanged)" -ge "$files"
expect 0 'moved once more, and looked at only' at other "$B" -r repo --json backup --dry-run src
holds '... nothing would be read' test "$(said unchanged)" -ge "$filled"
expect 0 'without the state cache' at other env BASCULE_STATE_DIR="$WORK/none" \
    "$B" -r repo --json backup src
is '... all is read' "$(said unchanged)" 0
expect 0 'with it' at other "$B" -r repo --json backup src
holds '... the tree is the one that was read' test "$(said new_bytes)" -lt 150000

mkdir all.d
expect 0 'it restores' "$B" -r repo restore "latest:$WORK/src/other" --to all.d
[ "$(id -u)" = 0 ] && owners= || owners=--no-owner # only root gives files away
same 'as it is' $data all.d $owners
expect 0 'and checks' "$B" -r repo check --open
finish
