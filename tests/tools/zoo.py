#!/usr/bin/env python3
"""zoo.py DIR: a tree with one of everything a file system can hold.

What this user or file system cannot make is left out and said, a line each.
"""
import os
import random
import socket
import struct
import subprocess
import sys


def attempt(what, make, *args, **named):
    try:
        make(*args, **named)
    except (OSError, subprocess.CalledProcessError) as e:
        print(f"left out: {what}: {getattr(e, 'strerror', None) or e}")
        return False
    return True


def put(name, data=b"", mode=0o644):
    with open(name, "wb") as f:
        f.write(data)
    os.chmod(name, mode)
    return name


def sizes(rng):
    """Around every border of the format: inline, chunks, frames, lists."""
    os.mkdir(b"sizes")
    for n in (0, 1, 255, 256, 257, 4095, 4096, 4097, 65535, 65536, 65537,
              262143, 262144, 524287, 524289, 1 << 20, 3333333, 9 << 20):
        put(b"sizes/random-%d" % n, rng.randbytes(n))
        put(b"sizes/zeros-%d" % n, bytes(n))
    put(b"sizes/text", b"".join(b"line %d of many\n" % i for i in range(90000)))
    twin = rng.randbytes(700000)
    put(b"sizes/twin-1", twin), put(b"sizes/twin-2", twin)


def raw_names():
    os.mkdir(b"names")
    for byte in range(1, 256):
        if byte not in b"./a":
            put(b"names/" + bytes([byte]), b"named by %d" % byte)
    for name in (b"\xff\xfe\xfd", b"new\nline", b"tab\tand\rreturn", b" ",
                 b"-rf", b"--help", b"..x", b"...", b"\x1b[31mred", b"a" * 255,
                 b"quote'\"`$(x)", b"\\x41", "\u00e9t\u00e9".encode(),
                 "e\u0301te\u0301".encode(), "\u65e5\u672c".encode(), b"a.b",
                 b"a-b", b"a0", b"%s%n"):
        put(b"names/" + name, name)
    os.mkdir(b"names/a")      # "a/x" sorts before "a-b" here, after it bytewise
    put(b"names/a/x", b"below")
    deep = b"names/deep"
    for _ in range(60):
        deep += b"/" + b"d" * 50
    os.makedirs(deep)
    put(deep + b"/leaf", b"far down")


def links():
    os.mkdir(b"links"), os.mkdir(b"links/other")
    put(b"links/one", b"three names" * 100)
    os.link(b"links/one", b"links/two")
    os.link(b"links/one", b"links/other/three")
    put(b"links/empty"), os.link(b"links/empty", b"links/empty-too")
    for name, target in ((b"to-file", b"one"), (b"to-dir", b"other"),
                         (b"dangling", b"/no/such/\xff"), (b"loop", b"loop"),
                         (b"up", b"../../../.."), (b"long", b"x" * 4000)):
        attempt("a link to %d bytes" % len(target), os.symlink, target,
                b"links/" + name)
    attempt("a hard link to a symbolic link", os.link, b"links/dangling",
            b"links/dangling-too", follow_symlinks=False)


def specials():
    os.mkdir(b"special")
    os.mkfifo(b"special/fifo", 0o640)
    attempt("a fifo with two names", os.link, b"special/fifo", b"special/fifo2")
    here = os.getcwd()
    os.chdir("special")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("socket")
    os.chdir(here)
    attempt("a character device", os.mknod, b"special/null", 0o20666,
            os.makedev(1, 3))
    attempt("a block device", os.mknod, b"special/disk", 0o60640,
            os.makedev(259, 70000))


def modes():
    os.mkdir(b"modes")
    for mode in (0o000, 0o400, 0o4755, 0o2755, 0o6711, 0o1644, 0o777, 0o7777):
        put(b"modes/file-%o" % mode, b"mode %o" % mode)
        os.mkdir(b"modes/dir-%o" % mode)
        put(b"modes/dir-%o/in" % mode, b"in")
    owners = ((0, 0), (1234567, 7654321), (65534, 65534), (2, 4294967294))
    for uid, gid in owners if os.getuid() == 0 else ():
        name = put(b"modes/owner-%d-%d" % (uid, gid))
        attempt("owner %d:%d" % (uid, gid), os.chown, name, uid, gid)
    for mode in (0o000, 0o400, 0o4755, 0o2755, 0o6711, 0o1644, 0o777, 0o7777):
        if os.getuid() == 0 or mode & 0o400:
            os.chmod(b"modes/file-%o" % mode, mode)
        if os.getuid() == 0 or mode & 0o700 == 0o700:
            os.chmod(b"modes/dir-%o" % mode, mode)


def attributes():
    os.mkdir(b"attributes")
    f = put(b"attributes/file", b"with attributes")
    d = b"attributes/dir"
    os.mkdir(d)
    values = {"user.empty": b"", "user.nul": b"a\0b", "user.raw": bytes(range(256)),
              "user.long": b"v" * 3000, "user." + "n" * 200: b"long name"}
    for name, value in values.items():
        for path in (f, d):
            attempt("attribute " + name, os.setxattr, path, name, value)
    many = put(b"attributes/many", b"")
    for i in range(60):
        attempt("many attributes", os.setxattr, many, "user.n%03d" % i, b"%d" % i)
    attempt("trusted attributes", os.setxattr, f, "trusted.bascule", b"\x01")
    link = b"attributes/link"
    os.symlink(b"file", link)
    attempt("an attribute of a symbolic link", os.setxattr, link, "trusted.l",
            b"link", follow_symlinks=False)
    caps = put(b"attributes/capable", b"#!", 0o755)
    attempt("capabilities", os.setxattr, caps, "security.capability",
            struct.pack("<IIIII", 0x02000001, 0x2400, 0, 0, 0))
    acl = put(b"attributes/acl", b"shared", 0o640)
    attempt("an ACL", subprocess.run, ["setfacl", "-m",
            "u:0:rwx,u:4242:r--,g:4242:rw-", acl], check=True)
    attempt("a default ACL", subprocess.run, ["setfacl", "-d", "-m",
            "u:4242:rwx,o::---", d], check=True)
    for flag in ("A", "d") + (("S",) if os.getuid() == 0 else ()):
        attempt("chattr +" + flag, subprocess.run,
                ["chattr", "+" + flag, put(b"attributes/flag-" + flag.encode())],
                check=True, stderr=subprocess.DEVNULL)


def huge():
    with open(b"sparse/huge", "wb") as f:
        f.truncate(1 << 40)
        f.seek(1 << 35), f.write(b"an island")


def sparse():
    os.mkdir(b"sparse")
    with open(b"sparse/only-a-hole", "wb") as f:
        f.truncate(123456789)
    attempt("a file of a terabyte", huge)
    with open(b"sparse/islands", "wb") as f:
        for i in range(0, 40, 2):
            f.seek(i << 16), f.write(b"%d" % i * 9000)
        f.truncate(50 << 16)
    with open(b"sparse/tail", "wb") as f:
        f.write(b"data" * 5000), f.truncate(10 << 20)
    with open(b"sparse/head", "wb") as f:
        f.seek(10 << 20), f.write(b"end")
    os.link(b"sparse/islands", b"sparse/islands-too")


def times():
    os.mkdir(b"times")
    moments = {"epoch": 0, "before": -1, "long-before": -2000000000123456789,
               "y2038": (1 << 31) * 10**9 + 1, "y2106": (1 << 32) * 10**9 + 5,
               "ns": 1234567890123456789, "ns-late": 999999999, "far": 14 * 10**18}
    for name, ns in moments.items():
        for kind in ("file", "dir", "link", "fifo"):
            path = f"times/{kind}-{name}"
            {"file": put, "dir": os.mkdir, "fifo": os.mkfifo,
             "link": lambda p: os.symlink("x", p)}[kind](path)
            attempt("time " + name, os.utime, path, ns=(ns, ns),
                    follow_symlinks=False)


def many():
    os.mkdir(b"many")
    for i in range(3000):
        put(b"many/f%05d" % (i * 7919 % 100000), b"%d" % i)
    os.mkdir(b"empty-dir")


def main():
    os.makedirs(sys.argv[1])
    os.chdir(sys.argv[1])
    os.umask(0o022)
    rng = random.Random(20261122)
    sizes(rng)
    for make in (raw_names, links, specials, modes, attributes, sparse, many):
        make()
    times()
    os.utime(b".", ns=(777, 777))


main()
