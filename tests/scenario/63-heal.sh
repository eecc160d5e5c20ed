#!/bin/sh
# Damage of every kind is healed as far as what is here allows, kept in bad/,
# and the next backup stores again what was lost: then all is whole.
#
# A page that is lost comes back only if all it describes is as it was, the
# folders above included: so not where others make and remove folders.
TMPDIR=$(cd "$(dirname "$0")/../.." && pwd)/build
mkdir -p "$TMPDIR"
. "$(dirname "$0")/../support/scenario.sh"

# flip FILE [WHERE]: one bit; WHERE is a share of its length in tenths.
flip() {
	chmod u+w "$1"
	python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) * int(sys.argv[2]) // 10] ^= 16
open(sys.argv[1], "wb").write(data)' "$1" "${2:-5}"
}
# The largest pack is of data, the smallest of pages.
packs() { find repo/packs -type f -printf '%s %p\n' | sort -n | cut -d' ' -f2; }
data_pack() { packs | tail -n 1; }
page_pack() { packs | head -n 1; }
segment() { find repo/index -type f ! -name MANIFEST | head -n 1; }
fresh() {
	rm -rf repo out bad-before
	cp -a whole repo
	cp -a state.whole/. state/
}

# Also the directories above it are in a backup: as they were.
back_up() {
	touch -d '2026-01-01' "$WORK"
	"$B" -r "$1" backup "$PWD/src"
}

mkdir src src/folder
for n in 1 2 3 4 5 6 7 8; do
	head -c 300000 /dev/urandom >"src/random$n"
	seq $((n * 1000)) >"src/folder/f$n"
done
export BASCULE_STATE_DIR="$PWD/state" BASCULE_KEY_FILE="$PWD/whole.key"
mkdir state
expect 0 'init' "$B" -r whole init
touch -d '2 hours ago' src/* src/folder/*
expect 0 'a backup' back_up whole
expect 0 'another' back_up whole
cp -a state state.whole

fresh
expect 0 'a whole repository has nothing to heal' "$B" -r repo heal
says 'no damage found'

# healed KIND: exits 5, check is clean at once, everything can be restored.
healed() {
	expect 4 "$1: heal --dry-run names it" "$B" -r repo heal --dry-run
	expect 4 "$1: and has changed nothing" "$B" -r repo check --read
	expect 5 "$1: heal" "$B" -r repo heal
	expect 0 "$1: then check --open finds nothing" "$B" -r repo check --open
	expect 0 "$1: and a restore is as it was" \
	    "$B" -r repo restore latest --to out
	same "$1: byte for byte" src "out$PWD/src"
	expect 0 "$1: there is nothing more to heal" "$B" -r repo heal
}
same() { holds "$1" diff -r "$2" "$3"; }

fresh; flip repo/index/MANIFEST; healed 'a bent MANIFEST'
holds 'the bent one is kept' test -s repo/bad/MANIFEST
fresh; rm repo/index/MANIFEST; healed 'a deleted MANIFEST'

# --- where nothing can be healed, it is read all the same
for what in MANIFEST "$(basename "$(segment)")"; do
	fresh
	rm "repo/index/$what"
	chmod -R a-w repo
	rm -rf back
	expect 0 "restored without index/$what" \
	    "$B" -r repo restore latest --to back
	says "bascule heal"
	same '... all of it' src "back$WORK/src"
	expect 4 '... check says so' "$B" -r repo check
	says "damage: index/MANIFEST\|damage: index/$what"
	fails '... and nothing that cannot be restored' \
	    grep -q 'restored whole' .err
	chmod -R u+w repo
	expect 4 '... nothing is written to it' "$B" -r repo backup src
done
fresh; flip "$(segment)"; healed 'a bent segment'
fresh; rm "$(segment)"; healed 'a deleted segment'
fresh; rm -f repo/index/*; healed 'an index that is gone altogether'
fresh; flip repo/format; healed 'a bent format'
fresh; rm repo/format; healed 'a deleted format'
fresh; flip repo/format.bak; healed 'a bent format.bak'
fresh; flip "$(data_pack)" 0; healed "a bent pack's head"

# lost KIND [pages]: exits 4; the next backup makes it whole again.  Pages of an
# earlier snapshot are made again only if no directory above it has changed
# meanwhile, and others work in /dev/shm: those are forgotten.
lost() {
	expect 4 "$1: heal" "$B" -r repo heal
	old=$(ls repo/snapshots/local)
	holds "$1: the next backup stores it again" \
	    back_up repo
	# shellcheck disable=SC2086
	[ $# = 1 ] || expect 0 "$1: what was before is forgotten" \
	    "$B" -r repo forget $old
	expect 0 "$1: then check --open finds nothing" "$B" -r repo check --open
	expect 0 "$1: and the newest snapshot restores" \
	    "$B" -r repo restore latest --to out
	same "$1: byte for byte" src "out$PWD/src"
	expect 0 "$1: there is nothing more to heal" "$B" -r repo heal
	expect 0 "$1: and nothing is looked for any more" \
	    test ! -e repo/bad/lost
}
fresh; p=$(data_pack); flip "$p"; lost 'a bent pack of data'
holds 'the bent pack is kept' test -s "repo/bad/${p##*/}"
fresh; rm "$(data_pack)"; lost 'a deleted pack of data'
fresh; flip "$(page_pack)" 3; lost 'a bent pack of pages' pages
fresh; for p in $(packs); do flip "$p"; done; lost 'every pack bent' pages
fresh; rm -rf repo/packs/*; rm -f repo/index/*; lost 'nothing but snapshots left' pages

# Without a healing in between.
fresh; rm "$(data_pack)"
expect 0 'a lost pack: the next backup alone' back_up repo
expect 4 'check still misses the pack' "$B" -r repo check
expect 5 'heal forgets it' "$B" -r repo heal
expect 0 'and all is whole' "$B" -r repo check --open

# A snapshot's file has no second copy here.
fresh; f=$(find repo/snapshots -type f | head -n 1); flip "$f"
expect 4 'a bent snapshot is lost' "$B" -r repo heal
holds 'and kept' test -s "repo/bad/${f##*/}"
expect 0 'the others are whole' "$B" -r repo check --open

# Budgets.
fresh
expect 0 'a sample' "$B" -r repo check --sample 1%
says 'left for the next time'
expect 0 'a time' "$B" -r repo check --open --max-time 10m
fresh; flip "$(data_pack)"
expect 4 'what was checked longest ago comes first' sh -c '
	for i in 1 2 3 4 5 6 7 8; do "$0" -r repo check --sample 1% || exit; done' "$B"
finish
