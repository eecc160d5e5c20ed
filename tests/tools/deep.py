#!/usr/bin/env python3
"""deep.py make DIR | print DIR: a tree whose paths are longer than PATH_MAX.

Directory by directory, so that no long path is ever named; print says a line an
entry: a hash of its path, its kind, mode, time, links, and what it holds.
"""
import hashlib
import os
import stat
import sys

LEVELS, NAME = 60, "%03d" + "d" * 190


def make(top):
    os.mkdir(top)
    at = os.open(top, os.O_RDONLY)
    for i in range(LEVELS):
        os.mkdir(NAME % i, dir_fd=at)
        at = os.open(NAME % i, os.O_RDONLY, dir_fd=at)
        if i % 20 == 19:
            fill(at)


def fill(at):
    for name, data in (("leaf", b"far down\n"), ("big", os.urandom(4 << 20)),
                       ("-rf", b""), ("new\nline", b"x" * 1000)):
        fd = os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at)
        os.write(fd, data)
        os.close(fd)
    os.link("leaf", "twin", src_dir_fd=at, dst_dir_fd=at)
    os.link("big", "big-twin", src_dir_fd=at, dst_dir_fd=at)
    os.symlink("leaf", "link", dir_fd=at)
    os.mkfifo("fifo", dir_fd=at)


def show(path, at, name):
    st = os.stat(name, dir_fd=at, follow_symlinks=False)
    holds = ""
    if stat.S_ISLNK(st.st_mode):
        holds = os.readlink(name, dir_fd=at)
    elif stat.S_ISREG(st.st_mode):
        with open(os.open(name, os.O_RDONLY, dir_fd=at), "rb") as f:
            holds = hashlib.sha256(f.read()).hexdigest()
    print(hashlib.sha256(path.encode() + name.encode()).hexdigest()[:16],
          oct(st.st_mode), st.st_mtime_ns, st.st_uid, st.st_gid,
          1 if stat.S_ISDIR(st.st_mode) else st.st_nlink, holds)


def walk(path, at):
    for name in sorted(os.listdir(at)):
        show(path, at, name)
        if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            fd = os.open(name, os.O_RDONLY, dir_fd=at)
            walk(path + name + "/", fd)
            os.close(fd)


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    walk("", os.open(sys.argv[2], os.O_RDONLY))
