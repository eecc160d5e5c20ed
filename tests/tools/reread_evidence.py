#!/usr/bin/env python3
"""reread_evidence.py PACK: judge an evidence pack from docs/format/evidence.md
and docs/format/ledger.md alone, with nothing of bascule's code: the documents
can be implemented.  Exits 0 when it is good, 1 when not.  Standard library
only; decompression by the zstd program."""
import hashlib
import io
import json
import struct
import subprocess
import sys
import tarfile


class Bad(Exception):
    pass


def need(true, why):
    if not true:
        raise Bad(why)


def sha(*parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p)
    return h.digest()


def lp(b):
    return struct.pack("<I", len(b)) + b


# --- Ed25519, as RFC 8032 writes it ---
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    A = (a[1] - a[0]) * (b[1] - b[0]) % P
    B = (a[1] + a[0]) * (b[1] + b[0]) % P
    C = 2 * a[3] * b[3] * D % P
    E = 2 * a[2] * b[2] % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def mul(s, a):
    q = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            q = add(q, a)
        a = add(a, a)
        s >>= 1
    return q


def root(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - x2) % P == 0 and not (x == 0 and sign), "a bad key")
    return P - x if (x & 1) != sign else x


def point(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    need(y < P, "a bad key")
    x = root(y, sign)
    return (x, y, 1, x * y % P)


BASE = point(bytes([0x58]) + bytes([0x66]) * 31)


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and \
        (a[1] * b[2] - b[1] * a[2]) % P == 0


def signed(public, message, signature):
    s = int.from_bytes(signature[32:], "little")
    need(s < L, "a bad signature")
    h = int.from_bytes(hashlib.sha512(
        signature[:32] + public + message).digest(), "little") % L
    return same(mul(s, BASE), add(point(signature[:32]),
                                  mul(h, point(public))))


# --- bytes ---
class Reader:
    def __init__(self, b):
        self.b, self.at = b, 0

    def take(self, n):
        need(self.at + n <= len(self.b), "cut short")
        self.at += n
        return self.b[self.at - n:self.at]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.number("I"))

    def more(self):
        return self.at < len(self.b)


def record(b):
    r = Reader(b)
    need(r.take(5) == b"BLRc\x01", "not a record")
    header = r.text()
    leaves = b""
    count = r.number("I")
    for _ in range(count):
        form = r.number("B")
        need(form in (0, 1), "a bad field")
        if form == 0:
            leaf = r.take(32)
        else:
            salt, name, value = r.take(16), r.text(), r.text()
            leaf = sha(lp(b"bascule ledger leaf v1"), lp(salt), lp(name),
                       lp(value))
        leaves += lp(leaf)
    need(not r.more(), "bytes left over")
    h = Reader(header)
    chain, sequence, previous = h.text().decode(), h.number("Q"), h.take(32)
    return chain, sequence, previous, sha(
        lp(b"bascule ledger record v1"), lp(header), struct.pack("<I", count),
        leaves)


def head(b):
    r = Reader(b)
    need(r.take(5) == b"BLHd\x01", "not a head")
    number, previous = r.number("Q"), r.take(32)
    r.number("q"), r.take(16), r.text()
    tips = {}
    for _ in range(r.number("I")):
        chain = r.text().decode()
        tips[chain] = (r.number("Q"), r.take(32))
    need(not r.more(), "bytes left over")
    return number, previous, tips, sha(lp(b"bascule ledger head v1"), lp(b))


# --- the pack ---
def unpack(data):
    seal = data[-44:]
    need(seal[:12] == b"\x5e\x2a\x4d\x18" + struct.pack("<I", 36) + b"BLEV",
         "no seal")
    need(seal[12:] == sha(data[:-44]), "not what was sealed")
    tar = subprocess.run(["zstd", "-dcq"], input=data, check=True,
                         stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as t:
        return {m.name: t.extractfile(m).read() for m in t}


def check_manifest(members):
    m = json.loads(members["manifest.json"])
    need(m["format"] == 1, "another format")
    names = [x["name"] for x in m["members"]]
    need(sorted(names + ["manifest.json"]) ==
         sorted(n for n in members if n != "manifest.sig"), "other members")
    for x in m["members"]:
        b = members[x["name"]]
        need(x["bytes"] == len(b) and x["sha256"] == sha(b).hex(),
             x["name"] + " differs")
    return m


def check_texts(members, m):
    names = [x["name"] for x in m["members"]]
    for name in names:
        folder, _, rest = name.partition("/")
        if folder in ("policies", "plans"):
            need(rest == sha(members[name]).hex()[:32] + ".txt",
                 name + " is not what its name says")
    if "SHA256SUMS" in names:
        before = names[:names.index("SHA256SUMS")]
        need(members["SHA256SUMS"] == "".join(
            "%s  %s\n" % (sha(members[n]).hex(), n) for n in before).encode(),
             "SHA256SUMS is not of the members before it")


def check_heads(members, m):
    r, claims, chains, last, signer = Reader(members["heads.bin"]), {}, {}, \
        None, None
    while r.more():
        b, public, signature = r.text(), r.take(32), r.take(64)
        number, previous, tips, own = head(b)
        need(signer in (None, public), "another signer")
        need(signed(public, b"bascule ledger head v1\0" + b, signature),
             "head %d is not signed" % number)
        if last is None and m["after_first_head"]:
            chains = dict(tips)
        else:
            need((number, previous) == ((last[0] + 1, last[1]) if last else
                                        (1, bytes(32))), "heads out of order")
            for chain, tip in tips.items():
                claims[(chain, tip[0])] = tip[1]
        last, signer = (number, own), public
    return claims, chains, signer


def check_records(members, m, claims, chains):
    count = 0
    for name in sorted(n for n in members if n.startswith("records/")):
        r = Reader(members[name])
        while r.more():
            chain, sequence, previous, own = record(r.text())
            need("chains" not in m or chain in m["chains"], "another chain")
            before = chains.get(chain, (0, bytes(32)))
            need((sequence, previous) == (before[0] + 1, before[1]),
                 "%s#%d does not follow" % (chain, sequence))
            need(claims.get((chain, sequence), own) == own,
                 "%s#%d is not what a head signs for" % (chain, sequence))
            chains[chain] = (sequence, own)
            count += 1
    for chain, sequence in claims:
        if "chains" not in m or chain in m["chains"]:
            need(chains.get(chain, (0,))[0] >= sequence, "records are missing")
    need(count == m["records"], "another number of records")
    return count


def check(data):
    members = unpack(data)
    m = check_manifest(members)
    need("damage" not in m, "the ledger was damaged")
    check_texts(members, m)
    claims, chains, signer = check_heads(members, m)
    count = check_records(members, m, claims, chains)
    if "manifest.sig" in members:
        s = json.loads(members["manifest.sig"])
        need(bytes.fromhex(s["signer"]) == signer and
             signed(signer, b"bascule evidence v1\0" +
                    members["manifest.json"], bytes.fromhex(s["signature"])),
             "the manifest is not signed")
    for name in sorted(n for n in members if n.startswith("sites/")):
        print("%s: %d records" % (name, check(members[name])))
    return count


def main(path):
    print("good: %d records" % check(open(path, "rb").read()))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Bad, KeyError, ValueError, struct.error, tarfile.TarError,
            subprocess.CalledProcessError) as e:
        print("NOT GOOD: %s" % e)
        sys.exit(1)
