#!/bin/sh
# A snapshot whose names differ in case only, onto a file system that takes one
# for the other: nothing of one entry gets into another's file, and what could
# not be restored is named.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

[ -w /dev/fuse ] && [ "$(id -u)" = 0 ] ||
	{ skip 'a file system that folds case' 'no /dev/fuse here'; finish; }
# shellcheck disable=SC2046
holds 'it builds' ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -o foldfs \
    "$TOOLS/foldfs.c" $(pkg-config --cflags --libs fuse3) || finish
unmount() { umount -l "$WORK/fold" 2>/dev/null; scenario_end; }
trap unmount EXIT
mkdir below fold src src/Dir src/dir src/Same
echo upper >src/File; echo lower >src/file; echo lone >src/Only
echo one >src/Dir/f; echo two >src/dir/f; echo three >src/dir/G; ln -s a src/LINK
ln -s b src/link; printf 'x' >src/Same/a
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup src
./foldfs below fold >fold.log 2>&1 &
remember $!
for _ in $(seq 100); do grep -q " $WORK/fold " /proc/mounts && break; sleep 0.1; done
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
finish
