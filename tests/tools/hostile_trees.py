#!/usr/bin/env python3
"""hostile_trees.py BASCULE FORGE WORK [every]: snapshots forged by one who has
the keys.

Each scene is a script for tests/tools/forge.c.  Commands that read a tree are
given each (every, or the next two in turn), and each is mounted and walked
(where there is FUSE, as root).  None may end by a signal, hang, need more than MEMORY_MIB, or write
anywhere but where it was told to; what is damaged is said with exit code 4, and
by the mount with EIO to the reader and a line.
"""
import errno
import os
import stat
import subprocess
import sys
import time

MEMORY_MIB, TIMEOUT_S = 160, 60
BIG = (1 << 63) - 1
ROOT = 'item dir ""'
DAMAGE, FINE, EMPTY = "damage", "fine", "empty"
CLAIMS = ("cells", "items", "totals")   # more than there is: always restored, too
HUGE = "huge"   # fine, and too long to copy
ROOM_MIB = 24   # where HUGE ones are restored


def leaf(*items, end="leaf"):
    return "\n".join((ROOT,) + items + (end,))


def bad_name(name, root=ROOT):
    return f"{root}\nitem file good text=x\nitem file {name} text=evil\nleaf"


def many(count, page=400):
    """A true tree of many files."""
    lines = [ROOT, "item dir d"]
    for i in range(count):
        lines.append(f"item file d/{i:07d}")
        if i % page == page - 1:
            lines.append("leaf")
    return "\n".join(lines + ["inner 1"])


def scenes():
    yield "sound", FINE, leaf("item file a text=hello", "item symlink l target=a",
                              "item dir d", "item file d/b chunk=300000")
    for i, name in enumerate((
            "..", "../up", "d/../../up", "/etc/passwd", "//x", "d//x", "d/", ".",
            "./x", "d/./x", "x" * 256, "d/..", "x\\x00y", "/".join("y" * 33000))):
        yield f"name{i}", DAMAGE, bad_name(name)
    yield "twice", DAMAGE, leaf("item file a text=1", "item file a text=2")
    yield "disorder", DAMAGE, "unsorted\n" + leaf("item file b", "item file a")
    yield "root_twice", DAMAGE, leaf(ROOT, "item file a")
    yield "kind0", DAMAGE, leaf("item file a core=0000a4030000000000000000")
    yield "kind9", DAMAGE, leaf("item file a core=0900a4030000000000000000")
    yield "form", DAMAGE, leaf("item file a core=01c0a4030000000000000000")
    yield "mode", DAMAGE, leaf("item file a core=0100ffff7f0000000000000000")
    yield "size64", DAMAGE, leaf(
        "item file a core=0108a40300000000000000ffffffffffffffffff01")
    yield "size_without", DAMAGE, leaf(
        "item file a core=0100a4030000000000000000ffffffffffffffff7f")
    yield "hole63", HUGE, leaf(f"item file a hole={BIG}", "item file b text=x")
    yield "lists", HUGE, leaf("item file a lists=4")
    yield "chunk_longer", DAMAGE, leaf("item file a chunk=1000 chunk_says=2000")
    yield "chunk_shorter", DAMAGE, leaf("item file a chunk=2000 chunk_says=1000")
    yield "chunk_as_list", DAMAGE, leaf("item file b lists=0")
    yield "cells9", DAMAGE, leaf("item file a", end="leaf cells=1000000000")
    yield "cells63", DAMAGE, leaf("item file a", end=f"leaf cells={BIG}")
    for items in (1000000000, BIG, (1 << 64) - 1, 1):
        yield f"items{items:x}", DAMAGE, leaf("item file a", "item file b") + \
            f"\ninner 1 items={items}"
    yield f"totals claims={(1 << 64) - 1}", FINE, leaf("item file a text=x")
    yield "totals9 claims=1000000000", FINE, leaf("item file a text=x")
    yield "level", DAMAGE, leaf("item file a") + "\ninner 2"
    yield "level_twice", DAMAGE, leaf("item file a") + "\ninner 1\ninner 1"
    yield "levels", DAMAGE, leaf("item file a") + "".join(
        f"\ninner {n}" for n in range(1, 17))
    yield "deep", FINE, leaf("item file a") + "".join(
        f"\ninner {n}" for n in range(1, 16))
    yield "inner_disorder", DAMAGE, leaf("item file z") + \
        "\nitem file a\nleaf\ninner 1"
    yield "suid", FINE, leaf("item file su mode=4755 text=#!/bin/true",
                             "item chardev null mode=666 rdev=1:3",
                             "item blockdev sda mode=666 rdev=8:0",
                             "item fifo f", "item socket s")
    yield "device_big", FINE, leaf("item chardev n rdev=4294967295:4294967295")
    yield "below_link", FINE, leaf("item symlink out target=/tmp",
                                   "item file out/evil text=x")
    yield "below_file", FINE, leaf("item file f text=x", "item file f/evil text=x")
    yield "orphan", FINE, leaf("item file no/such/folder/f text=x", "item file z")
    yield "long_link", FINE, leaf("item symlink l target=" + "t" * 65536)
    yield "link_nowhere", DAMAGE, leaf("item symlink l core=0300ff0300000000000000")
    # A thousand times a thousand times the same page: more than 1e9 cells that
    # are all there, in a few pages.
    for how in ("", " spread"):
        yield f"items_of_{how[1:] or 'same'}", DAMAGE, leaf(
            *(f"item file a{i:04d} text=x" for i in range(1500))) + "".join(
                f"\nrepeat 1000{how}\ninner {n}" for n in (1, 2))
    same = "00112233445566778899aabbccddeeff"
    yield "group_of_kinds", FINE, leaf(
        f"item fifo b linked={same}", f"item file c linked={same} text=x", f"item symlink d linked={same} target=x",
        f"item file e linked={same} text=y")
    yield "attributes", FINE, leaf("item file a " + " ".join(
        f"xattr=user.{i:03d}{'n' * 240}:v" for i in range(58)))
    yield "acl", FINE, leaf("item file a xattr=system.posix_acl_access:nonsense "
                            "xattr=trusted.x:1 xattr=security.capability:\\x01")
    yield "no_root", FINE, "item file only text=x\nleaf"
    yield "root_file", FINE, 'item file "" text=x\nleaf'
    yield "empty", EMPTY, "leaf"
    yield "meeting", FINE, leaf(*(
        f"item file f{i:05d} linked={'00' * 8}{i:016x}" for i in range(20000)))
    yield "many", FINE, many(20000)


class Ground:
    def __init__(self, bascule, forge, work, every):
        self.bascule, self.forge, self.work = bascule, forge, work
        self.every, self.turn = every, 0
        self.repo, self.at = f"{work}/repo", f"{work}/at"
        self.passed = self.failed = 0
        self.can_mount = os.geteuid() == 0 and os.access("/dev/fuse", os.W_OK)

    def judge(self, name, wrong):
        if wrong:
            self.failed += 1
            print(f"not ok {name}: {wrong}", flush=True)
        else:
            self.passed += 1

    def begin(self):
        os.makedirs(self.at)
        script = "".join(f"{text}\nsnapshot {name}\n" for name, _, text in scenes())
        subprocess.run([self.bascule, "-r", self.repo, "init"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([self.forge, self.repo, self.repo + ".key"], check=True,
                       input=script.encode())

    # --- commands

    def run(self, words, codes=(0, 1, 3, 4)):
        """(what is wrong, exit code)"""
        with open(f"{self.work}/said", "w+b") as said:
            child = subprocess.Popen(
                ["timeout", str(TIMEOUT_S), self.bascule, "-r", self.repo, *words],
                stdout=subprocess.DEVNULL, stderr=said, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            said.seek(0)
            text = said.read()
        code = child.returncode = os.waitstatus_to_exitcode(status)
        if code not in codes:
            return f"exit code {code}, {text[-500:]!r}", code
        if usage.ru_maxrss >> 10 > MEMORY_MIB:
            return f"{usage.ru_maxrss >> 10} MiB", code
        if code != 0 and not text:
            return f"exit code {code}, and not a word", code
        return None, code

    def commands(self, name, kind):
        of, out = f"latest:{name}", f"{self.work}/out"
        lists = [["ls", of], ["ls", "-l", of], ["find", "*", of],
                 ["diff", "latest:sound", of]]
        copies = [["export", of, "-o", f"{out}.tar"], ["restore", of, "--to", out]]
        codes, words = {}, lists + ([] if kind == HUGE else copies)
        if not self.every:
            self.turn += 2
            words = [words[(self.turn + i) % len(words)] for i in (0, 1)]
            if name.startswith(CLAIMS) and copies[1] not in words:
                words.append(copies[1])
        for words in words:
            wrong, code = self.run(words)
            self.judge(f"{name}: {words}", wrong)
            codes[words[0]] = code
            subprocess.run(["rm", "-rf", out, f"{out}.tar"], check=True)
        return codes

    def restore_huge(self, name):
        """Where there is little room, it is filled, and that is said."""
        out = f"{self.work}/out"
        os.mkdir(out)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_MIB}m", "none",
                        out], check=True)
        # A file that is a hole needs none.
        codes = (0, 3) if name.startswith("hole") else (3, 14)
        wrong, code = self.run(["restore", f"latest:{name}", "--to", out], codes)
        left = {n for n in os.listdir(out) if n == "a" and code != 0}
        self.judge(f"{name}: restored: {code}", wrong or left)
        subprocess.run(["umount", out], check=True)
        os.rmdir(out)

    # --- mount

    def walk(self, found):
        """Everything that can be asked; errors are gathered."""
        def tried(what, path, *more):
            try:
                return what(path, *more)
            except OSError as e:
                found["errors"].append((path, e.errno))
                return None
        folders = [self.at]
        while folders:
            top = folders.pop()
            for name in sorted(tried(os.listdir, top) or ()):
                path = f"{top}/{name}"
                st = tried(os.lstat, path)
                found["count"] += 1
                if st is None:
                    continue
                for x in tried(lambda p: os.listxattr(p, follow_symlinks=False),
                               path) or ():
                    tried(lambda p: os.getxattr(p, x, follow_symlinks=False), path)
                if stat.S_ISDIR(st.st_mode):
                    folders.append(path)
                elif stat.S_ISLNK(st.st_mode):
                    tried(os.readlink, path)
                elif stat.S_ISREG(st.st_mode):
                    tried(self.read_ends, path, st.st_size)
                elif not stat.S_ISFIFO(st.st_mode):
                    tried(lambda p: os.close(os.open(p, os.O_RDWR)), path)

    @staticmethod
    def read_ends(path, size):
        fd = os.open(path, os.O_RDONLY)
        try:
            for at in {0, max(0, size // 2), max(0, size - 4096)}:
                os.pread(fd, 4096, at)
            os.lseek(fd, 0, os.SEEK_HOLE) if size else None
        finally:
            os.close(fd)

    def is_mounted(self):
        with open("/proc/mounts", encoding="utf-8") as f:
            return [l.split()[3] for l in f if f" {self.at} " in l]

    def mount(self, name):
        """(what is wrong, exit code, what was found)"""
        found = {"errors": [], "count": 0}
        with open(f"{self.work}/said", "w+b") as said:
            child = subprocess.Popen(
                ["timeout", "-s", "KILL", str(TIMEOUT_S), self.bascule, "-r", self.repo,
                 "mount", f"latest:{name}", self.at], stdout=subprocess.DEVNULL, stderr=said)
            while child.poll() is None and not self.is_mounted():
                time.sleep(0.005)
            options = "".join(self.is_mounted())
            if options:
                self.walk(found)
                subprocess.run(["umount", self.at], check=False)
            _, status, usage = (0, 0, None) if child.returncode is not None \
                else os.wait4(child.pid, 0)
            if usage is not None:
                child.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            found["said"] = said.read()
        found["options"] = options
        if usage and usage.ru_maxrss >> 10 > MEMORY_MIB:
            return f"{usage.ru_maxrss >> 10} MiB", child.returncode, found
        if self.is_mounted():
            subprocess.run(["umount", "-l", self.at], check=False)
            return "still mounted", child.returncode, found
        return None, child.returncode, found

    def mounted(self, name, kind):
        wrong, code, found = self.mount(name)
        eio = [path for path, n in found["errors"] if n == errno.EIO]
        others = {n for _, n in found["errors"]} - {errno.EIO, errno.EACCES,
                                                    errno.ENXIO, errno.ENAMETOOLONG,
                                                    errno.EINVAL, errno.ENOTSUP}
        if wrong is None and found["options"]:
            if not {"nosuid", "nodev", "ro"} <= set(found["options"].split(",")):
                wrong = f"mounted with {found['options']}"
            elif code != 0:
                wrong = f"exit code {code}, {found['said'][-500:]!r}"
            elif eio and not found["said"]:
                wrong = f"{eio[:3]} cannot be read, and not a word"
            elif kind != DAMAGE and eio:
                wrong = f"{eio[:3]} cannot be read"
            elif kind == DAMAGE and not eio:
                wrong = "nothing was damaged"
            elif others:
                wrong = f"errors {others}"
            elif found["said"].count(b"\n") > 2 * len(found["errors"]):
                wrong = f"it said too much: {found['said'][-900:]!r}"
        elif wrong is None and (code != 4 and kind == DAMAGE or code < 0):
            wrong = f"exit code {code}, {found['said'][-500:]!r}"
        self.judge(f"{name}: mount", wrong)
        return found


def main():
    ground = Ground(sys.argv[1], sys.argv[2], sys.argv[3], "every" in sys.argv)
    ground.begin()
    for name, kind, _ in scenes():
        name = name.split()[0]
        codes = ground.commands(name, kind)
        # What is not content is seen by all; a chunk only by who reads it.
        seen = max(codes.values()) if kind == DAMAGE and ground.every else 4
        ground.judge(f"{name} is damage", seen != 4 and codes)
        if kind != DAMAGE:
            bad = {w: c for w, c in codes.items() if c == 4}
            ground.judge(f"{name} is none", bad)
        if not ground.can_mount:
            continue
        if kind == HUGE:
            ground.restore_huge(name)
        found = ground.mounted(name, kind)
        if name == "suid":
            denied = {os.path.basename(p) for p, n in found["errors"]
                      if n in (errno.EACCES, errno.ENXIO)}
            ground.judge("devices are none", {"null", "sda"} - denied)
        if name == "many":
            ground.judge("all are there", found["count"] != 20001 and found["count"])
    extra = set(os.listdir(ground.work)) - {"repo", "repo.key", "repo.key.escrow",
                                            "at", "said", "state"}
    ground.judge("nothing else was written", extra)
    print(f"{ground.passed} passed, {ground.failed} failed")
    sys.exit(ground.failed > 0)


main()
