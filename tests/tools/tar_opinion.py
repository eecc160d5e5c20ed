#!/usr/bin/env python3
"""tar_opinion.py ARCHIVE TREE: is the tree what Python's tarfile reads there?

A third reader beside GNU tar and bsdtar.  Sockets are not expected.  Where a
file has an ACL its group's bits are the ACL's affair.
"""
import hashlib
import os
import stat
import sys
import tarfile

KINDS = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
         tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.CHRTYPE: stat.S_IFCHR,
         tarfile.BLKTYPE: stat.S_IFBLK}


def digest(f, size):
    h, left = hashlib.sha256(), min(size, 200 << 20)
    while left > 0 and (b := f.read(min(1 << 20, left))):
        h.update(b)
        left -= len(b)
    return h.hexdigest()


def check(tar, m, path):
    st = os.lstat(path)
    bad = []
    if m.islnk():
        first = os.lstat(os.path.join(sys.argv[2], m.linkname))
        return [] if os.path.samestat(first, st) else ["not linked so"]
    if KINDS.get(m.type, stat.S_IFREG) != stat.S_IFMT(st.st_mode):
        return ["kind"]
    acl = "SCHILY.acl.access" in m.pax_headers
    mask = 0o7707 if acl else 0o7777
    if not m.issym() and (m.mode ^ st.st_mode) & mask:
        bad.append(f"mode {m.mode:o} and {st.st_mode:o}")
    if (m.uid, m.gid) != (st.st_uid, st.st_gid):
        bad.append(f"owner {m.uid}:{m.gid} and {st.st_uid}:{st.st_gid}")
    if abs(m.mtime - st.st_mtime_ns / 1e9) > (1 if m.mtime < 0 else 1e-3):
        bad.append(f"mtime {m.mtime} and {st.st_mtime_ns}")
    if m.issym() and os.fsencode(m.linkname) != os.readlink(os.fsencode(path)):
        bad.append("target")
    if m.ischr() or m.isblk():
        if (m.devmajor, m.devminor) != (os.major(st.st_rdev), os.minor(st.st_rdev)):
            bad.append("device")
    for name in os.listxattr(path, follow_symlinks=False):
        value = os.getxattr(path, name, follow_symlinks=False)
        said = m.pax_headers.get("SCHILY.xattr." + name)
        # ... nor, on XFS, its own spelling of them
        if name.startswith(("system.posix_acl_", "trusted.SGI_ACL_")):
            continue
        if said is None or said.encode("utf-8", "surrogateescape") != value:
            bad.append("attribute " + name)
    if m.isreg():
        if m.size != st.st_size:
            bad.append(f"size {m.size} and {st.st_size}")
        with open(path, "rb") as f:
            if digest(tar.extractfile(m), m.size) != digest(f, m.size):
                bad.append("content")
    return bad


def main():
    archive, tree = sys.argv[1:]
    want = set()
    for top, dirs, files in os.walk(tree):
        for n in dirs + files:
            path = os.path.join(top, n)
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                want.add(os.path.relpath(path, tree))
    faults = 0
    with tarfile.open(archive, encoding="utf-8", errors="surrogateescape") as tar:
        for m in tar:
            name = os.path.normpath(m.name)
            want.discard(name)
            for what in check(tar, m, os.path.join(tree, m.name)):
                print(os.fsencode(m.name), what)
                faults += 1
    for name in sorted(want)[:10]:
        print("not in the archive:", os.fsencode(name))
    sys.exit(1 if faults or want else 0)


main()
