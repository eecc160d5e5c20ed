#!/usr/bin/env python3
"""same_facts.py A B [owner] [links] [even]: what an archive's format can hold.

Each entry's kind, mode, time in whole seconds (even: zip's have two), content
and target; the owner, and which names are one file, where the format has them.
"""
import hashlib
import os
import stat
import sys


def facts(top, what):
    found, firsts = {}, {}
    for folder, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files):
            path = os.path.join(folder, name)
            st = os.lstat(path)
            mode = st.st_mode & 0o7777 if not stat.S_ISLNK(st.st_mode) else 0
            fact = [stat.S_IFMT(st.st_mode), mode]
            if not stat.S_ISLNK(st.st_mode):
                fact.append(int(st.st_mtime) // (2 if "even" in what else 1))
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    fact.append(hashlib.sha256(f.read()).hexdigest()[:16])
            if stat.S_ISLNK(st.st_mode):
                fact.append(os.readlink(path))
            if "owner" in what:
                fact += [st.st_uid, st.st_gid]
            if "links" in what and stat.S_ISREG(st.st_mode):
                fact.append(firsts.setdefault((st.st_dev, st.st_ino), len(firsts))
                            if st.st_nlink > 1 else None)
            found[os.path.relpath(path, top)] = fact
    return found


def main():
    a, b = (facts(top, sys.argv[3:]) for top in sys.argv[1:3])
    different = [n for n in sorted(set(a) | set(b)) if a.get(n) != b.get(n)]
    for name in different[:20]:
        print(f"{name}: {a.get(name)} and {b.get(name)}")
    sys.exit(bool(different))


main()
