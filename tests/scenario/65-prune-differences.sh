#!/bin/sh
# Versions upon versions, some forgotten, all that is not used collected and
# copied together, again and again: what is left keeps what it was made from.
# ROUNDS histories, each of its own SEED.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

cat >change.py <<'END'
import os, random, sys
r = random.Random(int(sys.argv[1]))
for name in ("src/table", "src/other"):
    data = bytearray(open(name, "rb").read())
    # one place again and again, so that depths add up, and some others
    for at in [150000] + [r.randrange(len(data) - 200) for _ in range(4)]:
        data[at:at + 100] = r.randbytes(100)
    if r.random() < 0.3:    # some of it new altogether
        at = r.randrange(len(data) - 200000)
        data[at:at + 200000] = r.randbytes(200000)
    if r.random() < 0.2:    # or as it was before
        data[:] = open("v0/" + name[4:], "rb").read()
    open(name, "wb").write(data)
END
back_up() { "$B" -r repo backup src; }
collect() {
	"$B" -r repo prune --max-unused 0 --undelete-age 0
}
newest() { ls -t repo/snapshots/local | head -n 1; }
version() { # N
	python3 change.py $((seed * 1000 + $1))
	expect 0 "seed $seed: version $1" back_up
	s=$(newest)
	cp -a src "v$1"
	echo "$s v$1" >>known
}
drop() { # SHARE: forgets so many of a hundred, never the last
	python3 -c 'import random, sys
r = random.Random(int(sys.argv[1]))
for line in open("known").read().split("\n")[:-2]:
    if r.randrange(100) < int(sys.argv[2]):
        print(line.split()[0])' "$1" "$2" >forgotten
	[ -s forgotten ] || return
	# shellcheck disable=SC2046
	expect 0 "seed $seed: forget $(wc -l <forgotten)" \
	    "$B" -r repo forget $(cat forgotten)
	grep -v -F -f forgotten known >left
	mv left known
}
whole() {
	expect 0 "seed $seed: all is well $1" "$B" -r repo check --open
	while read -r s v; do
		rm -rf out
		expect 0 "seed $seed: $v comes back" \
		    "$B" -r repo restore "$s:$WORK/src" --to out
		holds "seed $seed: ... as it was" diff -r "$v" out
	done <known
}

seed=${SEED:-1}
last=$((seed + ${ROUNDS:-1}))
while [ "$seed" -lt "$last" ]; do
	rm -rf src v? v?? repo repo.key* known "$BASCULE_STATE_DIR"
	mkdir src "$BASCULE_STATE_DIR"
	head -c 700000 /dev/urandom >src/table
	head -c 400000 /dev/urandom >src/other
	cp -a src v0
	expect 0 "seed $seed: init" "$B" -r repo init
	expect 0 "seed $seed: a first version" back_up
	echo "$(newest) v0" >known
	n=1
	for share in 30 50 80; do
		version $n
		version $((n + 1))
		version $((n + 2))
		n=$((n + 3))
		drop $((seed * 100 + n)) $share
		expect 0 "seed $seed: collected" collect
		whole 'after one'
		expect 0 "seed $seed: collected again" collect
		expect 0 "seed $seed: and once more" collect
		whole 'after three'
	done
	seed=$((seed + 1))
done
finish
