#!/usr/bin/env python3
"""reread.py REPOSITORY: a second reader of the format, made from docs/format.

Without a key and without a line of Bascule's code: names, heads, lengths,
hashes, footers, frames, marks, the index and what it says of the packs,
snapshots and points as far as they are in the clear.  Prints what is wrong, a
line each with the file's name first, and exits 1; else says what it read.
"""
import bisect
import hashlib
import os
import re
import struct
import sys

MAGIC = b"Bascule\n"
KIND = {"format": 1, "pack": 2, "segment": 3, "manifest": 4, "snapshot": 5,
        "point": 6, "hold": 9, "pin": 11, "condemned": 12, "clock": 13,
        "ages": 14}
VERSION = {"format": 2, "pack": 2, "segment": 2}  # of the others 1
BLOCK = 65536


class Damage(Exception):
    pass


def want(condition, what):
    if not condition:
        raise Damage(what)


def sha(data):
    return hashlib.sha256(data).digest()


class Reader:
    """Bytes from the front, never past the end."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n):
        want(self.at + n <= len(self.data), "it ends early")
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, size):
        return int.from_bytes(self.take(size), "little")

    def blob(self, most):
        n = self.u(4)
        want(n <= most, f"{n} bytes where {most} are the most")
        return self.take(n)

    def end(self):
        want(self.at == len(self.data), "bytes are left over")


class Repository:
    def __init__(self, root):
        self.root, self.family, self.faults = root, None, []
        self.packs, self.segments, self.ids = {}, {}, {}
        self.removed = set()
        self.counts = {"packs": 0, "frames": 0, "chunks": 0, "segments": 0,
                       "snapshots": 0, "points": 0, "bytes": 0}

    def file(self, name):
        with open(os.path.join(self.root, name), "rb") as f:
            data = f.read()
        self.counts["bytes"] += len(data)
        return data

    def head(self, data, kind):
        r = Reader(data)
        want(r.take(8) == MAGIC, "no Bascule file")
        want(r.u(2) == KIND[kind], f"not of kind {kind}")
        want(r.u(2) == VERSION.get(kind, 1), "another version")
        want(r.u(4) == 0, "a reserved field is used")
        family = r.take(16)
        self.family = self.family or family
        want(family == self.family, "of another family")
        return r

    def each(self, folder, pattern):
        path = os.path.join(self.root, folder)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else ():
            if re.fullmatch(pattern, name):
                yield os.path.join(folder, name), name
            elif name != "MANIFEST":
                self.faults.append(f"{folder}/{name}: it does not belong here")

    def attempt(self, name, read, *args):
        try:
            read(name, *args)
        except (Damage, OSError, IndexError, struct.error) as e:
            self.faults.append(f"{name}: {e}")


HEX = "[0-9a-f]{64}"


def named_by_hash(data, name):
    want(sha(data).hex() == name, "its name is not its hash")


def ends_with_hash(data):
    want(len(data) >= 64, "too short")
    want(sha(data[:-32]) == data[-32:], "the hash at its end is another")


def read_format(repo, name):
    data = repo.file("format" if name == "format" else name)
    ends_with_hash(data)
    r = repo.head(data, "format")
    r.take(16)
    want(r.u(8) >= 0 and r.u(8) == 0 and r.u(8) in (0, 1), "unknown features")
    least, mean, most = r.u(4), r.u(4), r.u(4)
    want(least <= mean <= most and mean & (mean - 1) == 0, "chunk sizes")
    r.u(4), r.u(4)
    want(r.u(1) in (0, 1) and r.take(7) == bytes(7), "padding or reserved")
    r.take(8 + 32)
    r.end()
    if name != "format":
        want(data == repo.file("format"), "it is not as format")


def read_frame(data, offset, length, kind, depth):
    want(data[offset:offset + 4] == b"BFr1", "a frame does not begin there")
    r = Reader(data[offset:offset + length], 4)
    want(r.u(1) == kind, "a frame's kind")
    codec = r.u(1)
    want(codec in (0, 1) or (codec, kind, depth) == (2, 1, 0),
         "a frame's codec")
    want(r.u(1) == depth <= 4, "a frame's depth")
    bases = r.u(1)
    want((bases == 0) == (depth == 0) and bases <= 16, "a frame's bases")
    refs, body, bits = r.u(4), r.u(4), r.u(1)
    want(refs <= 16384 and (kind != 1 or refs == 0), "a frame's refs")
    want(16 <= body <= 9 << 20 and 9 <= bits <= 23, "a frame's lengths")
    want(r.take(7) == bytes(7), "a frame's reserved bytes")
    r.take(24)
    key = r.take(32)
    r.take(32 * (bases + refs) + body)
    r.end()
    return key


def frame_hash(frame):
    """The root, and what it is over."""
    blocks = [sha(frame[i:i + BLOCK]) for i in range(0, len(frame), BLOCK)]
    return sha(b"bascule frame v1\0" + struct.pack("<I", len(frame)) +
               b"".join(blocks)), blocks


def read_pack(repo, path, name):
    data = repo.file(path)
    want(os.path.basename(os.path.dirname(path)) == name[:2], "a wrong folder")
    named_by_hash(data, name)
    repo.head(data, "pack")
    want(len(data) <= 64 << 20, "too big")
    size = int.from_bytes(data[-36:-32], "little")
    end = len(data) - 36 - size
    want(32 <= end, "its footer is too long")
    footer = Reader(data[end:-36])
    want(sha(footer.data) == data[-32:], "its footer's hash is another")
    frames, chunks, keys, marks = (footer.u(4) for _ in range(4))
    want(frames <= 65536 and chunks <= 1 << 20 and keys <= 1024, "its counts")
    table = [struct.unpack("<32sQIIIBBH", footer.take(56)) for _ in range(frames)]
    ids = [footer.take(32) for _ in range(chunks)]
    key_ids = []
    for _ in range(keys):
        key_ids.append(footer.take(32))
        footer.take(32), footer.blob(65536)
    marks = [footer.take(16) for _ in range(marks)]
    footer.end()
    at, chunk = 32, 0
    for digest, offset, length, first, count, kind, depth, key in table:
        want(offset == at and first == chunk and count >= 1, "a gap")
        root, blocks = frame_hash(data[offset:offset + length])
        want(root == digest, "a frame's hash")
        if len(blocks) > 1:
            want(marks[:len(blocks)] == [b[:16] for b in blocks], "its marks")
            del marks[:len(blocks)]
        want(read_frame(data, offset, length, kind, depth) == key_ids[key],
             "a frame's key")
        at, chunk = at + length, chunk + count
    want(at == end and chunk == chunks, "frames do not fill it")
    want(not marks, "marks are left over")
    kinds = {row[5] == 1 for row in table}
    want(len(kinds) == 1, "data and metadata in one")
    repo.packs[name] = (len(data), kinds == {False}, table, ids)
    repo.counts["packs"] += 1
    repo.counts["frames"] += frames
    repo.counts["chunks"] += chunks


def read_segment(repo, path, name):
    data = repo.file(path)
    named_by_hash(data, name)
    r = repo.head(data, "segment")
    packs, bits = r.u(4), r.u(1)
    want(r.take(3) == bytes(3), "its reserve")
    count = r.u(8)
    want(bits == min(24, next(f for f in range(64) if count >> f <= 16)),
         "its fan-out")
    rows = [(r.take(32).hex(), r.u(8), r.u(8)) for _ in range(packs)]
    want(all(a[0] < b[0] for a, b in zip(rows, rows[1:])), "its packs' order")
    records = [struct.unpack("<32sIIHBBI", r.take(48)) for _ in range(count)]
    want(r.take(2 * count) == b"".join(rec[0][4:6] for rec in records),
         "its fingerprints")
    want(not any(r.take(-r.at % 4)), "its padding")
    fan = [r.u(4) for _ in range((1 << bits) + 1)]
    r.end()
    keys = [(rec[0], rec[1], rec[2]) for rec in records]
    want(keys == sorted(keys), "its order")
    tops = [int.from_bytes(k[0][:4], "big") >> (32 - bits) if bits else 0
            for k in keys]
    want(fan == [bisect.bisect_left(tops, i) for i in range((1 << bits) + 1)],
         "its fan-out table")
    for pack, size, flags in rows:
        if pack in repo.removed:
            continue
        want(pack in repo.packs, f"pack {pack} is not there")
        want(repo.packs[pack][0] == size, f"pack {pack} has another size")
        want(bool(flags & 1) == repo.packs[pack][1], f"the kind of {pack}")
    for ident, pack, frame, slot, kind, depth, reserved in records:
        if rows[pack][0] in repo.removed:
            continue
        table, ids = repo.packs[rows[pack][0]][2:]
        row = table[frame]
        want(ids[row[3] + slot] == ident and slot < row[4], "a record's place")
        want((row[5], row[6], reserved) == (kind, depth, 0), "a record's kind")
        repo.ids[ident] = kind
    repo.segments[name] = (len(data), count)
    repo.counts["segments"] += 1


def read_removed(repo, name):
    data = repo.file(name)
    ends_with_hash(data)
    gone = int.from_bytes(data[44:48], "little")
    names = data[-32 - 32 * gone:-32]
    repo.removed = {names[i:i + 32].hex() for i in range(0, len(names), 32)}


def read_manifest(repo, name):
    data = repo.file(name)
    ends_with_hash(data)
    r = repo.head(data, "manifest")
    r.u(8)
    count, gone = r.u(4), r.u(4)
    for _ in range(count):
        segment, size, records = r.take(32).hex(), r.u(8), r.u(8)
        want(segment in repo.segments, f"segment {segment} is not there")
        want(repo.segments[segment] == (size, records), f"the size of {segment}")
    removed = [r.take(32) for _ in range(gone)]
    want(removed == sorted(set(removed)), "the order of removed packs")
    r.take(32)
    r.end()


def read_snapshot(repo, path, name):
    data = repo.file(path)
    named_by_hash(data, name)
    r = repo.head(data, "snapshot")
    want(r.u(4) < 8 and r.u(4) == 0, "its flags")
    r.take(32)
    root = r.take(32)
    want(repo.ids.get(root) in (2, 3), "its root page is not in the index")
    r.take(32 + 16 + 32 + 32)
    service = r.blob(64).decode()
    want(service == os.path.basename(os.path.dirname(path)), "its service")
    r.blob(1024).decode(), r.take(32), r.blob(65536), r.take(24)
    r.blob((1 << 20) + 16), r.take(64)
    r.end()
    repo.counts["snapshots"] += 1


def read_point(repo, path, name):
    data = repo.file(path)
    named_by_hash(data, name)
    r = repo.head(data, "point")
    count = r.u(4)
    want(1 <= count <= 64 and r.u(4) == 0, "its count")
    r.take(24 + 16 + 32)
    service = r.blob(64).decode()
    want(service == os.path.basename(os.path.dirname(path)), "its service")
    snapshots = [r.take(32).hex() for _ in range(count)]
    want(snapshots == sorted(set(snapshots)), "its order")
    for s in snapshots:
        there = os.path.join(repo.root, "snapshots", service, s)
        want(os.path.exists(there), f"snapshot {s} is not there")
    r.take(64)
    r.end()
    repo.counts["points"] += 1


def read_pin(repo, path, name):
    data = repo.file(path)
    ends_with_hash(data)
    r = repo.head(data, "pin")
    want(r.take(32).hex() == name.removeprefix("writer-"), "its name")
    r.take(8), r.blob(64), r.take(32)
    r.end()


def read_hold(repo, path, name):
    data = repo.file(path)
    named_by_hash(data, name)
    r = repo.head(data, "hold")
    why, count = r.u(4), r.u(4)
    want(1 <= why <= 5 and 1 <= count <= 64, "its counts")
    r.take(8 + 32)
    r.blob(64), r.blob(256), r.blob(1024)
    held = [(r.take(32), r.take(32)) for _ in range(count)]
    want([h[0] for h in held] == sorted({h[0] for h in held}), "its order")
    for _, root in held:
        want(repo.ids.get(root) in (2, 3), "its root page is not in the index")
    r.take(64)
    r.end()


def read_condemned(repo, path):
    data = repo.file(path)
    ends_with_hash(data)
    r = repo.head(data, "condemned")
    want(r.u(4) in (1, 2), "what it condemns")
    count = r.u(4)
    want(count <= 4096, "its sessions")
    r.take(8 + 16 * count + 32)
    r.end()


def read_clock(repo, path):
    data = repo.file(path)
    ends_with_hash(data)
    repo.head(data, "clock")
    want(len(data) == 104, "its length")


def read_ages(repo, path):
    data = repo.file(path)
    ends_with_hash(data)
    r = repo.head(data, "ages")
    count, series = r.u(8), r.u(8)
    want(count <= 1048576 and series <= 65536, "its counts")
    for each, most in (count, 1 << 63), (series, 1 << 64):
        names = []
        for _ in range(each):
            names.append(r.take(32))
            want(r.u(8) < most, "an age")
        want(names == sorted(set(names)), "its order")
    r.take(32)
    r.end()


def main():
    repo = Repository(sys.argv[1])
    for name in ("format", "format.bak"):
        repo.attempt(name, read_format_of(repo))
    for folder, _ in list(repo.each("packs", "[0-9a-f]{2}")):
        for path, name in repo.each(folder, HEX):
            repo.attempt(path, lambda p, n=name: read_pack(repo, p, n))
    repo.attempt("index/MANIFEST", lambda p: read_removed(repo, p))
    for path, name in repo.each("index", HEX):
        repo.attempt(path, lambda p, n=name: read_segment(repo, p, n))
    if repo.segments or repo.packs:
        repo.attempt("index/MANIFEST", lambda p: read_manifest(repo, p))
    for kind, read in (("snapshots", read_snapshot), ("points", read_point)):
        for folder, _ in repo.each(kind, "[a-z0-9][a-z0-9._-]{0,63}"):
            for path, name in repo.each(folder, HEX):
                repo.attempt(path, lambda p, n=name, r=read: r(repo, p, n))
    for path, name in repo.each("keys", "writer-" + HEX):
        repo.attempt(path, lambda p, n=name: read_pin(repo, p, n))
    for path, name in repo.each("holds", HEX):
        repo.attempt(path, lambda p, n=name: read_hold(repo, p, n))
    readers = {"clock": read_clock, "ages": read_ages}
    for path, name in repo.each("condemned", HEX + "|clock|ages"):
        repo.attempt(path, lambda p, r=readers.get(name, read_condemned):
                     r(repo, p))
    for fault in repo.faults:
        print(fault)
    if repo.faults:
        sys.exit(1)
    print("read " + ", ".join(f"{n} {what}" for what, n in repo.counts.items()))


def read_format_of(repo):
    return lambda name: read_format(repo, name)


main()
