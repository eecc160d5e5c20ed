#!/usr/bin/env python3
"""secrets.py values KEYFILE...       the secret items of unwrapped key files, in hex
secrets.py memory PID VALUE...     where in a process's memory these bytes lie
                                   (in hex): only in locked maps, or it fails
secrets.py files VALUE... -- PATH...  no file below these holds one, nor its hex

A process that is stopped while it holds keys is looked at as a core dump would.
"""
import os
import re
import struct
import sys

SECRET_ITEMS = {1: 4, 3: 0, 4: 0, 5: 0, 7: 0}  # type: where the secret begins


def values(paths):
    for path in paths:
        data = open(path, "rb").read()
        at, end = 104, 104 + struct.unpack_from("<I", data, 100)[0]
        while at < end:
            kind, size = struct.unpack_from("<HH", data, at)
            if kind in SECRET_ITEMS:
                print(data[at + 4 + SECRET_ITEMS[kind]:at + 4 + size].hex())
            at += 4 + size


def maps(pid):
    """(begin, end, locked, name) of what can be read."""
    out, current = [], None
    for line in open(f"/proc/{pid}/smaps"):
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \S+ *(.*)", line)
        if m:
            current = [int(m[1], 16), int(m[2], 16), False, m[4], m[3]]
            out.append(current)
        elif line.startswith("VmFlags:"):
            flags = line.split()[1:]
            current[2] = "lo" in flags and "dd" in flags
    return [c for c in out if c[4][0] == "r" and c[3] not in ("[vvar]", "[vsyscall]")]


def memory(pid, wanted):
    bad = found = 0
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for begin, end, locked, name, _ in maps(pid):
            try:
                mem.seek(begin)
                data = mem.read(end - begin)
            except OSError:
                continue
            for value in wanted:
                if bytes.fromhex(value) in data:
                    found += 1
                    if not locked:
                        bad += 1
                        print(f"{value[:8]}... lies in unlocked memory {begin:x} {name}")
    print(f"{found} found, {bad} of them not locked")
    return bad == 0 and found > 0


def files(wanted, paths):
    needles = [bytes.fromhex(v) for v in wanted] + [v.encode() for v in wanted]
    clean = True
    for top in paths:
        for name in [top] if os.path.isfile(top) else [
                os.path.join(d, f) for d, _, fs in os.walk(top) for f in fs]:
            if not os.path.isfile(name):
                continue
            data = open(name, "rb").read()
            for n in needles:
                if n in data:
                    print(f"{name} holds {n[:8]!r}...")
                    clean = False
    return clean


if sys.argv[1] == "values":
    values(sys.argv[2:])
elif sys.argv[1] == "memory":
    sys.exit(not memory(int(sys.argv[2]), sys.argv[3:]))
else:
    cut = sys.argv.index("--")
    sys.exit(not files(sys.argv[2:cut], sys.argv[cut + 1:]))
