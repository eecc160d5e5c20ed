#!/bin/sh
# Repositories that earlier versions wrote open, check and restore, and can be
# written on; of one from before the first release nothing is read or touched.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

# What was in them, first and then.
mkdir -p v1/folder
seq 1 7 400000 >v1/table
seq 500 >v1/folder/numbers
ln -s folder/numbers v1/link
: >v1/empty
cp -a v1 v2
awk '{ if (NR % 9000 == 17) print "changed", $0; else print }' v1/table \
    >v2/table

for which in repository-v2; do
	zstd -dqc "$TOP/tests/golden/$which.tar.zst" | tar -xf -
	expect 0 "$which: opens, and all in it" "$B" -r $which check --open
	is "$which: two snapshots" "$(snapshots_of $which)" 2
	for id in $("$B" -r $which --json snapshots |
	    sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p'); do
		rm -rf out
		expect 0 "$which: a snapshot restores" \
		    "$B" -r $which restore "$id:/srv/golden/src" --to out
		v=v1
		grep -q changed out/table && v=v2
		holds "$which: as $v was" diff -r --no-dereference $v out
		echo $v >>seen-$which
	done
	is "$which: both were seen" "$(sort -u seen-$which | wc -l)" 2
	expect 0 "$which: a second reader agrees" python3 "$TOOLS/reread.py" $which
	expect 0 "$which: heal finds nothing" "$B" -r $which heal
	expect 0 "$which: a backup on top" "$B" -r $which backup \
	    --service housing --dataset files "$WORK/v2"
	expect 0 "$which: prune" "$B" -r $which prune --keep-last 1 \
	    --max-unused 0 --undelete-age 0
	rm -rf out
	expect 0 "$which: the new one restores" \
	    "$B" -r $which restore "latest:$WORK/v2" --to out
	holds "$which: as it was saved" diff -r --no-dereference v2 out
	expect 0 "$which: and all opens" "$B" -r $which check --open
done

# Small files in slices.
which=repository-v2-sliced
mkdir many
awk 'BEGIN {
	x = 7
	for (i = 100; i < 220; i++)
		for (k = 0; k < 900 + i; k++) {
			x = (x * 16807) % 2147483647
			printf "%x", int(x / 65536) % 16 >("many/" i)
		}
}' </dev/null
zstd -dqc "$TOP/tests/golden/$which.tar.zst" | tar -xf -
holds "$which: has a sliced frame" python3 -c '
import glob, sys
sys.exit(not any(open(p, "rb").read(38)[32:] == b"BFr1\1\2"
                 for p in glob.glob("repository-v2-sliced/packs/*/*")))'
expect 0 "$which: opens, and all in it" "$B" -r $which check --open
expect 0 "$which: a second reader agrees" python3 "$TOOLS/reread.py" $which
rm -rf out
expect 0 "$which: restores" "$B" -r $which restore latest:/srv/golden/many --to out
holds "$which: as it was" diff -r many out
printf x >>out/150; printf x | dd of=out/190 bs=1 seek=7 conv=notrunc 2>/dev/null
expect 0 "$which: over what differs" \
    "$B" -r $which restore latest:/srv/golden/many --to out
holds "$which: as it was" diff -r many out

which=repository-v2
for kind in format pack segment; do
	rm -rf older
	cp -a $which older
	cp $which.key older.key
	python3 "$TOOLS/newer.py" older $kind --older
	find older -type f -exec sha256sum {} + | sort >before
	for c in check snapshots 'restore latest --to never' heal \
	    'backup --service housing v2' 'prune --keep-last 1'; do
		[ $kind != pack ] || [ "$c" = check ] || continue # not referred to
		# shellcheck disable=SC2086
		expect 16 "a $kind of the layout before: $c" "$B" -r older $c
		says 'never released'
	done
	find older -type f -exec sha256sum {} + | sort >after
	is '... none touched it' "$(cmp before after && echo same)" same
done
finish
