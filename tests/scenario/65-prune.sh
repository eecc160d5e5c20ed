#!/bin/sh
# What is not wanted any more goes, and nothing else: forget, prune with its
# reasons, and both on a disk that is full.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

json() { python3 "$TOOLS/json_lines.py" "$@" <"$WORK/.out"; }
lines() { grep -c "$1" "$WORK/.out"; }
freed() { sed -n 's/.*"freed_bytes":\([0-9]*\).*/\1/p' .out; }

mkdir src
back_up() { # NAME
	head -c 1500000 /dev/urandom >"src/random-$1"
	seq 20000 >src/same; echo "$1" >src/new # few of the chunks beside it
	"$B" -r repo backup --service housing --dataset files "$PWD/src"
	status=$?
	rm -f "src/random-$1"
	return $status
}
expect 0 'init' "$B" -r repo init
for n in 1 2 3 4 5; do expect 0 "backup $n" back_up $n; done
"$B" -r repo restore latest --to before >/dev/null

# --- reasons, and what would be
before=$(print_of repo)
expect 0 'a dry run' "$B" -r repo --json prune --dry-run --keep-last 2 \
    --undelete-age 0
holds '... a reason for each' json 'reason*' \
    summary:dry_run=bool,snapshots_kept=int,freed_bytes=int,unused_bytes=int
is '... two stay' "$(lines '"keep":true')" 2
is '... three go' "$(lines '"keep":false')" 3
would=$(freed)
holds '... it says how much' test "$would" -gt 4000000
is '... and changes nothing' "$(print_of repo)" "$before"
expect 0 'the same in words' "$B" -r repo prune -n --keep-last 2; says 'keep.*last' 'forget'

# --- in two phases
expect 0 'prune' "$B" -r repo --json prune --keep-last 2
is '... frees nothing yet' "$(freed)" 0
is '... two snapshots are left' "$(snapshots_of repo)" 2
expect 0 '... all is well' "$B" -r repo check --open
mv repo.key hidden
expect 0 'without a key, at once' "$B" -r repo --json prune --undelete-age 0
holds '... frees it' test "$(freed)" -gt 4000000
mv hidden repo.key
expect 0 '... all is well' "$B" -r repo check --open
holds '... a second reader agrees' python3 "$TOOLS/reread.py" repo
expect 0 '... the latest restores' "$B" -r repo restore latest --to after
same '... as before' "before$PWD/src" "after$PWD/src"

# --- forget
expect 1 'forget what is not there' "$B" -r repo forget ffffffff
expect 2 'forget a subtree' "$B" -r repo forget "latest:$PWD/src"
expect 0 'forget -n' "$B" -r repo forget -n latest
is '... forgets nothing' "$(snapshots_of repo)" 2
expect 0 'forget' "$B" -r repo forget latest
is '... one is left' "$(snapshots_of repo)" 1
expect 0 'prune, and repack all' "$B" -r repo prune --undelete-age 0 --max-unused 0
expect 0 '... all is well' "$B" -r repo check --open
expect 0 '... the next backup' back_up 6
expect 2 'a rule that is none' "$B" -r repo prune --keep-daily many
expect 2 'a time without a unit' "$B" -r repo prune --undelete-age 5

# --- a full disk
if [ "$(id -u)" != 0 ] || ! mkdir full || ! mount -t tmpfs -o size=24m tmpfs full; then
	skip 'a full disk can forget and prune' 'needs root, to mount a small one'
	finish
fi
trap 'umount -l "$WORK/full" 2>/dev/null; scenario_end' EXIT
export BASCULE_KEY_FILE="$WORK/full.key"
expect 0 'init on a small disk' "$B" -r full/repo init --key-file full.key
head -c 6000000 /dev/urandom >src/big1
expect 0 'a backup' "$B" -r full/repo backup "$PWD/src"
mv src/big1 src/big2; head -c 6000000 /dev/urandom >src/big2
expect 0 'another' "$B" -r full/repo backup "$PWD/src"
head -c 40000000 /dev/zero >full/filler 2>/dev/null
is 'the disk is full' "$(df --output=avail full | tail -n 1 | tr -d ' ')" 0
head -c 1000000 /dev/urandom >src/big3
expect 14 'a backup fails' "$B" -r full/repo backup "$PWD/src"
first=$("$B" -r full/repo --json snapshots | sed -n '1s/.*"snapshot":"\([0-9a-f]*\)".*/\1/p')
expect 0 'forget' "$B" -r full/repo forget "$first"
expect 0 'prune' "$B" -r full/repo prune --undelete-age 0
holds '... there is room' test "$(df --output=avail full | tail -n 1)" -gt 5000
expect 0 '... all is well' "$B" -r full/repo check --open
expect 0 '... and a backup succeeds' "$B" -r full/repo backup "$PWD/src"
cd "$WORK" && umount full
finish
