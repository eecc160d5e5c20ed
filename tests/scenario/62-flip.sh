#!/bin/sh
# One flipped bit, anywhere: found, named, and never restored as if it were
# right.  FLIPS=every takes each byte of the repository (make torture).
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

mkdir src
for n in 1 2 3; do seq $((n * 100)) >"src/f$n"; done
head -c 3000 /dev/urandom >src/random
echo small >src/inline; mkdir src/folder; ln -s f1 src/folder/link
setfattr -n user.a -v "$(seq -s. 1500)" src/f1 2>/dev/null
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup "$PWD/src"
cp -a repo older
expect 0 'another series' "$B" -r repo backup --service other --tag x "$PWD/src/f2"
expect 0 'another repository' "$B" -r other init
holds 'a second reader reads it, from the format pages alone' \
    python3 "$TOOLS/reread.py" repo
sed 's/^/# /' .holds
cp -a repo bent
chmod -R u+w bent
for f in $(cd bent && find . -type f -size +0 ! -name reserve); do
	cp -p "bent/$f" kept
	python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) * 2 // 3] ^= 4
open(sys.argv[1], "wb").write(data)' "bent/$f"
	fails "... and finds a bent $(echo "$f" | cut -c3-26)" \
	    python3 "$TOOLS/reread.py" bent
	cp -p kept "bent/$f"
done

# A newer version's file is no damage (16, and nothing is touched); one whose
# hash is wrong is damage whatever its version says (4).
for kind in pack segment manifest snapshot format; do
	rm -rf new torn; cp -a repo new; cp -a repo torn; cp repo.key new.key
	python3 "$TOOLS/newer.py" new $kind
	python3 "$TOOLS/newer.py" torn $kind --torn
	expect 16 "check of a newer $kind" "$B" -r new check
	says 'version'
	export BASCULE_KEY_FILE=repo.key
	if [ $kind != pack ]; then # which nothing refers to
		find new -type f -exec sha256sum {} + | sort >before
		expect 16 '... a restore' "$B" -r new restore latest --to out
		expect 16 '... the list' "$B" -r new snapshots
		expect 16 '... a backup' "$B" -r new backup "$PWD/src"
		find new -type f -exec sha256sum {} + | sort >after
		is '... none touched it' "$(cmp before after && echo same)" same
		fails '... or made a target' test -e out
	fi
	expect 4 "check --read of a $kind with that bit flipped" \
	    "$B" -r torn check --read
	unset BASCULE_KEY_FILE
done

case ${FLIPS:-150} in
every) how=--every ;;
*) how="--sample ${FLIPS:-150}" ;;
esac
# shellcheck disable=SC2086
python3 "$TOOLS/flip.py" "$B" repo "$PWD/src" "$PWD" other $how \
    --older older --seed "${SEED:-2}" >flips
status=$?
grep -E '^(ok|not ok|#) ' flips
passed=$((passed + $(grep -c '^ok ' flips)))
failed=$((failed + $(grep -c '^not ok ' flips)))
is 'the campaign went to its end' "$status $(grep -c '^[0-9]* passed' flips)" '0 1'
finish
