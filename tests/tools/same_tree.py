#!/usr/bin/env python3
"""Compare two trees, byte for byte and attribute for attribute.

    same_tree.py A B [--no-owner] [--no-flags] [--holes|--holes-near] [--summary]

Knows nothing of Bascule.  Every entry, itself included: type, mode, owner,
size, modification time to the nanosecond, link target, device number, extended
attributes (ACLs and capabilities are among them), inode flags, which names are
one file, and content.  --holes: where the data lies, too
(-near: up to zeros that a file system put beside it).  Exit 0: the same;
1: differences, one a line.
"""
import array
import fcntl
import os
import stat
import sys

FS_IOC_GETFLAGS = 0x80086601
# SECRM UNRM COMPR SYNC IMMUTABLE APPEND NODUMP NOATIME NOCOMP JOURNAL NOTAIL
# DIRSYNC TOPDIR NOCOW DAX PROJINHERIT
FLAGS = 0x2283c4ff
MOST_LINES = 50


class Comparison:
    def __init__(self, options):
        self.options = options
        self.entries = self.bytes = self.differences = 0
        self.links_a, self.links_b = {}, {}

    def differs(self, path, what, a, b):
        self.differences += 1
        if self.differences <= MOST_LINES:
            print(f"{os.fsencode(path)!r}: {what}: {a!r} and {b!r}")


def names(path):
    return sorted(os.fsencode(n) for n in os.listdir(path))


def xattrs(path):
    try:
        listed = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return None
    # XFS shows an ACL a second time, in its own bytes.
    return {n: os.getxattr(path, n, follow_symlinks=False) for n in listed
            if not n.startswith("trusted.SGI_ACL_")}


def flags(path, mode):
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return 0
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        value = array.array("L", [0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, value)
        return value[0] & FLAGS
    except OSError:
        return 0
    finally:
        os.close(fd)


def extents(fd, size):
    at, found = 0, []
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        found.append((begin, at))
    return found


ROUND = 64 << 10


def trimmed(fd, found):
    """Without the zeros that ext4 itself writes beside data (extent_max_zeroout_kb)."""
    kept = []
    for begin, end in found:
        lowest, highest = end - ROUND, begin + ROUND
        while end > begin and end > lowest and not any(
                os.pread(fd, 4096, (end - 1) // 4096 * 4096)):
            end = (end - 1) // 4096 * 4096
        while begin < end and begin < highest and not any(os.pread(fd, 4096, begin)):
            begin += 4096
        if begin < end:
            kept.append((begin, end))
    return kept


def union(xa, xb):
    """Where either has data: what neither has is zeros in both."""
    merged = []
    for begin, end in sorted(xa + xb):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def compare_content(c, path, a, b, size):
    with open(a, "rb", buffering=0) as fa, open(b, "rb", buffering=0) as fb:
        xa, xb = extents(fa.fileno(), size), extents(fb.fileno(), size)
        if "--holes" in c.options and xa != xb:
            c.differs(path, "where its data lies", xa, xb)
        elif "--holes-near" in c.options and xa != xb and (
                trimmed(fa.fileno(), xa) != trimmed(fb.fileno(), xb)):
            c.differs(path, "where its data lies", xa, xb)
        for at, end in union(xa, xb):
            while at < end:
                n = min(1 << 20, end - at)
                x, y = os.pread(fa.fileno(), n, at), os.pread(fb.fileno(), n, at)
                if x != y or not x:
                    near = next((i for i, (p, q) in enumerate(zip(x, y))
                                 if p != q), min(len(x), len(y)))
                    c.differs(path, "content from byte", at + near, at + near)
                    return
                at += len(x)
                c.bytes += len(x)


def compare_links(c, path, sa, sb):
    """Names that are one file in A are one file in B, and no others."""
    if stat.S_ISDIR(sa.st_mode):
        return
    first_a = c.links_a.setdefault((sa.st_dev, sa.st_ino), path)
    first_b = c.links_b.setdefault((sb.st_dev, sb.st_ino), path)
    if first_a != first_b:
        c.differs(path, "one file with", first_a, first_b)


def compare_times(c, path, sa, sb):
    if sa.st_mtime_ns != sb.st_mtime_ns:
        c.differs(path, "mtime", sa.st_mtime_ns, sb.st_mtime_ns)


def compare_one(c, path, a, b):
    sa, sb = os.lstat(a), os.lstat(b)
    c.entries += 1
    if stat.S_IFMT(sa.st_mode) != stat.S_IFMT(sb.st_mode):
        c.differs(path, "type", oct(sa.st_mode), oct(sb.st_mode))
        return
    if sa.st_mode != sb.st_mode:
        c.differs(path, "mode", oct(sa.st_mode), oct(sb.st_mode))
    if "--no-owner" not in c.options:
        if (sa.st_uid, sa.st_gid) != (sb.st_uid, sb.st_gid):
            c.differs(path, "owner", (sa.st_uid, sa.st_gid),
                      (sb.st_uid, sb.st_gid))
    compare_times(c, path, sa, sb)
    if xattrs(a) != xattrs(b):
        c.differs(path, "extended attributes", xattrs(a), xattrs(b))
    if "--no-flags" not in c.options:
        fa, fb = flags(a, sa.st_mode), flags(b, sb.st_mode)
        if fa != fb:
            c.differs(path, "inode flags", fa, fb)
    compare_links(c, path, sa, sb)
    if stat.S_ISLNK(sa.st_mode) and os.readlink(a) != os.readlink(b):
        c.differs(path, "target", os.readlink(a), os.readlink(b))
    if stat.S_ISCHR(sa.st_mode) or stat.S_ISBLK(sa.st_mode):
        if sa.st_rdev != sb.st_rdev:
            c.differs(path, "device", sa.st_rdev, sb.st_rdev)
    if stat.S_ISREG(sa.st_mode):
        if sa.st_size != sb.st_size:
            c.differs(path, "size", sa.st_size, sb.st_size)
        elif sa.st_size > 0:
            compare_content(c, path, a, b, sa.st_size)
    if stat.S_ISDIR(sa.st_mode):
        compare_members(c, path, a, b)


def compare_members(c, path, a, b):
    in_a, in_b = names(a), names(b)
    only_a, both = set(in_a) - set(in_b), set(in_a) & set(in_b)
    for name in sorted(set(in_a) ^ set(in_b)):
        c.differs(os.path.join(path, name), "is only in",
                  "A" if name in only_a else "B", "")
    for name in in_a:
        if name in both:
            compare_one(c, os.path.join(path, name), os.path.join(a, name),
                        os.path.join(b, name))


def main():
    trees = [x for x in sys.argv[1:] if not x.startswith("--")]
    if len(trees) != 2:
        sys.exit(__doc__)
    sys.setrecursionlimit(5000)
    c = Comparison(set(sys.argv[1:]))
    compare_one(c, b"", os.fsencode(trees[0]), os.fsencode(trees[1]))
    if c.differences > MOST_LINES:
        print(f"... {c.differences} differences in all")
    if "--summary" in c.options:
        print(f"{c.entries} entries, {c.bytes} bytes compared, "
              f"{c.differences} differences")
    sys.exit(1 if c.differences else 0)


main()
