#!/bin/sh
# An export is an archive that GNU tar, bsdtar and Python read alike, whatever
# the locale: the zoo through each of them, and back again.  EVERY=1: the zoo of
# three file systems.
. "$(dirname "$0")/../support/scenario.sh"

# zoo FOLDER: what a tar can hold of it (the rest is said below).
zoo() {
	python3 "$TOOLS/zoo.py" "$1" >made || { not_ok 'the zoo'; finish; }
	rm -rf "$1/many" "$1/special/socket"
	find "$1/times" -name '*before' -exec touch -h -d '1960-01-01' {} +
	touch -d '2001-01-01' "$1" # bsdtar leaves the target's own time alone
	chattr -d -S -A "$1"/attributes/flag-* 2>/dev/null # GNU tar knows none
}
# read_by_three FOLDER SAVED: the archive zoo.tar, unpacked in FOLDER.
read_by_three() {
	mkdir "$1/gnu" "$1/bsd"
	tar -C "$1/gnu" --numeric-owner --acls --xattrs '--xattrs-include=*' \
	    -xpf zoo.tar 2>.err || { not_ok 'GNU tar'; tail -n 3 .err; }
	# XFS shows room it has put by as data, until it writes what is there.
	sync -f "$1"
	same 'GNU tar reads what was saved' "$2" "$1/gnu" --holes-near
	bsdtar -C "$1/bsd" --numeric-owner --acls --xattrs --fflags -xpf zoo.tar \
	    2>.err || { not_ok 'bsdtar'; tail -n 3 .err; }
	touch -d '2001-01-01' "$1/bsd"
	sync -f "$1"
	same '... bsdtar' "$2" "$1/bsd" --holes-near
	holds "... and Python's tarfile" python3 "$TOOLS/tar_opinion.py" zoo.tar "$2"
	rm -rf "$1/gnu" "$1/bsd"
}

zoo zoo
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup zoo
expect 0 'an export, under LC_ALL=C' env LC_ALL=C "$B" -r repo export \
    "latest:$PWD/zoo" -o zoo.tar
is '... says nothing' "$(cat .err)" ''
is '... takes no room for holes' "$(($(stat -c %s zoo.tar) < 60000000))" 1
read_by_three . zoo

expect 0 'compressed' "$B" -r repo export "latest:$PWD/zoo" -o zoo.tar.zst
is '... the same inside' "$(zstd -dcq zoo.tar.zst | tar -tvf - 2>/dev/null |
    sha256sum)" "$(tar -tvf zoo.tar 2>/dev/null | sha256sum)"
"$B" -r repo export "latest:$PWD/zoo" -o - >piped 2>.err
holds '... and through a pipe' cmp -s piped zoo.tar
expect 0 'a part of it' "$B" -r repo export latest -o part.tar \
    --path "$PWD/zoo/links" --path "$PWD/zoo/sizes/text"
is '... under its whole name' "$(tar -tf part.tar | grep -v /links/)" \
    "${PWD#/}/zoo/sizes/text"

# Its likes on other file systems, where they can be made (EVERY=1: on each).
unmount() {
	umount -l "$WORK/disk" 2>/dev/null
	scenario_end
}
on_disk() { # name, what makes it
	fs=$1; shift
	rm -f disk.img # or the last one's signature is found, too
	truncate -s 400M disk.img && mkdir -p disk
	if ! { "$@" disk.img && mount -o loop disk.img disk; } >fs.log 2>&1; then
		skip "$fs" "$(tail -n 1 fs.log)"
		return
	fi
	zoo disk/zoo
	sync -f disk
	expect 0 "a backup from $fs" "$B" -r repo backup --dataset "$fs" disk/zoo
	expect 0 "its export" env LC_ALL=C "$B" -r repo export \
	    "latest:local/$fs:$PWD/disk/zoo" -o zoo.tar
	is '... says nothing' "$(cat .err)" ''
	read_by_three disk disk/zoo
	umount disk
}
if [ "$(id -u)" = 0 ]; then
	trap unmount EXIT
	[ -z "${EVERY:-}" ] || on_disk ext4 mkfs.ext4 -q -b 4096 -O inline_data
	[ -z "${EVERY:-}" ] || on_disk btrfs mkfs.btrfs -q -f
	on_disk xfs mkfs.xfs -q -f
else
	skip 'other file systems' 'not root'
fi

# Only plain names: no tar has anything to say about it.
mkdir plain && echo x >plain/été && ln plain/été plain/two && : >plain/empty
expect 0 'a plain tree' "$B" -r repo backup plain
expect 0 'exported' "$B" -r repo export "latest:$PWD/plain" -o plain.tar
is '... GNU tar says nothing' "$(tar -tf plain.tar 2>&1 | sort | tr '\n' ' ')" \
    './ empty two été '
python3 - <<'END'
import os
os.makedirs("long/" + "/".join(["d" * 250] * 12))
here = os.open("long", os.O_RDONLY)
for _ in range(12):
    here = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
for _ in range(12):                     # 6,000 bytes: beyond PATH_MAX
    os.mkdir("e" * 250, dir_fd=here)
    here = os.open("e" * 250, os.O_RDONLY, dir_fd=here)
os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
END
truncate -s 20G long/big && printf end | dd of=long/big bs=1 seek=9G conv=notrunc 2>/dev/null
expect 0 'a path beyond PATH_MAX, a size beyond 8 GiB' "$B" -r repo backup long
expect 0 '... exported' "$B" -r repo export "latest:$PWD/long" -o long.tar
is '... one tar reads the name' \
    "$(bsdtar -tf long.tar | awk '/leaf$/ { print length($0) }')" 6028
is '... and the size' "$(tar -tvf long.tar 2>/dev/null | awk '/big$/ { print $3 }')" \
    21474836480

# All or nothing.
echo before >kept.tar
find repo/packs -type f -size +1M | while read -r f; do
	chmod u+w "$f"; printf XXXX | dd of="$f" bs=1 seek=500000 conv=notrunc
done 2>/dev/null
expect 4 'of a damaged repository' "$B" -r repo export \
    "latest:local/zoo:$PWD/zoo" -o kept.tar
says 'restore'
is '... the file is as it was' "$(cat kept.tar)" before
is '... and nothing lies about' "$(ls -A | grep -c tmp)" 0
expect 2 'no other compression' "$B" -r repo export latest -o zoo.tar.gz
expect 2 'a place is needed' "$B" -r repo export latest
expect 1 'a folder that is not there' "$B" -r repo export latest -o none/x.tar
expect 0 'a device is written to, not replaced' "$B" -r repo export \
    "latest:local/plain" -o /dev/null
holds '... and is there yet' test -c /dev/null
finish
