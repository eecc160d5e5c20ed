#!/usr/bin/env python3
"""dry_opinion.py BASCULE SEED ROUNDS: does a restore do what its dry run says?

Random trees, saved, restored, and then spoiled in random ways; what `restore
--dry-run` tells is held against what the restore then did, as the file system
shows it.  Run in an empty folder with a repository `repo`.
"""
import base64
import hashlib
import json
import os
import random
import stat
import subprocess
import sys

NAMES = ["a", "b", "c", "d", "e", "f", "g", "\u00e4", "n n", "x\ny", "\udcff"]


def grow(rng, top, depth):
    os.mkdir(top)
    for name in rng.sample(NAMES, rng.randrange(2, 7)):
        path = os.path.join(top, name)
        kind = rng.random()
        if depth > 0 and kind < 0.35:
            grow(rng, path, depth - 1)
        elif kind < 0.45:
            os.symlink(rng.choice(("a", "../b", "nowhere")), path)
        elif kind < 0.5:
            os.mkfifo(path)
        else:
            with open(path, "wb") as f:
                f.write(rng.randbytes(rng.choice((0, 5, 300, 5000, 200000))))
            if kind > 0.9:
                os.truncate(path, 1 << 20)


def members(top):
    """Every path beneath it, folders before what is in them."""
    out = []
    for at, dirs, files in os.walk(top):
        out += [os.path.join(at, n) for n in sorted(dirs + files)]
    return out


def files_of(top):
    return [p for p in members(top) if stat.S_ISREG(os.lstat(p).st_mode)]


def link_some(rng, top):
    files = files_of(top)
    for i in range(rng.randrange(0, 4)):
        if files:
            first = rng.choice(files)
            os.link(first, os.path.join(os.path.dirname(rng.choice(files)), "link%d" % i))


def remove(path):
    if stat.S_ISDIR(os.lstat(path).st_mode):
        subprocess.run(["rm", "-rf", path], check=True)
    else:
        os.unlink(path)


def spoil_one(rng, top):
    paths = members(top)
    if not paths:
        return
    path, how = rng.choice(paths), rng.randrange(12)
    st = os.lstat(path)
    if how == 0:
        remove(path)
    elif how == 1:
        remove(path)
        os.mkdir(path)
        if rng.random() < 0.5:
            open(os.path.join(path, "stray"), "w").close()
    elif how == 2:
        remove(path)
        os.symlink("elsewhere", path)
    elif how == 3:
        remove(path)
        open(path, "wb").close()
    elif how == 4 and not stat.S_ISLNK(st.st_mode):
        os.chmod(path, 0o700 if stat.S_IMODE(st.st_mode) != 0o700 else 0o750)
    elif how == 5:
        os.utime(path, ns=(1, st.st_mtime_ns + rng.choice((1, -10**9))), follow_symlinks=False)
    elif how == 6 and stat.S_ISREG(st.st_mode):
        with open(path, "r+b") as f:
            f.seek(rng.randrange(st.st_size + 1))
            f.write(b"!")
        os.utime(path, ns=(1, st.st_mtime_ns))
    elif how == 7 and stat.S_ISDIR(st.st_mode):
        open(os.path.join(path, "stray"), "w").close()
    elif how == 8:
        files = files_of(top)
        if len(files) > 1:
            a, b = rng.sample(files, 2)
            os.unlink(b)
            os.link(a, b)
    elif how == 9 and stat.S_ISREG(st.st_mode):
        subprocess.run(["cp", "-p", path, path + ".own"], check=True)
        os.rename(path + ".own", path)
    elif how == 10 and stat.S_ISREG(st.st_mode) and not os.path.lexists(path + ".more"):
        os.link(path, path + ".more")
    elif how == 11 and not stat.S_ISLNK(st.st_mode) and os.geteuid() == 0:
        os.chown(path, 7, 7)


def seen(top, how):
    """never: what is made in a folder that was there changes that one's time."""
    out = {}
    for path in members(top) if os.path.isdir(top) else []:
        st = os.lstat(path)
        what = [stat.S_IFMT(st.st_mode), st.st_mode, st.st_uid, st.st_gid]
        if not stat.S_ISDIR(st.st_mode):
            what += [st.st_ino, st.st_size]
        if not stat.S_ISDIR(st.st_mode) or "never" not in how:
            what.append(st.st_mtime_ns)
        if stat.S_ISREG(st.st_mode):
            with open(path, "rb") as f:
                what.append(hashlib.sha256(f.read()).hexdigest())
        if stat.S_ISLNK(st.st_mode):
            what.append(os.readlink(path))
        out[os.path.relpath(path, top)] = what
    return out


def changes(before, after):
    out = {}
    for path in before.keys() | after.keys():
        a, b = before.get(path), after.get(path)
        if a is None or b is None:
            out[path] = "make" if a is None else "delete"
        elif a != b:
            out[path] = "alter" if a[0] == b[0] else "replace"
    return out


def restore(program, n, top, how):
    run = subprocess.run([program, "-r", "repo", "--json", "restore",
                          "latest:local/d%d:%s/src" % (n, os.getcwd()), "--to", top] + how,
                         capture_output=True)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]


def told(lines, top):
    out = {}
    for line in lines:
        if line["type"] != "change":
            continue
        path = base64.b64decode(line["path_b64"]) if "path_b64" in line \
            else os.fsencode(line["path"])
        out[os.path.relpath(os.fsdecode(path), top)] = line["change"]
    return out


def one_way(program, n, how):
    before = seen("to", how)
    dry_code, lines = restore(program, n, "to", how + ["--dry-run"])
    said = told(lines, "to")
    if seen("to", how) != before:
        return ["the dry run changed something"]
    code, _ = restore(program, n, "to", how)
    did = changes(before, seen("to", how))
    wrong = ["%r: said %s, did %s" % (p, said.get(p, "nothing"), did.get(p, "nothing"))
             for p in sorted(said.keys() | did.keys()) if said.get(p) != did.get(p)
             and not ("always" in how and said.get(p) == "alter" and p not in did)]
    if dry_code != code:
        wrong.append("the dry run ended with %d, the restore with %d" % (dry_code, code))
    return wrong


def main():
    program, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    bad = asked = 0
    for n in range(rounds):
        rng = random.Random(seed * 100003 + n)
        grow(rng, "src", 2)
        link_some(rng, "src")
        subprocess.run([program, "-r", "repo", "backup", "--dataset", "d%d" % n, "src"],
                       check=True, capture_output=True)
        for how in ([], ["--delete"], ["--overwrite", "never"], ["--overwrite", "always"],
                    ["--overwrite", "never", "--delete"]):
            subprocess.run(["cp", "-a", "src", "to"], check=True)
            for _ in range(rng.randrange(0, 6)):
                spoil_one(rng, "to")
            wrong = one_way(program, n, how)
            asked += 1
            if wrong:
                bad += 1
                print("seed", seed, "round", n, *how, *wrong[:6], sep="\n  ")
            subprocess.run(["rm", "-rf", "to"], check=True)
        subprocess.run(["rm", "-rf", "src"], check=True)
    print("%d restores, %d did otherwise than their dry run said" % (asked, bad))
    sys.exit(1 if bad else 0)


main()
