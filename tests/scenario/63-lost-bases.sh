#!/bin/sh
# The pack with what differences were made from is gone: what stood upon it does
# not count as present any more, healed or not, and the next backup stores it
# again.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

change() { # seed
	python3 - "$1" <<'END'
import random, sys
r = random.Random(int(sys.argv[1]))
data = bytearray(open("src/table", "rb").read())
for _ in range(6):
    at = r.randrange(len(data) - 200)
    data[at:at + 100] = r.randbytes(100)
open("src/table", "wb").write(data)
END
}
snapshots() { ls repo/snapshots/local; }
back_up() {
	touch -d '2026-01-01' "$WORK"
	"$B" -r repo backup src
}
fresh() {
	rm -rf repo out
	cp -a whole repo
	rm -rf "$BASCULE_STATE_DIR"
	cp -a state.whole "$BASCULE_STATE_DIR"
}
# The largest pack is the first version's.
base_pack() {
	find repo/packs -type f -printf '%s %p\n' | sort -n | tail -n 1 |
	    cut -d' ' -f2
}
# The newest is whole, and once the older ones are forgotten all is.
whole() { # KIND SNAPSHOT...
	kind=$1
	shift
	[ $# = 0 ] || expect 0 "$kind: what was before is forgotten" \
	    "$B" -r repo forget "$@"
	expect 0 "$kind: then check --open finds nothing" \
	    "$B" -r repo check --open
	expect 0 "$kind: the newest restores" \
	    "$B" -r repo restore "latest:$WORK/src" --to out
	holds "$kind: byte for byte" cmp src/table out/table
	expect 0 "$kind: and can be collected" "$B" -r repo prune \
	    --max-unused 0 --undelete-age 0
	expect 0 "$kind: and collected again" "$B" -r repo prune \
	    --max-unused 0 --undelete-age 0
	expect 0 "$kind: which keeps all that is needed" \
	    "$B" -r repo check --open
	expect 0 "$kind: there is nothing to heal" "$B" -r repo heal
}

export BASCULE_STATE_DIR="$WORK/state" BASCULE_KEY_FILE="$WORK/whole.key"
mkdir -p src "$BASCULE_STATE_DIR"
head -c 2500000 /dev/urandom >src/table
expect 0 'init' "$B" -r whole init
cp -a whole repo
expect 0 'a first version' back_up
for n in 1 2 3; do
	change $n
	expect 0 "version $n" back_up
done
rm -rf whole
cp -a repo whole
cp -a "$BASCULE_STATE_DIR" state.whole

rm "$(base_pack)"
expect 4 'healed: what is lost is said' "$B" -r repo heal
old=$(snapshots)
expect 0 'healed: the next backup' back_up
# shellcheck disable=SC2086
whole 'healed' $old

fresh
old=$(snapshots)
rm "$(base_pack)"
expect 0 'not healed: the next backup' back_up
expect 0 'not healed: its snapshot restores' \
    "$B" -r repo restore "latest:$WORK/src" --to out
holds 'not healed: byte for byte' cmp src/table out/table
rm -rf out
expect 4 'not healed: healed after all' "$B" -r repo heal
# shellcheck disable=SC2086
whole 'not healed' $old

# No snapshot names the differences, so nothing of one is lost.
fresh
# shellcheck disable=SC2046
expect 0 'unnamed: all snapshots are forgotten' \
    "$B" -r repo forget $(snapshots)
rm "$(base_pack)"
expect 5 'unnamed: heal' "$B" -r repo heal
expect 0 'unnamed: the next backup' back_up
whole 'unnamed'

# A bent one: what is still good of it stays.
fresh
old=$(snapshots)
p=$(base_pack)
bend "$p" 1300000
expect 4 'bent: heal' "$B" -r repo heal
expect 0 'bent: the next backup' back_up
# shellcheck disable=SC2086
whole 'bent' $old
finish
