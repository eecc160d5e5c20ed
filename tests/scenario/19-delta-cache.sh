#!/bin/sh
# A key that cannot read: what changed is stored whole, unless the policy, or
# an option, lets it keep what there was; never more, or longer, than it says.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

version() { # NUMBER: 8 MB that do not compress, every 20,000th byte other
	python3 - "$1" <<'EOF'
import random, sys
b = bytearray(random.Random(1).randbytes(8_000_000))
for i in range(0, len(b), 20_000):
    b[i] = int(sys.argv[1])
open("data/table", "wb").write(b)
EOF
}
said() { python3 -c '
import json, sys
for l in open(".out"):
    v = json.loads(l)
    if v["type"] == "summary": print(v[sys.argv[1]])
' "$1"; }
kept() { find "$1/deltas" -type f 2>/dev/null | wc -l; }

mkdir data
"$B" -r repo init >/dev/null 2>&1
"$B" -r repo key new --role write w.key >/dev/null 2>&1
save() {
	"$B" --json -r repo backup --chunking 'fixed 64KiB' "$@" data
}
export BASCULE_KEY_FILE="$WORK/w.key"
version 0
expect 0 'a backup' save
version 1
expect 0 'a changed one' save
holds '... is stored whole' test "$(said stored_bytes)" -gt 7000000
holds '... and says so' test "$(said undiffed_bytes)" -gt 7000000
is '... nothing was kept' "$(kept state)" 0
expect 2 'a size has a unit' save --delta-cache 64; says 'MiB'
version 2
expect 0 'with a cache' save --delta-cache 64MiB
holds '... something is kept' test "$(kept state)" -gt 100
is '... for its owner only' "$(find state/deltas -perm /077 | wc -l)" 0
version 3
expect 0 'the next' save --delta-cache 64MiB
holds '... is differences' test "$(said stored_bytes)" -lt 300000
is '... nothing whole' "$(said undiffed_bytes)" 0
expect 0 'less room' save --delta-cache 1MiB
holds '... is less' test "$(du -sk state/deltas | cut -f1)" -lt 1200
find state/deltas -type f -exec truncate -s 1000 {} +
version 4
expect 0 'torn ones' save --delta-cache 64MiB
find state/deltas -type f -exec touch -d '3 days ago' {} +
expect 0 'old ones' save --delta-cache 64MiB,2d
is '... are gone' "$(kept state)" 0
version 5
expect 0 'again' save --delta-cache 64MiB
expect 0 'without it' save
is '... it is removed' "$(kept state)" 0
BASCULE_KEY_FILE=$WORK/repo.key expect 0 'a key that reads restores' \
    "$B" -r repo restore "latest:$WORK/data" --to out
same 'as it is' data out
BASCULE_KEY_FILE=$WORK/repo.key expect 0 'and checks' "$B" -r repo check --open

# --- a disk that is full, or nearly
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=24m tmpfs full 2>/dev/null; then
	BASCULE_STATE_DIR=$WORK/full expect 0 'a small disk' save --delta-cache 1GiB
	is '... is left to others' "$(kept full)" 0
	head -c 30000000 /dev/zero >full/zeros 2>/dev/null
	version 6
	BASCULE_STATE_DIR=$WORK/full save --delta-cache 1GiB >.out 2>.err
	is '... also when it is full: a backup or no room' "$(case $? in 0|14) echo yes ;; esac)" yes
	umount full
else
	skip 'a full disk' 'not root'
fi

# --- by the policy
EXTRA='delta_cache = { size = "64MiB"; keep = "2d"; };'
unset BASCULE_KEY_FILE
site_new brent
BASCULE_KEY_FILE=$WORK/brent/key "$B" -r brent/repository key new --role write \
    brent/w.key >/dev/null 2>&1
sed -i 's/key_file = "key"/key_file = "w.key"/' brent/bascule.conf
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)
rm -rf data/*
version 0
holds 'a daemon starts' daemon_start brent || finish
expect 0 'its backup' at brent run files/tree --wait --json
is '... succeeded' "$(field state)" succeeded
holds '... kept what the policy lets it' test "$(kept brent/state)" -gt 10
version 1
before=$(du -s --block-size=1 brent/repository/packs | cut -f1)
expect 0 'the next' at brent run files/tree --wait --json
is '... succeeded, too' "$(field state)" succeeded
after=$(du -s --block-size=1 brent/repository/packs | cut -f1)
holds '... and is differences' test $((after - before)) -lt 1000000
daemon_stop brent
finish
