#!/usr/bin/env python3
"""rewriter.py DIR: files that change all the time, until it is killed.

Each file is COUNT blocks of a generation's number, and each generation is
written from the first block to the last.  So at every instant a file is some
blocks of one generation and then blocks of the one before: a copy that is not
was read at more than one instant, and is mixed.

    rewriter.py --judge DIR    a line a mixed file
"""
import itertools
import os
import sys

BLOCK, COUNT = 4096, 2048
STEADY, BUSY = 8, 2   # written once; written again and again


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


def begin(folder):
    for i in range(STEADY):
        write(create(f"{folder}/steady-{i}"), i)
    for i in range(BUSY):
        write(create(f"{folder}/busy-{i}"), 1)
    open(f"{folder}/../writing", "w").close()
    for i in range(BUSY):
        if os.fork() == 0:
            rewrite(f"{folder}/busy-{i}")
    replace(folder)


def is_mixed(data):
    blocks = [data[i:i + 8] for i in range(0, len(data), BLOCK)]
    runs = [int.from_bytes(g, "little") for g, _ in itertools.groupby(blocks)]
    return len(runs) > 2 or len(runs) == 2 and runs[0] != runs[1] + 1


def judge(folder):
    for name in sorted(os.listdir(folder)):
        with open(f"{folder}/{name}", "rb") as f:
            if is_mixed(f.read()):
                print(name)


if sys.argv[1] == "--judge":
    judge(sys.argv[2])
else:
    os.setpgid(0, 0)
    os.nice(5)
    begin(sys.argv[1])
