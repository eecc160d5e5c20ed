#!/bin/sh
# The zoo as root on ext4, xfs and btrfs of their own (loop devices): saved
# from each, restored onto each other and onto itself.  What the other file
# system cannot hold is said, never left out in silence.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

[ "$(id -u)" = 0 ] || { skip 'file systems of our own' 'not root'; finish; }

unmount_all() {
	for fs in $mounted; do umount -l "$WORK/$fs" 2>/dev/null; done
	scenario_end
}
mounted=
trap unmount_all EXIT

# make_fs NAME COMMAND...: an image, mounted at NAME.
make_fs() {
	fs=$1; shift
	truncate -s 400M "$fs.img" && mkdir "$fs" || return 1
	"$@" "$fs.img" >"$fs.log" 2>&1 && mount -o loop "$fs.img" "$fs" \
	    >>"$fs.log" 2>&1 || return 1
	mounted="$mounted $fs"
}
# Room that a file system took ahead of writes counts as data until it is given
# back: XFS does that in its own time, or when it is unmounted.
settle() { umount "$1" && mount -o loop "$1.img" "$1"; }
# A file system that this kernel or this container cannot mount is skipped.
for fs in ext4 xfs btrfs; do
	case $fs in
	ext4) make_fs ext4 mkfs.ext4 -q -b 4096 -O inline_data ;;
	xfs) make_fs xfs mkfs.xfs -q ;;
	btrfs) make_fs btrfs mkfs.btrfs -q ;;
	esac || skip "$fs" "$(tail -n 1 $fs.log)"
done
[ -n "$mounted" ] || finish

expect 0 'init' "$B" -r repo init
for fs in $mounted; do
	python3 "$TOOLS/zoo.py" "$fs/zoo" >made || not_ok "a zoo on $fs"
	sed "s/^/# $fs: /" made
	for i in 3 4 5 6 7 8; do cp "$fs/zoo/sizes/twin-1" "$fs/zoo/sizes/twin-$i"; done
	holds "... settled" settle "$fs"
	expect 0 "a backup from $fs" "$B" -r repo backup --dataset "$fs" "$fs/zoo"
	expect 0 "... restored onto $fs" "$B" -r repo --json restore \
	    "latest:$PWD/$fs/zoo" --to "$fs/back" --verify
	cloned=$(sed -n 's/.*"cloned":\([0-9]*\).*/\1/p' .out)
	holds "... settled" settle "$fs"
	same '... the same' "$fs/zoo" "$fs/back" --holes
	case $fs in
	ext4) is '... every file with blocks of its own' "$cloned" 0 ;;
	*)	is '... equal files share theirs' "$((cloned > 0))" 1
		sync "$fs/back/sizes/"twin-*
		holds '... as the file system sees it' sh -c \
		    'filefrag -v "$1"/twin-* | grep -q shared' sh "$fs/back/sizes"
		printf Y | dd of="$fs/back/sizes/twin-1" bs=1 conv=notrunc 2>/dev/null
		holds '... until one is written to' cmp -s "$fs/zoo/sizes/twin-2" \
		    "$fs/back/sizes/twin-2" ;;
	esac
	rm -rf "$fs/back"
done

# Onto another file system: what cannot be held is named, and nothing else
# differs.
id_of() {
	"$B" -r repo --json snapshots | python3 -c 'import json, sys
for line in sys.stdin:
    s = json.loads(line)
    if s.get("dataset") == sys.argv[1]:
        print(s["snapshot"])' "$1"
}
for from in $mounted; do
	for to in $mounted; do
		[ "$from" != "$to" ] || continue
		"$B" -r repo restore "$(id_of "$from"):$PWD/$from/zoo" \
		    --to "$to/back" >.out 2>.err
		code=$?
		python3 "$TOOLS/same_tree.py" "$from/zoo" "$to/back" >differ
		sed -n "s/^b'\(.*\)': [a-z ]*: .*/\1/p" differ | sort -u >paths
		is "from $from onto $to: all, or it says so" "$code" \
		    "$([ -s paths ] && echo 3 || echo 0)"
		while read -r path; do
			holds "... $path is named" grep -qaF "/$path:" .err
		done <paths
		[ "$from/$to" != xfs/ext4 ] || is "... and ACLs once" \
		    "$(getfattr -R -h -d -m SGI_ACL "$to/back" 2>&1)" ''
		rm -rf "$to/back"
	done
done
finish
