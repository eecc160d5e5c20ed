#!/bin/sh
# A tree with one of everything restores byte for byte and attribute for
# attribute: compared by a walker that knows nothing of Bascule, and by rsync.
. "$(dirname "$0")/../support/scenario.sh"

python3 "$TOOLS/zoo.py" zoo >made || { not_ok 'the zoo'; finish; }
sed 's/^/# /' made
[ "$(id -u)" = 0 ] || skip 'owners, devices, trusted attributes' 'not root'

# The comparison itself can fail, whatever is the matter.
mkdir one; cp -a zoo/names zoo/links zoo/attributes zoo/times one/
alter() { # what, command...
	what=$1; shift
	cp -a one two
	same "a copy of it is the same ($what)" one two --holes
	(cd two && "$@")
	fails "... and with $what it is not" python3 "$TOOLS/same_tree.py" one two
	rm -rf two
}
alter 'a byte changed' sh -c 'touch -r names/b ../stamp; printf X | dd of=names/b \
    bs=1 conv=notrunc 2>/dev/null; touch -r ../stamp names/b'
alter 'a nanosecond' touch -d '2009-02-13T23:31:30.123456788Z' times/file-ns
alter 'a mode' chmod 600 names/b
alter 'an attribute' setfattr -n user.raw -v other attributes/file
alter 'a link undone' sh -c 'cp -p links/two x && mv x links/two'
alter 'a name more' touch names/new
alter 'a name less' rm names/c
alter 'another target' ln -snf other links/to-file
rm -rf one

expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup zoo
compare() { # name, folder
	same "$1, by an independent walk" zoo "$2" --holes
	rsync -naHAXi --checksum --delete --exclude=/sparse/huge zoo/ "$2/" \
	    >rsync 2>&1
	is '... and by rsync -aHAX --checksum' "$(cat rsync)" ''
	is '... no bigger than it was' \
	    "$(($(du -sk "$2" | cut -f1) <= $(du -sk zoo | cut -f1) + 64))" 1
}
expect 0 'a restore' "$B" -r repo restore latest --to out
compare 'the same' "out$PWD/zoo"
rm -rf out

# Once more, from a backup that reads only what the first one had to.
expect 0 'again' "$B" -r repo backup zoo
expect 0 'restored with --verify' "$B" -r repo restore "latest:$PWD/zoo" \
    --to again --verify
compare 'the same' again

# Over what is there: nothing to do; and put right again.
expect 0 'over itself' "$B" -r repo --json restore "latest:$PWD/zoo" --to again
written=$(sed -n 's/.*"written_bytes":\([0-9]*\).*/\1/p' .out)
holds '... writes only files with holes' test "${written:-9999999}" -lt 500000
compare 'the same' again
(
	cd again || exit
	chmod 777 names/b; echo else >names/c; rm links/two; cp links/one links/two
	rm -rf empty-dir; ln -s /etc empty-dir; rm special/fifo; mkdir special/fifo
	setfattr -n user.stray -v x attributes/file; touch sizes/text names/stray
	truncate -s 5 sizes/random-65537; truncate -s 70000 sizes/zeros-65536
	rm -rf names/a; echo 'was a folder' >names/a
	setfacl -b attributes/acl; echo data >sparse/only-a-hole
) >/dev/null 2>&1
expect 0 'over a tree that was meddled with' "$B" -r repo restore \
    "latest:$PWD/zoo" --to again --delete
compare 'the same' again

expect 0 'check --open' "$B" -r repo check --open
expect 0 'ls shows it all' "$B" -r repo --json ls latest
is '... as many as there are' "$(grep -c '"type":"entry".*/zoo' .out)" \
    "$(find zoo -printf x | wc -c)"
finish
