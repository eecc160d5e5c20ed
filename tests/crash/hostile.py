#!/usr/bin/env python3
"""hostile.py BASCULE SHIM WORK [--cases N] [--seed S] [--slack MIB] [--ssh DIR]

Repositories that somebody forged who has no key: fields of packs, segments,
MANIFEST, snapshots, pins, condemned files and format are changed, lengths and
counts above all, and every hash, name and reference above is made right again.
Each is given to the commands that read it.  None may end by a signal, hang,
need more memory than on the sound repository and --slack, write anywhere but
where it was told to, or, when it only looks, change the repository.  With --ssh it is replicated, too: whatever
is sent, the copy then checks clean, and holds nothing that the sound one has not.
"""
import argparse
import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys

from ground import Ground, digest, files_below

HASH, MARK, BLOCK, TIMEOUT_S = 32, 16, 65536, 40
EXITS = {0, 1, 3, 4, 5, 10, 11, 12, 13, 14, 16, 75}
NUMBERS = [0, 1, 2, 7, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff,
           0x80000000, 0xfffffff0, 0xffffffff, 1 << 32, (1 << 63) - 1, 1 << 63,
           (1 << 64) - 1]


def sha(data):
    return hashlib.sha256(data).digest()


class Forger:
    def __init__(self, repo, rng):
        self.repo, self.rng = repo, rng

    def read(self, name):
        with open(f"{self.repo}/{name}", "rb") as f:
            return bytearray(f.read())

    def put(self, name, data, instead_of=None):
        for old in {name, instead_of} - {None}:
            if os.path.exists(f"{self.repo}/{old}"):
                os.unlink(f"{self.repo}/{old}")
        os.makedirs(os.path.dirname(f"{self.repo}/{name}"), exist_ok=True)
        with open(f"{self.repo}/{name}", "wb") as f:
            f.write(data)

    def names(self, folder):
        return sorted(n for n in files_below(self.repo)
                      if n.startswith(folder + "/") or n == folder)

    # --- changing bytes

    def number(self, data, at, size):
        """Another number there, often one close to a limit or to what it was."""
        was = int.from_bytes(data[at:at + size], "little")
        new = self.rng.choice(NUMBERS + [was + 1, was - 1, was * 2, was * 48, len(data)])
        data[at:at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")

    def change(self, data, fields, most):
        """At known fields mostly, else anywhere before `most`."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            how = self.rng.random()
            if how < 0.7 and fields:
                self.number(data, *self.rng.choice(fields))
            elif how < 0.9:
                at = self.rng.randrange(32, max(33, most - 8))
                self.number(data, at, self.rng.choice((1, 2, 4, 8)))
            elif how < 0.95:
                at = self.rng.randrange(32, max(33, most))
                del data[at:at + self.rng.choice((1, 4, 32))]
            else:
                at = self.rng.randrange(32, max(33, most))
                data[at:at] = self.rng.randbytes(self.rng.choice((1, 4, 32)))

    # --- making it right above

    def refer(self, old, new):
        """Where MANIFEST names a segment, it names that one."""
        data = self.read("index/MANIFEST")
        data = data.replace(old, new)
        self.put("index/MANIFEST", data[:-HASH] + sha(data[:-HASH]))

    def renamed_segment(self, name, data):
        old, new = bytes.fromhex(os.path.basename(name)), sha(data)
        self.put("index/" + new.hex(), data, name)
        manifest = self.read("index/MANIFEST")
        at = manifest.find(old)
        if at >= 0:
            struct.pack_into("<Q", manifest, at + HASH, len(data))
            self.put("index/MANIFEST", manifest)
        self.refer(old, new)

    def hash_frame(self, data, frame, row, rows):
        """The frame's hash into its row, and its marks."""
        blocks = [sha(frame[i:i + BLOCK]) for i in range(0, len(frame), BLOCK)]
        data[row:row + HASH] = sha(b"bascule frame v1\0" + struct.pack(
            "<I", len(frame)) + b"".join(blocks))
        counts = [-(-n // BLOCK) if n > BLOCK else 0 for n in
                  (struct.unpack_from("<I", data, r + 40)[0] for r in rows)]
        at = len(data) - 36 - MARK * sum(counts[rows.index(row):])
        for i in range(counts[rows.index(row)]):
            data[at + MARK * i:at + MARK * (i + 1)] = blocks[i][:MARK]

    # --- what can be forged

    def pack(self):
        name = self.rng.choice(self.names("packs"))
        data = self.read(name)
        size = struct.unpack_from("<I", data, len(data) - 36)[0]
        end = len(data) - 36 - size
        frames, chunks = struct.unpack_from("<II", data, end)
        every = [end + 16 + 56 * i for i in range(frames)]
        table = every[:4]
        if self.rng.random() < 0.5:  # the footer
            fields = [(end + 4 * i, 4) for i in range(4)]
            for t in table:
                fields += [(t + 32, 8), (t + 40, 4), (t + 44, 4), (t + 48, 4),
                           (t + 52, 1), (t + 53, 1), (t + 54, 2)]
            keys = end + 16 + 56 * frames + 32 * chunks
            fields += [(keys + 64, 4)]
            fields = [f for f in fields if f[0] + f[1] < len(data) - 36]
            footer = data[end:-36]
            self.change(footer, [(a - end, n) for a, n in fields], len(footer))
            data = data[:end] + footer
        else:  # a frame's head, and the hashes of what holds it
            t = self.rng.choice(table)
            offset, length = struct.unpack_from("<QI", data, t + 32)
            fields = [(4, 1), (5, 1), (6, 1), (7, 1), (8, 4), (12, 4), (16, 1),
                      (17, 4)]
            frame = data[offset:offset + length]
            self.change(frame, fields, min(length, 4096))
            frame = frame[:length].ljust(length, b"\0")
            data[offset:offset + length] = frame
            self.hash_frame(data, frame, t, every)
            data = data[:-36]
        footer = bytes(data[end:])
        data = data[:end] + footer + struct.pack("<I", len(footer)) + sha(footer)
        old, new = bytes.fromhex(os.path.basename(name)), sha(data)
        self.put(f"packs/{new.hex()[:2]}/{new.hex()}", data, name)
        for segment in self.names("index"):
            listed = self.read(segment)
            if not segment.endswith("MANIFEST") and old in listed:
                at = listed.find(old)
                listed[at:at + HASH] = new
                struct.pack_into("<Q", listed, at + HASH, len(data))
                self.renamed_segment(segment, listed)

    def segment(self):
        name = self.rng.choice([n for n in self.names("index") if "MANIFEST" not in n])
        data = self.read(name)
        packs, bits, count = struct.unpack_from("<IB3xQ", data, 32)
        records = 48 + 48 * packs
        prints = records + 48 * count
        fan = (prints + 2 * count + 3) // 4 * 4
        fields = [(32, 4), (36, 1), (40, 8), (80, 8), (88, 8), (fan, 4),
                  (fan + 4, 4), (fan + 4 * (1 << bits), 4)]
        for i in range(count)[:40]:
            r = records + 48 * i
            fields += [(prints + 2 * i, 2), (r + 32, 4), (r + 36, 4),
                       (r + 40, 2), (r + 42, 1), (r + 43, 1)]
        self.change(data, [f for f in fields if f[0] + f[1] <= len(data)], len(data))
        self.renamed_segment(name, data)

    def manifest(self):
        data = self.read("index/MANIFEST")[:-HASH]
        fields = [(32, 8), (40, 4), (44, 4), (80, 8), (88, 8)]
        self.change(data, fields, len(data))
        self.put("index/MANIFEST", data + sha(data))

    def snapshot(self):
        name = self.rng.choice(self.names("snapshots"))
        data = self.read(name)
        at = 32 + 40 + 64 + 16 + 64
        fields = [(32, 4), (36, 4), (40, 8), (48, 8), (56, 8), (at, 4)]
        self.change(data, fields, len(data) - 64)
        self.put(f"{os.path.dirname(name)}/{sha(data).hex()}", data, name)

    def ended(self, name, fields):
        data = self.read(name)[:-HASH]
        self.change(data, fields, len(data))
        self.put(name, data + sha(data))
        return data + sha(data)

    def pin(self):
        self.ended(self.rng.choice(self.names("keys")), [(64, 8), (72, 4)])

    def format(self):
        data = self.ended("format", [(48, 8), (56, 8), (64, 8), (72, 4), (76, 4),
                                     (80, 4), (84, 4), (88, 4), (92, 1)])
        if self.rng.random() < 0.7:
            self.put("format.bak", data)

    def condemned(self):
        names = self.names("condemned")
        if not names:
            return self.pin()
        return self.ended(self.rng.choice(names), [(32, 4), (36, 4), (40, 8)])

    def forge(self):
        kind = self.rng.choice(("pack",) * 4 + ("segment",) * 3 + (
            "manifest", "snapshot", "pin", "format", "condemned"))
        getattr(self, kind)()
        return kind


LOOKING = [["check"], ["check", "--read"], ["check", "--open"], ["snapshots"],
           ["ls", "latest"], ["prune", "--dry-run"], ["heal", "--dry-run"]]
CHANGING = [["restore", "latest", "--to", "OUT"], ["prune", "--undelete-age", "0",
            "--max-unused", "0"], ["backup", "--dataset", "d", "SRC"], ["heal"]]


def run(ground, repo, place, src, words):
    """(exit code, peak MiB, what it said)"""
    words = [{"OUT": f"{place}/out", "SRC": src}.get(w, w) for w in words]
    env = dict(os.environ, BASCULE_KEY_FILE=ground.key,
               BASCULE_STATE_DIR=f"{place}/state",
               ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=0",
               UBSAN_OPTIONS="halt_on_error=1")
    with open(f"{place}/said", "wb") as out:
        child = subprocess.Popen(
            ["timeout", str(TIMEOUT_S), ground.bascule, "-r", repo, *words],
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, cwd=place)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    with open(f"{place}/said", "rb") as f:
        return child.returncode, usage.ru_maxrss >> 10, f.read()


def replicated(ground, base, repo, place, src, limits):
    """What is wrong with a forged one as the source of a replication."""
    copy = f"{place}/out"
    code, peak, text = run(ground, repo, place, src,
                           ground.replicate_words(ground.bascule, copy))
    if code not in EXITS or b"Sanitizer" in text or b"runtime error" in text:
        return f"replicate ended with {code}: {text[-1500:]!r}"
    if peak > limits["replicate"]:
        return f"replicate needed {peak} MiB"
    if not os.path.exists(f"{copy}/format"):
        return None
    code, _, text = run(ground, copy, place, src, ["check", "--read"])
    if code != 0:
        return f"the copy of it checks with {code}: {text[-1500:]!r}"
    alien = {n for n in files_below(copy) if n.startswith("snapshots/")} - \
        {n for n in files_below(base) if n.startswith("snapshots/")}
    if alien:
        return f"the copy was given {alien}"
    shutil.rmtree(copy)
    return None


def case(ground, base, src, seed, limits):
    place = f"{ground.work}/case{seed}"
    repo, rng = f"{place}/repo", random.Random(seed)
    os.makedirs(f"{place}/state")
    shutil.copytree(base, repo)
    forger = Forger(repo, rng)
    kinds = [forger.forge() for _ in range(rng.choice((1, 1, 1, 2)))]
    wrong = None
    for words in LOOKING + CHANGING:
        before = digest(repo) if words in LOOKING else None
        code, peak, text = run(ground, repo, place, src, words)
        what = " ".join(words)
        if code not in EXITS:
            wrong = f"{what} ended with {code}: {text[-1500:]!r}"
        elif b"AddressSanitizer" in text or b"runtime error" in text or \
                b"LeakSanitizer" in text:
            wrong = f"{what}: {text[:3000]!r}"
        elif peak > limits[what]:
            wrong = f"{what} needed {peak} MiB"
        elif before is not None and digest(repo) != before:
            wrong = f"{what} only looks, and changed the repository"
        extra = set(os.listdir(place)) - {"repo", "state", "out", "said"}
        if extra:
            wrong = f"{what} wrote {extra}"
        if wrong is None and words is LOOKING[-1] and ground.ssh:
            wrong = replicated(ground, base, repo, place, src, limits)
        if wrong is not None:
            break
    ground.result(wrong, f"seed {seed}, forged {kinds}")
    if wrong is None:
        shutil.rmtree(place)


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "shim", "work"):
        p.add_argument(name)
    p.add_argument("--cases", type=int, default=500)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--slack", type=int, default=48)
    p.add_argument("--ssh")
    args = p.parse_args()
    ground = Ground(args.bascule, "", os.path.abspath(args.work), args.seed,
                    args.ssh)
    act = ground.collect_act("hostile", forgotten=2, rounds=1)
    limits, place = {}, f"{ground.work}/sound"
    os.makedirs(f"{place}/state")
    shutil.copytree(act.base, f"{place}/repo")
    if ground.ssh:
        _, peak, _ = run(ground, f"{place}/repo", place, act.src,
                         ground.replicate_words(ground.bascule, f"{place}/copy"))
        limits["replicate"] = peak + args.slack
    for words in LOOKING + CHANGING:
        code, peak, text = run(ground, f"{place}/repo", place, act.src, words)
        limits[" ".join(words)] = peak + args.slack
        if code != 0:
            sys.exit(f"not ok {words} of the sound one: {code} {text!r}")
    ground.each(range(args.seed, args.seed + args.cases),
                lambda n: case(ground, act.base, act.src, n, limits))
    print(f"ok hostile: {args.cases} forged repositories from seed {args.seed}; "
          f"at most {max(limits.values())} MiB are allowed")
    ground.end()


main()
