#!/bin/sh
# A snapshot whose names differ in case only, or only in how a letter is composed,
# onto file systems that take one for the other: nothing of one entry gets into
# another's file, and what could not be restored is named; also over what is there.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

[ -w /dev/fuse ] && [ "$(id -u)" = 0 ] ||
	{ skip 'a file system that folds names' 'no /dev/fuse here'; finish; }
# shellcheck disable=SC2046
holds 'it builds' ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -o foldfs \
    "$TOOLS/foldfs.c" $(pkg-config --cflags --libs fuse3) || finish
unmount() { umount -l "$WORK/fold" 2>/dev/null; scenario_end; }
trap unmount EXIT
mount_by() { # folder, what is folded
	./foldfs "$1" fold "$2" >fold.log 2>&1 &
	remember $!
	for _ in $(seq 100); do grep -q " $WORK/fold " /proc/mounts && break; sleep 0.1; done
}
mkdir below fold src src/Dir src/dir src/Same
echo upper >src/File; echo lower >src/file; echo lone >src/Only
echo one >src/Dir/f; echo two >src/dir/f; echo three >src/dir/G; ln -s a src/LINK
ln -s b src/link; printf 'x' >src/Same/a
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup src
mount_by below case
: >fold/Case
is 'it folds case' "$(ls fold/cASE; ls below)" 'fold/cASE
Case'

restored() { "$B" -r repo restore "latest:$PWD/src" --to fold/to "$@" >.out 2>.err </dev/null; }
restored; code=$?
is 'a restore onto it is partial' $code 3
says '/file: .*takes its name for another' '/link: .*takes its name for another'
is '... of two the first is there, whole' "$(cat fold/to/File; readlink fold/to/LINK)" 'upper
a'
is '... and the rest' "$(cat fold/to/Only fold/to/Same/a)" 'lone
x'
is '... of two folders nothing is mixed' "$(cat fold/to/Dir/f)" one
fails '... not even a name' test -e fold/to/Dir/G

restored; code=$?
is 'once more, over it' $code 3
is '... it is as it was' "$(cat fold/to/File fold/to/Dir/f)" 'upper
one'
restored --delete; code=$?
is 'with --delete' $code 3
is '... nothing of the snapshot is deleted' "$(cat fold/to/File fold/to/Dir/f fold/to/Only)" 'upper
one
lone'
expect 0 'the other one, elsewhere' "$B" -r repo restore "latest:$PWD/src" --to fold/other --path file --path dir
is '... is there' "$(cat fold/other/file fold/other/dir/f)" 'lower
two'
# What is there under the other name is somebody else's.
mkdir fold/third; echo mine >fold/third/ONLY
"$B" -r repo restore "latest:$PWD/src" --to fold/third --path Only >.out 2>.err </dev/null
is 'what is there under the other name' $? 3
is '... stays' "$(cat below/third/ONLY)" mine
umount fold

# --- letters and their parts
letter=$(printf '\303\251') parts=$(printf 'e\314\201')
other=$(printf '\303\244') other_parts=$(printf 'a\314\210')
angstrom=$(printf '\342\204\253') ring=$(printf '\303\205') ring_parts=$(printf 'A\314\212')
rm -rf src repo repo.key*; mkdir src src/both src/folders src/links src/lone
head -c 300000 /dev/urandom >"src/both/$letter"; echo small >"src/both/$parts"
echo small >"src/both/$other"; head -c 300000 /dev/urandom >"src/both/$other_parts"
for name in "$angstrom" "$ring" "$ring_parts"; do
	ln -s "$name" "src/both/to-$name"; mkdir "src/folders/$name"; echo "$name" >"src/folders/$name/in"
done
# More names of a file are made when all else is there.
echo plain >src/links/0plain; ln src/links/0plain "src/links/$parts"; ln src/links/0plain "src/links/$ring_parts"
echo alone >"src/links/$letter"; ln -s target "src/links/$ring"
echo here >"src/lone/$letter"; mkdir "src/lone/$ring"; echo in >"src/lone/$ring/in"
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup src
for kind in same apart; do
	mkdir $kind; mount_by $kind $kind
	: >"fold/$parts"
	is "$kind: a letter is its parts" "$(test -e "fold/$letter" && ls fold)" "$parts"
	restored; code=$?
	is '... a restore onto it is partial' $code 3
	is '... and names each that is not there' "$(grep -c 'takes its name for another' .err)" 8
	is '... of a letter and its parts the first of the snapshot is there, whole' "$(
		cmp "fold/to/both/$parts" "src/both/$parts" 2>&1
		cmp "fold/to/both/$other_parts" "src/both/$other_parts" 2>&1
		readlink fold/to/both/to-*; ls fold/to/both | wc -l)" "$ring_parts
3"
	is '... also where it comes as another name of a file' \
	    "$(cat "fold/to/links/$letter" "fold/to/links/$ring"; stat -c %h fold/to/links/0plain)" 'plain
plain
3'
	is '... of three folders nothing is mixed' \
	    "$(ls fold/to/folders | wc -l) $(cat fold/to/folders/*/in)" "1 $ring_parts"
	is '... what is alone is there' "$(cat "fold/to/lone/$letter" "fold/to/lone/$ring/in")" 'here
in'
	first=$(print_of fold/to)
	restored; code=$?
	is '... once more, over it: as many are not there' \
	    "$code $(grep -c 'takes its name for another' .err)" '3 8'
	is '... and the same ones are' "$(print_of fold/to)" "$first"
	echo changed >"fold/to/lone/$letter"; before=$(stat -c %Y fold/to/lone)
	expect 0 '... once more, over what is alone' "$B" -r repo restore "latest:$PWD/src" --to fold/to --path lone
	is '... it is right again' "$(cat "fold/to/lone/$letter" "fold/to/lone/$ring/in"; ls -A fold/to/lone | wc -l; stat -c %Y fold/to/lone)" "here
in
2
$before"
	echo stray >fold/to/lone/stray
	restored --path lone --delete
	is '... and with --delete, without what is not of the snapshot' \
	    "$(cat "fold/to/lone/$letter" "fold/to/lone/$ring/in"; ls fold/to/lone | wc -l)" 'here
in
2'
	umount fold
done
finish
