#!/usr/bin/env python3
"""flip.py BASCULE REPOSITORY SOURCE WORK OTHER [--every | --sample N] [--seed S]

Flips one bit, asks `bascule check --read`, and puts the bit back: the check
must end with 4 and name the damaged file; now and then the restore must end
with something else than 0, or with everything right, and never make a file of
wrong bytes.  --every: each byte of the repository once (the bit at random).
Then what is worse than a bit: cut short, emptied, gone, grown, exchanged.
Prints ok and not ok lines and a count.
"""
import argparse
import filecmp
import json
import os
import random
import shutil
import subprocess
import sys

RESTORE_EVERY = 7  # flips
REPLACED_EVERY = 3  # of a sample's files cut, gone and exchanged are restored from
FLIPS_LEAST = 6


class Run:
    def __init__(self, args):
        self.bascule, self.repo = args.bascule, args.repository
        self.source, self.work = args.source, args.work
        self.flips = self.restores = self.failed = self.passed = 0
        self.replaced = 0
        self.replaced_every = 1 if args.every else REPLACED_EVERY

    def call(self, *words):
        return subprocess.run([self.bascule, "-r", self.repo, *words],
                              capture_output=True, timeout=120, check=False)

    def fault(self, text):
        self.failed += 1
        if self.failed <= 30:
            print("not ok " + text)

    def count(self, good, text):
        if good:
            self.passed += 1
            print("ok " + text)
        else:
            self.fault(text)

    def checked(self, name, what):
        """The check ends with 4, names it and nothing that is sound.  What is
        wrong with that."""
        done = self.call("--json", "check", "--read")
        if done.returncode != 4:
            return f"{what}: check ended with {done.returncode}: {done.stdout!r}"
        base, named = os.path.basename(name), set()
        for line in map(json.loads, done.stdout.splitlines()):
            if line["type"] not in ("damage", "error"):
                continue
            said = line.get("what", "") + line.get("error", "")
            named.add(base if base in said else
                      os.path.basename(line.get("object", "?")))
        if base not in named:
            return f"{what}: not named: {done.stdout!r}"
        sound = named - {base} - self.suffers_from(name, what)
        if sound:
            return f"{what}: sound, and named: {sound}: {done.stdout!r}"
        return None

    def suffers_from(self, name, what):
        """What cannot be whole when that file is damaged: snapshots and points
        lack what a pack or the index held, and without the index nothing says
        whose packs those are."""
        kind, hurt = kind_of(name), {"format", "format.bak"}
        if not kind.startswith("format"):
            hurt = set()
        elif "another" in what:  # format says whose all the others are
            hurt |= {os.path.basename(n) for n in files_of(self.repo)}
        if kind in ("packs", "index"):
            hurt |= {"index"} | {os.path.basename(n) for n in files_of(self.repo)
                     if n.startswith(("snapshots/", "points/"))}
        if kind == "snapshots":
            hurt |= {os.path.basename(n) for n in files_of(self.repo)
                     if n.startswith("points/")}
        if name == "index/MANIFEST":
            hurt |= {os.path.basename(n) for n in files_of(self.repo)
                     if n.startswith("index/")}
        return hurt

    def restored(self, what):
        """No wrong bytes.  What is wrong with that."""
        out = os.path.join(self.work, "flip-out")
        shutil.rmtree(out, ignore_errors=True)
        done = self.call("restore", "latest:local", "--to", out)
        self.restores += 1
        if done.returncode < 0 or done.returncode > 100:
            return f"{what}: restore ended with {done.returncode}"
        top = os.path.join(out, self.source.lstrip("/"))
        if done.returncode == 0:
            same = filecmp.dircmp(self.source, top)
            if same.left_only or same.right_only:
                return f"{what}: a restore that is said to be whole is not"
        for folder, _, names in os.walk(top):
            for name in names:
                made = os.path.join(folder, name)
                was = os.path.join(self.source, os.path.relpath(made, top))
                if os.path.islink(made):
                    right = os.readlink(made) == os.readlink(was)
                else:
                    right = filecmp.cmp(made, was, shallow=False)
                if not right:
                    return f"{what}: {name} was restored with wrong bytes"
        return None


def files_of(repo):
    found = []
    for folder, _, names in os.walk(repo):
        for name in names:
            path = os.path.join(folder, name)
            # What the reserve holds means nothing.
            if os.path.getsize(path) > 0 and name != "reserve":
                found.append(os.path.relpath(path, repo))
    return sorted(found)


def flip(path, offset, bit):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ 1 << bit]))


def places(run, args, rng):
    """Every byte, or a sample in which each file has its share, at least FLIPS_LEAST."""
    for name in files_of(run.repo):
        size = os.path.getsize(os.path.join(run.repo, name))
        if args.every:
            chosen = range(size)
        else:
            total = sum(os.path.getsize(os.path.join(run.repo, n))
                        for n in files_of(run.repo))
            share = max(FLIPS_LEAST, args.sample * size // total)
            chosen = sorted(rng.sample(range(size), min(size, share)))
        yield name, chosen


def flip_all(run, args, rng):
    for name, chosen in places(run, args, rng):
        path, bad = os.path.join(run.repo, name), 0
        os.chmod(path, 0o600)
        for offset in chosen:
            bit = rng.randrange(8)
            what = f"{name}, byte {offset}, bit {bit}"
            flip(path, offset, bit)
            wrong = run.checked(name, what)
            if wrong is None and run.flips % RESTORE_EVERY == 0:
                wrong = run.restored(what)
            flip(path, offset, bit)
            run.flips += 1
            if wrong is not None:
                bad += 1
                run.fault(wrong)
        if bad == 0:
            run.count(True, f"{len(chosen)} flips in {name[:40]}")


def replaced(run, name, make, what):
    """make(path) damages; the file is put back afterwards."""
    path = os.path.join(run.repo, name)
    kept = os.path.join(run.work, "kept")
    shutil.copy2(path, kept)
    os.chmod(path, 0o600)
    make(path)
    wrong = run.checked(name, what)
    if wrong is None and run.replaced % run.replaced_every == 0:
        wrong = run.restored(what)
    run.replaced += 1
    if os.path.exists(path):
        os.unlink(path)
    shutil.move(kept, path)
    run.count(wrong is None, f"{what}: found and named" if wrong is None else wrong)


def rewrite(data):
    def make(path):
        with open(path, "wb") as f:
            f.write(data)
    return make


def kind_of(name):
    return name if name.startswith("format") else name.split("/")[0]


def worse(run, other):
    names = files_of(run.repo)
    for name in names:
        with open(os.path.join(run.repo, name), "rb") as f:
            data = f.read()
        size = len(data)
        short = name if len(name) < 20 else name[:24]
        for left in (0, 1, 31, size // 2, size - 1):
            replaced(run, name, rewrite(data[:left]),
                     f"{short} cut to {left} bytes")
        replaced(run, name, rewrite(data + b"\0"), f"{short} with a byte more")
        # may be forgotten; condemned/ begins again
        if not name.startswith(("keys/", "snapshots/", "condemned/")):
            replaced(run, name, os.unlink, f"{short} gone")
        for twin in names:
            if twin != name and kind_of(twin) == kind_of(name) or \
                    (name, twin) == ("index/MANIFEST", "format"):
                with open(os.path.join(run.repo, twin), "rb") as f:
                    replaced(run, name, rewrite(f.read()),
                             f"{short} with the content of {twin[:24]}")
                break
    for name in ("format", "format.bak"):
        with open(os.path.join(other, name), "rb") as f:
            replaced(run, name, rewrite(f.read()), f"{name} of another repository")


def rolled_back(run, older):
    """Files as they were one backup ago.  A snapshot that is gone may have been
    forgotten, a pin too: of these nothing can be said; nor of condemned/, which
    nothing else speaks of."""
    for name in files_of(older):
        if name.startswith("condemned/"):
            continue
        with open(os.path.join(older, name), "rb") as f:
            was = f.read()
        there = os.path.join(run.repo, name)
        if not os.path.exists(there):
            continue
        with open(there, "rb") as f:
            if f.read() == was:
                continue
        path, kept = os.path.join(run.repo, name), os.path.join(run.work, "kept")
        shutil.copy2(path, kept)
        rewrite(was)(path)
        done = run.call("check", "--read")
        wrong = None if done.returncode == 4 else \
            f"an old {name}: check ended with {done.returncode}"
        wrong = wrong or run.restored(f"an old {name}")
        shutil.move(kept, path)
        run.count(wrong is None, wrong or f"an old {name}: found")


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "repository", "source", "work", "other"):
        p.add_argument(name)
    p.add_argument("--every", action="store_true")
    p.add_argument("--sample", type=int, default=300)
    p.add_argument("--seed", type=int, default=2)
    p.add_argument("--older", help="a copy from before the last backup")
    args = p.parse_args()
    run, rng = Run(args), random.Random(args.seed)
    flip_all(run, args, rng)
    worse(run, args.other)
    if args.older:
        rolled_back(run, args.older)
    clean = run.call("check", "--read").returncode
    run.count(clean == 0, f"all put back: check ends with {clean}")
    print(f"# {run.flips} flips, {run.restores} restores")
    print(f"{run.passed} passed, {run.failed} failed")
    sys.exit(run.failed > 0)


main()
