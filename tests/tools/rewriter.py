#!/usr/bin/env python3
"""rewriter.py DIR: files that change all the time, until it is killed.

Each file is COUNT blocks of a generation's number, and each generation is
written from the first block to the last.  turn-N is one kind of thing after the
other: a file, a pipe, a folder, a link, a device, a socket.  So at every instant a file is some
blocks of one generation and then blocks of the one before: a copy that is not
was read at more than one instant, and is mixed.

    rewriter.py --judge DIR    a line a mixed file
"""
import itertools
import os
import shutil
import socket
import stat
import sys

BLOCK, COUNT = 4096, 2048
STEADY, BUSY = 8, 2   # written once; written again and again
TURNS = 12
INSIDE = b"inside" * 1000


def write(fd, generation):
    data = generation.to_bytes(8, "little") * (BLOCK // 8)
    for i in range(COUNT):
        os.pwrite(fd, data, i * BLOCK)


def create(name):
    return os.open(name, os.O_CREAT | os.O_WRONLY)


def rewrite(name):
    fd = create(name)
    for generation in itertools.count(2):
        write(fd, generation)


def replace(folder):
    """Written aside and renamed; and one that grows and shrinks."""
    for generation in itertools.count(1):
        fd = create(f"{folder}/../aside")
        write(fd, generation)
        os.close(fd)
        os.rename(f"{folder}/../aside", f"{folder}/replaced")
        with open(f"{folder}/size", "wb") as f:
            f.write(bytes(8) * (BLOCK // 8) * (generation * 7919 % COUNT))


def a_file(name):
    with open(name, "wb") as f:
        f.write(INSIDE)


def a_folder(name):
    os.mkdir(name)
    a_file(f"{name}/in")


def a_device(name):
    try:
        os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError:
        os.mkfifo(name)


def a_socket(name):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.relpath(name))


KINDS = (a_file, os.mkfifo, a_folder, lambda name: os.symlink("/etc/passwd", name),
         a_device, a_socket)


def turn(folder):
    """Each is the next kind, at once or after it was not there."""
    for generation in itertools.count(1):
        for i in range(TURNS):
            name, new = f"{folder}/turn-{i:02}", f"{folder}/../new"
            KINDS[(generation + i) % len(KINDS)](new)
            if os.path.isdir(name) and not os.path.islink(name):
                shutil.rmtree(name)
            elif os.path.isdir(new) and os.path.lexists(name):
                os.unlink(name)
            os.rename(new, name)


def begin(folder):
    for i in range(STEADY):
        write(create(f"{folder}/steady-{i}"), i)
    for i in range(BUSY):
        write(create(f"{folder}/busy-{i}"), 1)
    open(f"{folder}/../writing", "w").close()
    for i in range(BUSY):
        if os.fork() == 0:
            rewrite(f"{folder}/busy-{i}")
    if os.fork() == 0:
        turn(folder)
    replace(folder)


def is_mixed(data):
    blocks = [data[i:i + 8] for i in range(0, len(data), BLOCK)]
    runs = [int.from_bytes(g, "little") for g, _ in itertools.groupby(blocks)]
    return len(runs) > 2 or len(runs) == 2 and runs[0] != runs[1] + 1


def is_one_kind(name):
    """Nothing of one kind is in another's place."""
    st = os.lstat(name)
    if stat.S_ISREG(st.st_mode):
        with open(name, "rb") as f:
            return f.read() == INSIDE
    if stat.S_ISLNK(st.st_mode):
        return os.readlink(name) == "/etc/passwd"
    if stat.S_ISCHR(st.st_mode):
        return st.st_rdev == os.makedev(1, 3)
    return st.st_size == 0 or stat.S_ISDIR(st.st_mode) and \
        all(is_one_kind(f"{name}/{n}") for n in os.listdir(name))


def judge(folder):
    for name in sorted(os.listdir(folder)):
        if name.startswith("turn-"):
            if not is_one_kind(f"{folder}/{name}"):
                print(name)
            continue
        with open(f"{folder}/{name}", "rb") as f:
            if is_mixed(f.read()):
                print(name)


if sys.argv[1] == "--judge":
    judge(sys.argv[2])
else:
    os.setpgid(0, 0)
    os.nice(5)
    begin(sys.argv[1])
