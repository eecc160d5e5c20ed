#!/bin/sh
# Changed files are stored as differences; every version comes back, here and
# from a copy; and a backup killed half-way leaves nothing that hurts.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/sshd.sh"

stored() { du -sb repo | cut -f1; }
# A few bytes here, some more in there: as a database or an image changes.
change() { # seed
	python3 - "$1" <<'END'
import random, sys
r = random.Random(int(sys.argv[1]))
for name in ("src/table", "src/image"):
    data = bytearray(open(name, "rb").read())
    for _ in range(6):
        at = r.randrange(len(data) - 200)
        data[at:at + 100] = r.randbytes(100)
    at = r.randrange(len(data))
    data[at:at] = r.randbytes(50)
    open(name, "wb").write(data)
END
}

mkdir src
dd if=/dev/urandom of=src/table bs=1M count=3 2>/dev/null
dd if=/dev/urandom of=src/image bs=1M count=9 2>/dev/null
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup src
cp -a src v0
n=1
while [ $n -le 6 ]; do
	change $n
	before=$(stored)
	expect 0 "version $n" "$B" -r repo backup src
	cp -a src v$n
	is "... takes less than 100 kB, not $((($(stored) - before) / 1000))" \
	    $(($(stored) - before < 100000)) 1
	n=$((n + 1))
done
expect 0 'all of it opens' "$B" -r repo check --open

# Killed on the way: the next run goes on from what the last whole one held.
change 7
"$B" -r repo --quiet backup src >/dev/null 2>&1 &
pid=$!
sleep 0.02
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
cp -a src v7
before=$(stored)
expect 0 'after a kill' "$B" -r repo backup src
is '... still little is added' $(($(stored) - before < 150000)) 1
expect 0 'all of it opens' "$B" -r repo check --open

ids=$("$B" -r repo --json snapshots | grep -o '"snapshot":"[0-9a-f]*"' |
    grep -o '[0-9a-f]\{64\}')
copies=repo
if sshd_start "$WORK/ssh"; then
	remember "$(cat "$WORK/ssh/sshd.pid")"
	expect 0 'a copy' "$B" -r repo replicate \
	    --known-hosts "$WORK/ssh/known_hosts" \
	    --identity "$WORK/ssh/id_ed25519" --remote-bascule "$B" \
	    --to "ssh://$(id -un)@127.0.0.1:$(cat "$WORK/ssh/port")$WORK/copy"
	sshd_stop "$WORK/ssh"
	cp repo.key copy.key
	expect 0 'all of the copy opens' "$B" -r copy check --open
	copies='repo copy'
else
	skip 'a copy' 'no sshd can be started here'
fi
for at in $copies; do
	for id in $ids; do
		rm -rf out
		expect 0 "$at: restored" "$B" -r $at restore "$id:$WORK/src" --to out
		found=
		for v in v?; do
			cmp -s out/table $v/table && cmp -s out/image $v/image &&
			    found=$v
		done
		case $found in
		v?) ok "... as $found was"; echo $found >>seen-$at ;;
		*) not_ok "... as some version was" ;;
		esac
	done
	is "$at: all versions were seen" "$(sort -u seen-$at | wc -l)" 8
done
finish
