#!/usr/bin/env python3
"""states.py BASCULE SHIM WORK [--acts A,B] [--most N] [--part K/N]

What a power cut can leave.  The shim records what an act does to the files of a
repository; at each flush, at what is said to the caller and at the end this
builds the states a file system may come back with, and judges each:

  - what was not flushed is all there, all gone, or there up to some call;
  - one call of it is lost, or is the only one that was kept;
  - one write is torn in the middle;
  - names without data (files of no bytes under their final names).

A write is kept by fsync of its file or by syncfs; a name by fsync of its
folder or by syncfs, and by nothing else (stricter than ext4 or xfs are).  A
rename is two: the new name, the old one gone.
"""
import argparse
import os
import shutil

from ground import Ground, part

THOROUGH_EVERY = 6


class Op:
    """One change: of an inode's bytes, or of the names in one folder."""

    def __init__(self, kind, inode=None, path=None, where=0, data=b"", other=None):
        self.kind, self.inode, self.path = kind, inode, path
        self.where, self.data, self.other = where, data, other

    def folder(self):
        return os.path.dirname(self.path)

    def is_data(self):
        return self.kind in ("write", "truncate")

    def torn(self):
        return Op("write", self.inode, None, self.where,
                  self.data[:len(self.data) // 2])


class Disk:
    """names: path -> inode or None for a folder; bytes: inode -> content."""

    def __init__(self, names, content):
        self.names, self.content = names, content

    def copy(self):
        return Disk(dict(self.names), dict(self.content))

    def apply(self, op):
        if op.kind == "write":
            was = self.content.get(op.inode, b"")
            was = was.ljust(op.where, b"\0")
            self.content[op.inode] = was[:op.where] + op.data + \
                was[op.where + len(op.data):]
        elif op.kind == "truncate":
            was = self.content.get(op.inode, b"")
            self.content[op.inode] = was[:op.where].ljust(op.where, b"\0")
        elif op.kind == "gone":
            if self.names.get(op.path, -1) == op.inode:
                del self.names[op.path]
        else:  # a name, or a folder
            self.names[op.path] = op.inode

    def look(self):
        """Equal for equal states."""
        return hash(frozenset((p, None if i is None else self.content.get(i, b""))
                              for p, i in self.reachable()))

    def reachable(self):
        """A name in a folder that is not there is not there either."""
        for path in sorted(self.names):
            top = os.path.dirname(path)
            while top and top in self.names and self.names[top] is None:
                top = os.path.dirname(top)
            if not top:
                yield path, self.names[path]

    def build(self, folder):
        for path, inode in self.reachable():
            if inode is None:
                os.makedirs(f"{folder}/{path}", mode=0o700, exist_ok=True)
                continue
            with open(f"{folder}/{path}", "wb") as f:
                f.write(self.content.get(inode, b""))


def as_it_is(folder):
    names, content = {}, {}
    for top, folders, files in os.walk(folder):
        for name in folders:
            names[os.path.relpath(f"{top}/{name}", folder)] = None
        for name in files:
            path = f"{top}/{name}"
            inode = os.stat(path).st_ino
            names[os.path.relpath(path, folder)] = inode
            with open(path, "rb") as f:
                content[inode] = f.read()
    return Disk(names, content)


def read_log(path):
    with open(path, "rb") as f:
        while line := f.readline():
            head, one, two = line.decode().rstrip("\n").split("\t")
            op, inode, where, size = head.split()
            yield op, int(inode), int(where), f.read(int(size)), \
                one.lstrip("/"), two.lstrip("/")


class History:
    """Goes through a record; points() gives (durable disk, pending, said)."""

    def __init__(self, disk):
        self.now, self.durable = disk.copy(), disk.copy()
        self.pending, self.said = [], b""

    def add(self, *ops):
        for op in ops:
            self.now.apply(op)
            self.pending.append(op)

    def keep(self, kept):
        for op in self.pending:
            if kept(op):
                self.durable.apply(op)
        self.pending = [op for op in self.pending if not kept(op)]

    def step(self, op, inode, where, data, one, two):
        if op in ("write", "truncate"):
            self.add(Op(op, inode, None, where, data))
        elif op == "create":
            self.add(Op("name", inode, one))
        elif op == "mkdir":
            self.add(Op("name", None, one))
        elif op in ("unlink", "rmdir"):
            self.add(Op("gone", self.now.names.get(one), one))
        elif op == "link":
            self.add(Op("name", self.now.names[one], two))
        elif op == "rename":
            inode = self.now.names[one]
            self.add(Op("name", inode, two), Op("gone", inode, one))
        elif op == "exchange":
            a, b = self.now.names[one], self.now.names[two]
            self.add(Op("name", a, two), Op("name", b, one))
        elif op == "syncfs":
            self.keep(lambda p: True)
        elif op == "fsync" and one in self.now.names and \
                self.now.names[one] is not None:
            self.keep(lambda p: p.is_data() and p.inode == inode)
        elif op == "fsync":
            self.keep(lambda p: not p.is_data() and p.folder() == one)

    def points(self, log):
        for entry in read_log(log):
            if entry[0] in ("fsync", "syncfs", "said"):
                yield self.durable.copy(), list(self.pending), self.said, entry
            if entry[0] == "said":
                self.said += entry[3]
            self.step(*entry)
        yield self.durable.copy(), list(self.pending), self.said, ("end", 0)


def choices(pending):
    """Which of the pending changes came to be, and a name for that."""
    every = range(len(pending))
    yield "nothing of it", []
    yield "all of it", pending
    for i in every:
        yield f"the first {i}", pending[:i]
        yield f"all but {i}", pending[:i] + pending[i + 1:]
        yield f"only {i}", [pending[i]]
        if pending[i].kind == "write":
            yield f"torn {i}", pending[:i] + [pending[i].torn()] + pending[i + 1:]
    yield "names without data", [p for p in pending if not p.is_data()]


def states_of(base, log, act):
    """Each state once: (disk, what must be in it, its name)."""
    seen, everything = {}, b"".join(
        entry[3] for entry in read_log(log) if entry[0] == "said")
    for nth, (durable, pending, output, entry) in enumerate(
            History(base).points(log)):
        wanted = act.acknowledges(output, output == everything)
        for name, chosen in choices(pending):
            disk = durable.copy()
            for op in chosen:
                disk.apply(op)
            key = (disk.look(), len(wanted))
            if key not in seen:
                where = f"{entry[0]} {entry[4] if len(entry) > 4 else ''}"
                seen[key] = (disk, wanted, f"point {nth} ({where}), of "
                             f"{len(pending)} pending {name}")
    return list(seen.values())


def campaign(ground, act, most, which):
    folder, repo, state = ground.fresh(act, act.name)
    os.makedirs(repo, exist_ok=True)
    base, log = as_it_is(repo), f"{folder}/log"
    done = ground.call(repo, act.words, state=state, stdin=act.stdin,
                       shim={"MODE": "record", "ROOT": repo, "LOG": log})
    if done.returncode not in act.ends:
        ground.result(f"ended with {done.returncode}: {done.stdout}", act.name)
        return
    states = part(states_of(base, log, act), which)
    chosen = states if most == 0 else ground.rng.sample(states, min(most, len(states)))
    if states[-1] not in chosen:
        chosen.append(states[-1])  # what is flushed when it is over

    def one(numbered):
        n, (disk, wanted, name) = numbered
        place, built, after = ground.fresh(act, act.name)
        shutil.rmtree(built, ignore_errors=True)
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(state, after)  # as after the run: ahead of the disk
        os.makedirs(built)
        disk.build(built)
        wrong = act.judge(ground, act, built, after, wanted, n % THOROUGH_EVERY == 0)
        ground.result(wrong, f"{act.name}, {name}")
        if wrong is None:
            shutil.rmtree(place)

    ground.each(list(enumerate(chosen)), one)
    print(f"ok {act.name}: {len(chosen)} of {len(states)} states after a power cut",
          flush=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "shim", "work"):
        p.add_argument(name)
    p.add_argument("--acts", default="first,changed,merge")
    p.add_argument("--most", type=int, default=0)
    p.add_argument("--part", default="1/1", help="K/N: every Nth from the Kth")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--ssh")
    args = p.parse_args()
    ground = Ground(args.bascule, args.shim, os.path.abspath(args.work), args.seed,
                    args.ssh)
    for act in ground.acts(args.acts.split(",")):
        campaign(ground, act, args.most, args.part)
    ground.end()


main()
