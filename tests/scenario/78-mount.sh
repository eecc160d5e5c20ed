#!/bin/sh
# A mounted snapshot is what was saved, to an independent walker and to rsync;
# it ends cleanly, also while somebody is in it.  ENTRIES=1000000 is the long form.
. "$(dirname "$0")/../support/mounts.sh"
. "$(dirname "$0")/../support/scenario.sh"
ENTRIES=${ENTRIES:-20000}

[ -w /dev/fuse ] && [ "$(id -u)" = 0 ] || { skip 'mount' 'no /dev/fuse here'; finish; }
mounted() { grep -q " $WORK/$1 fuse.bascule ro,nosuid,nodev" /proc/mounts; }
begin() { # snapshot, directory: $mount is its process
	"$B" -r repo mount "$1" "$2" >.out 2>.err &
	mount=$!
	remember $mount
	for _ in $(seq 100); do mounted "$2" && return; sleep 0.1; done
	not_ok "it is mounted"; cat .err
}
ended() { # name, exit code
	wait $mount
	is "$1" $? "$2"
	fails '... and is gone' mounted at
}

python3 "$TOOLS/zoo.py" zoo >made || { not_ok 'the zoo'; finish; }
chattr -d -S -A zoo/attributes/flag-* 2>/dev/null # FUSE knows none of them
mkdir at many && (cd many && seq "$ENTRIES" | xargs touch &&
    for i in $(seq 100 100 "$ENTRIES"); do echo "$i" >"$i"; done)
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup zoo
expect 0 'another' "$B" -r repo backup many
begin "latest:local/zoo:$PWD/zoo" at
same 'it is what was saved' zoo at --holes
rsync -naHAXi --checksum --delete --exclude=/sparse/huge zoo/ at/ >rsync 2>&1
is '... to rsync as well' "$(cat rsync)" ''
is '... nothing can be written' "$(touch at/new 2>&1 | grep -c 'Read-only')" 1
is '... a byte far into it' "$(dd if=at/sparse/huge bs=1 skip=34359738371 count=6 \
    2>/dev/null)" island
# A copy out of it, by another program, is what a restore makes.  (rsync knows no
# inode flags; a sparse file of 64 GiB it would read from end to end.)
holds 'rsync copies it' rsync -aHAXS --exclude=/sparse/huge at/ copied/
expect 0 'a restore' "$B" -r repo restore "latest:local/zoo:$PWD/zoo" --to restored
rm -f restored/sparse/huge; touch -d "$(stat -c %y zoo/sparse)" restored/sparse
same '... is the same' copied restored --no-flags

# What is busy is not unmounted, and goes on.
mkfifo inside outside
(exec 4<at/sizes; echo >inside; read -r _ <outside; ls /dev/fd/4/ | wc -l >listed) &
busy=$!
remember $busy
read -r _ <inside
fails 'umount while somebody is in it is refused' umount at
holds '... it goes on' test -d at/sizes
holds '... umount -l takes the name away' umount -l at
fails '... it is gone' mounted at
echo >outside
wait $busy
is '... who is in it still reads' "$(cat listed)" "$(ls zoo/sizes | wc -l)"
ended '... and with the last one it ends' 0

begin latest:local/many at
is 'of what has no attributes' "$(getfattr -n user.x "at$PWD/many/1" 2>&1 |
    grep -c 'No such attribute\|not supported')" 1
# Of a hundred: each call that is watched waits for two processes' turns.
calls=$(cd "at$PWD/many" && strace -c -e trace=%file ls -l $(seq 100) 2>&1 >/dev/null |
    awk '$NF == "lgetxattr" { n = $4 } END { print n + 0 }')
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	holds '... ls -l learns that it need not ask' test "$calls" -lt 50
else
	skip '... ls -l learns that it need not ask' 'no strace here'
fi
ls -l "at$PWD/many" >listed
is '... and lists all' "$(grep -c '^-' listed)" "$ENTRIES"
is 'a big directory lists whole' "$(ls "at$PWD/many" | sort -n | cksum)" \
    "$(seq "$ENTRIES" | cksum)"
is '... each once' "$(find "at$PWD/many" -type f | wc -l)" "$ENTRIES"
begun=$(date +%s%N)
holds '... rsync copies all of it' rsync -aHAX "at$PWD/many/" copied-many/
echo "# rsync: $((($(date +%s%N) - begun) / 1000000)) ms; the mount has had" \
    "$(awk '/VmHWM/ { print $2 }' /proc/$mount/status) KiB"
expect 0 '... a restore' "$B" -r repo restore "latest:local/many:$PWD/many" --to restored-many
same '... is the same' copied-many restored-many
holds '... in little memory' test \
    "$(awk '/VmHWM/ { print $2 }' /proc/$mount/status)" -lt 65536
(cd "at$PWD" && echo >"$WORK/inside" && exec sleep 60) &
busy=$!
remember $busy
read -r _ <inside
kill -TERM $mount
ended 'ended by a signal while somebody is in it' 0
kill $busy 2>/dev/null

# Killed it leaves a mount that is of no use and goes away when it is told to.
begin latest:local/many at
kill -9 $mount; wait $mount 2>/dev/null
is 'after kill -9 nothing hangs' "$(ls at 2>&1 | grep -c 'not connected')" 1
expect 1 '... what is there is no place for another' "$B" -r repo mount \
    latest:local/many at
says 'at'
unmount=umount
command -v fusermount3 >/dev/null && unmount='fusermount3 -u'
# shellcheck disable=SC2086
holds "... $unmount takes it away" $unmount at
fails '... it is gone' mounted at
begin latest:local/many at
is '... and it can be mounted again' "$(ls "at$PWD/many" | wc -l)" "$ENTRIES"
umount at
ended '... and ends' 0
expect 1 'no such directory' "$B" -r repo mount latest:local/many nowhere
expect 2 'a file is none' "$B" -r repo mount "latest:local/many:$PWD/many/1" at
if unshare -m true 2>/dev/null; then # a chroot's root is no mount point
	expect 1 'no FUSE here' unshare -m sh -c 'mount -t tmpfs none /dev && exec "$@"' \
	    - "$B" -r repo mount latest:local/many at
	says 'no FUSE'
else
	skip 'no FUSE here' 'no mount namespace can be had'
fi

# Damage is an error for who reads it, and a line for who mounted.
find repo/packs -type f -size +1M | while read -r f; do
	chmod u+w "$f"; printf XXXX | dd of="$f" bs=1 seek=500000 conv=notrunc
done 2>/dev/null
begin "latest:local/zoo:$PWD/zoo" at
is 'what is damaged cannot be read' "$(find at/sizes -type f -exec cat {} + 2>&1 \
    >/dev/null | grep -c 'Input/output error' | sed 's/^[1-9][0-9]*/some/')" some
umount at
ended 'it still ends well' 0
is '... and said so' "$(grep -c 'pack' .err | sed 's/^[1-9][0-9]*/some/')" some
finish
