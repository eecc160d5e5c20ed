#!/usr/bin/env python3
"""hostile_sender.py BASCULE RESIGN REPOSITORY KEYS STRANGER WORK: a sender that lies.

It speaks docs/protocol/store-serve.md to `bascule store serve --allow put`, made
from that page and without a line of Bascule's code.  First it is honest and
makes a copy of REPOSITORY; then, scene by scene, it says what no sender says.
After each scene everything that was kept is there as it was, nothing has become
visible that the scene was not entitled to, and the receiver has ended by itself
in less than MEMORY_MIB.  KEYS is a writer's key file that was stolen, STRANGER
one of another family, RESIGN tests/tools/resign.c.  EVERY in the environment:
all that it can think of, instead of every other.
"""
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import threading

MEMORY_MIB, TIMEOUT_S = 64, 60
(HELLO, OFFER, PACKS, PACK, DATA, FLUSH, SNAPSHOT, POINT, BYE,
 GRANT, REST, FRAMES, COMPOSE) = range(1, 14)
EPOCH, ACKNOWLEDGE, ACKNOWLEDGED = 15, 16, 140
WELCOME, WANT, SETTLED, RESULT, WORKING, FAIL, FAREWELL, STAGED, LACK = range(129, 138)
DONE, EXISTS = 0, 2
KEPT = ("packs", "snapshots", "points", "grants", "keys", "holds")
SNAP_LABEL, POINT_LABEL = "bascule snapshot v1", "bascule point v1"
MAX32, MAX64 = (1 << 32) - 1, (1 << 64) - 1

BASCULE, RESIGN, REPO, KEYS, STRANGER, WORK = sys.argv[1:7]
COPY = os.path.join(WORK, "copy")
EVERY = bool(os.environ.get("EVERY"))
passed = failed = 0


def some(choice):
    return choice if EVERY else choice[::2]


def ok(what, good, more=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"not ok {what}: {more}")


def sha(data):
    return hashlib.sha256(data).digest()


def slurp(path):
    with open(path, "rb") as f:
        return f.read()


def files(root):
    for at, _, names in os.walk(root):
        for name in names:
            yield os.path.join(at, name)


# --- what is said ---------------------------------------------------------------
def msg(kind, payload=b"", length=None, reserved=0):
    length = len(payload) if length is None else length
    return struct.pack("<IB", length, kind) + reserved.to_bytes(3, "little") + payload


def hello(version=1, required=0, features=1, family=None, magic=b"BscServe",
          geometry=(65536, 131072, 524288, 32 << 20, 2 << 20), reserved=0, tail=bytes(3)):
    return msg(HELLO, magic + struct.pack("<HHIQQ", version, reserved, 0, features, required)
               + (family or FAMILY) + struct.pack("<IIIIIB", *geometry, 0) + tail)


def offer(kind, ids, count=None):
    return msg(OFFER, struct.pack("<B3xI", kind, len(ids) if count is None else count)
               + b"".join(ids))


def packs(entries, count=None):
    return msg(PACKS, struct.pack("<II", len(entries) if count is None else count, 0)
               + b"".join(name + struct.pack("<Q", size & MAX64) for name, size in entries))


def pack(ordinal, data, step=1 << 20):
    return msg(PACK, struct.pack("<I", ordinal)) + b"".join(
        msg(DATA, data[i:i + step]) for i in range(0, len(data), step))


def sent(*bodies):
    """Packs of any bytes, each under its own hash."""
    return packs([(sha(b), len(b)) for b in bodies]) + b"".join(
        pack(i, b) for i, b in enumerate(bodies)) + msg(FLUSH)


# --- who hears it ---------------------------------------------------------------
class Answer:
    def __init__(self, out, code, memory_kib):
        self.code, self.memory_kib, self.msgs, at = code, memory_kib, [], 0
        while at + 8 <= len(out):
            n, kind = struct.unpack_from("<IB", out, at)
            self.msgs.append((kind, out[at + 8:at + 8 + n]))
            at += 8 + n

    def of(self, kind):
        return [p for k, p in self.msgs if k == kind]

    def results(self, kind):
        return [p[1] for p in self.of(RESULT) if p[0] == kind]

    def text(self):
        return "; ".join(p[4:].decode(errors="replace") for p in self.of(FAIL)) + \
            " " + "; ".join(p[8:].decode(errors="replace") for p in self.of(RESULT)[:3])


def serve(stream, copy=None, allow="put", more=()):
    """The whole stream, then its end; what came back."""
    child = subprocess.Popen([BASCULE, "-r", copy or COPY, "store", "serve", "--allow", allow,
                              *more],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    parts = [stream] if isinstance(stream, bytes) else stream
    memory, out = 0, []
    reader = threading.Thread(target=lambda: out.append(child.stdout.read()))
    reader.start()
    try:
        for part in parts:
            child.stdin.write(part)
        child.stdin.flush()
        with open(f"/proc/{child.pid}/status") as f:
            memory = max([int(x.split()[1]) for x in f if x.startswith("VmHWM")] + [0])
        child.stdin.close()
    except (BrokenPipeError, FileNotFoundError):
        pass
    try:
        code = child.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        code = "it hangs"
    reader.join()
    return Answer(out[0], code, memory)


def kept(copy):
    """What a copy shows to others, and whether it is as it was."""
    return {os.path.relpath(p, copy): (os.lstat(p).st_ino, os.lstat(p).st_size,
                                       os.lstat(p).st_mtime_ns)
            for part in KEPT for p in files(os.path.join(copy, part))}


def scene(name, stream, new=(), ends=True, greeting=True, more=()):
    """new: the parts in which something may have appeared; ends: with FAIL."""
    before = kept(COPY)
    a = serve([hello(), stream] if greeting and isinstance(stream, bytes) else stream,
              more=more)
    after = kept(COPY)
    ok(f"{name}: it ends by itself", isinstance(a.code, int) and a.code >= 0, a.code)
    ok(f"{name}: nothing is gone or changed", all(after.get(p) == s for p, s in before.items()),
       [p for p, s in before.items() if after.get(p) != s][:3])
    more = [p for p in after if p not in before and p.split("/")[0] not in new]
    ok(f"{name}: nothing has appeared", not more, more[:3])
    ok(f"{name}: memory", a.memory_kib < MEMORY_MIB << 10, f"{a.memory_kib} KiB")
    if ends:
        ok(f"{name}: it is told why, and that is the end", len(a.of(FAIL)) == 1 and
           a.msgs[-1][0] == FAIL and a.code != 0, (a.code, a.msgs[-3:]))
    return a


def refused(name, stream, kind, new=()):
    """Single objects are refused with a RESULT; the session goes on to its BYE."""
    a = scene(name, stream + msg(BYE), new, ends=False)
    ok(f"{name}: refused", a.results(kind) and all(r not in (DONE, EXISTS)
                                                   for r in a.results(kind)),
       (a.results(kind), a.text()))
    ok(f"{name}: and the session goes on", len(a.of(FAREWELL)) == 1, a.text())
    return a


# --- files that lie -------------------------------------------------------------
def resigned(data, label, keys=None):
    return subprocess.run([RESIGN, keys or KEYS, label], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


class Snapshot:
    """A snapshot's file in its parts; made again with some of them changed."""

    def __init__(self, data):
        self.fixed = bytearray(data[:184 + 32])   # head ... writer key
        at = len(self.fixed)
        n, = struct.unpack_from("<I", data, at)
        self.service = data[at + 4:at + 4 + n]
        self.rest = data[at + 4 + n:]

    def made(self, keys=None, label=SNAP_LABEL, sign=True, **change):
        fixed, service = bytearray(self.fixed), change.pop("service", self.service)
        where = {"flags": (32, "<I"), "reserved": (36, "<I"), "epoch": (40, "<Q"),
                 "sequence": (48, "<Q"), "started": (56, "<q"), "ended": (64, "<q")}
        for name, value in change.items():
            if name in where:
                struct.pack_into(where[name][1], fixed, where[name][0], value)
            else:
                at = {"root": 72, "predecessor": 104, "domain": 152, "writer": 184}[name]
                fixed[at:at + 32] = value
        data = bytes(fixed) + struct.pack("<I", len(service)) + service + self.rest
        return resigned(data, label, keys) if sign else data


def snap(data):
    return msg(SNAPSHOT, data)


def footer_of(data):
    size, = struct.unpack_from("<I", data, len(data) - 36)
    return data[:len(data) - 36 - size], bytearray(data[len(data) - 36 - size:-36])


def with_footer(frames, footer):
    return frames + bytes(footer) + struct.pack("<I", len(footer)) + sha(bytes(footer))


def ids_of(footer):
    frames, chunks = struct.unpack_from("<II", footer)
    at = 16 + 56 * frames
    return at, [bytes(footer[at + 32 * i:at + 32 * i + 32]) for i in range(chunks)]


def index_kinds(data):
    _, footer = footer_of(data)
    return footer[16 + 52]


def point(snapshots, epoch=0, sequence=1, service=None, count=None, reserved=0, keys=None,
          label=POINT_LABEL):
    """A recovery point's file."""
    service = LAST.service if service is None else service
    return resigned(
        b"Bascule\n" + struct.pack("<HHI", 6, 1, 0) + FAMILY +
        struct.pack("<IIQQq", len(snapshots) if count is None else count, reserved, epoch,
                    sequence, 1) + GROUP + WRITER +
        struct.pack("<I", len(service)) + service + b"".join(snapshots) + bytes(64),
        label, keys)


# --- honest first ---------------------------------------------------------------
FAMILY = slurp(os.path.join(REPO, "format"))[16:32]
ALL = sorted((slurp(p) for p in files(os.path.join(REPO, "packs"))), key=index_kinds)
SNAPS = sorted((slurp(p) for p in files(os.path.join(REPO, "snapshots"))),
               key=lambda d: struct.unpack_from("<QQ", d, 40))
LAST = Snapshot(SNAPS[-1])
SEQUENCE, = struct.unpack_from("<Q", LAST.fixed, 48)
GROUP, WRITER = bytes(LAST.fixed[136:152]), bytes(LAST.fixed[184:216])
POINTS = [point([sha(SNAPS[-1])])]
DATA_PACKS = [p for p in ALL if index_kinds(p) == 1]


def whole():
    return sent(*ALL) + b"".join(map(snap, SNAPS)) + \
        b"".join(msg(POINT, p) for p in POINTS) + msg(BYE)


def honest():
    """Cut at odd places, then whole, then once more."""
    stream = hello() + offer(2, [sha(s) for s in SNAPS]) + whole()
    for share in some((1, 9, 40, 70, 95)):
        a = serve(stream[:len(stream) * share // 100])
        ok(f"cut at {share} %: it ends", isinstance(a.code, int) and a.code > 0, a.code)
        ok(f"cut at {share} %: no snapshot without what it needs",
           not any(p.startswith("snapshots") for p in kept(COPY)) or share == 95, kept(COPY))
    # What is there is not asked for: sent all the same, it is not taken.
    wants = serve(hello() + packs([(sha(p), len(p)) for p in ALL]) + msg(BYE)).of(WANT)[0]
    missing = [p for i, p in enumerate(ALL) if wants[4 + i // 8] >> i % 8 & 1]
    a = serve(hello() + sent(*missing) + whole()[len(sent(*ALL)):])
    ok("an honest sender is served", a.code == 0 and len(a.of(FAREWELL)) == 1, a.text())
    ok("and all of it is there", all(r in (DONE, EXISTS) for r in a.results(2) + a.results(3)),
       a.text())
    replay = hello() + b"".join(map(snap, SNAPS)) + b"".join(msg(POINT, p) for p in POINTS)
    before = kept(COPY)
    a = serve(replay + msg(BYE))
    ok("a replay is nothing new", set(a.results(2) + a.results(3)) <= {EXISTS} and
       kept(COPY) == before, a.results(2))


# --- what is not in the protocol --------------------------------------------------
def malformed():
    for name, data in some((("no words", os.urandom(4096)), ("HTTP", b"GET / HTTP/1.1\r\n" * 20),
                       ("a shell", b"rm -rf /\nexit\n" * 9), ("SSH", b"SSH-2.0-x\r\n" * 9))):
        scene(name, [data], greeting=False)
    for name, how in (("magic", {"magic": b"BscServf"}), ("version", {"version": 9}),
                      ("version 0", {"version": 0}), ("feature", {"required": 1 << 63}),
                      ("reserved", {"reserved": 1}), ("family", {"family": bytes(16)}),
                      ("tail", {"tail": b"\0\0\1"})):
        scene(f"hello, another {name}", [hello(**how) + whole()], greeting=False)
    empty = os.path.join(WORK, "empty")
    for name, geometry in (("no chunks", (0, 0, 0, 0, 0)), ("huge", (MAX32,) * 5),
                           ("upside down", (524288, 131072, 65536, 32 << 20, 2 << 20))):
        a = serve(hello(geometry=geometry) + msg(BYE), empty)
        ok(f"a copy of {name}: refused", len(a.of(FAIL)) == 1 and a.code > 0, a.msgs)
        ok(f"a copy of {name}: not made", not os.path.exists(empty + "/format"))
        shutil.rmtree(empty, ignore_errors=True)
    scene("no hello", [packs([])], greeting=False)
    scene("hello twice", hello())
    for kind in (0, COMPOSE + 1, 64, WELCOME, 255):
        scene(f"message {kind}", msg(kind))
    for kind in some((OFFER, PACKS, PACK, DATA, FLUSH, SNAPSHOT, POINT, BYE, GRANT)):
        scene(f"message {kind} of 4 GiB", msg(kind, length=MAX32) + bytes(100000))
    scene("reserved bytes of a head", msg(FLUSH, reserved=1))
    scene("FLUSH with words", msg(FLUSH, b"now"))
    for kind in some((0, 9, 1, 255)):
        scene(f"an offer of kind {kind}", offer(kind, [bytes(32)]))
    for count in some((2, 0, MAX32, 1 << 30)):
        scene(f"an offer that says {count}", offer(2, [bytes(32)], count))
        scene(f"packs that say {count}", packs([(bytes(32), 1000)], count))
    for size in some((0, MAX64, (64 << 20) + 1, 1 << 31, 1 << 63)):
        scene(f"a pack of {size} bytes", packs([(bytes(32), size)]))
    name = os.urandom(32)
    one = packs([(name, 1000)])
    scene("a pack that was not offered", msg(PACK, bytes(4)))
    scene("a pack beyond the list", one + msg(PACK, struct.pack("<I", MAX32)))
    scene("a pack twice", one + pack(0, bytes(1000)) + msg(PACK, bytes(4)))
    scene("a pack that is here", packs([(sha(ALL[0]), len(ALL[0]))]) + pack(0, ALL[0]))
    scene("data of nothing", msg(DATA, b"x"))
    scene("data without bytes", one + msg(PACK, bytes(4)) + msg(DATA))
    scene("more data than it said", one + msg(PACK, bytes(4)) + msg(DATA, bytes(1001)))
    scene("something else instead of data", one + msg(PACK, bytes(4)) + snap(SNAPS[0]))
    a = serve(hello() + whole(), allow="nothing")
    ok("nothing may be put where nothing is allowed", a.code == 2, a.code)


# --- packs that lie ---------------------------------------------------------------
def lying_packs():
    junk = os.urandom(200000)
    refused("noise", sent(junk), 1)
    refused("another's name", packs([(os.urandom(32), len(junk))]) + pack(0, junk) + msg(FLUSH), 1)
    real = DATA_PACKS[0]
    bent = bytearray(real)
    bent[len(bent) // 2] ^= 1
    refused("a bent one under the old name", packs([(os.urandom(32), len(real))]) +
            pack(0, bytes(bent)) + msg(FLUSH), 1)
    frames, footer = footer_of(real)
    for what, at, value in some((("frames", 0, 1 << 31), ("chunks", 4, MAX32), ("keys", 8, MAX32),
                            ("marks", 12, MAX32), ("an offset", 16 + 32, MAX64 >> 1),
                            ("a length", 16 + 40, MAX32), ("a first chunk", 16 + 44, 7),
                            ("a kind", 16 + 52, 2), ("a depth", 16 + 53, 4),
                            ("a key", 16 + 54, 999))):
        lie = bytearray(footer)
        size = {"an offset": 8, "a kind": 1, "a depth": 1, "a key": 2}.get(what, 4)
        lie[at:at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        refused(f"a footer that lies about {what}", sent(with_footer(frames, lie)), 1)
    for length in some((0, 5, MAX32, len(real))):
        refused(f"a footer of {length} bytes", sent(real[:-36] + struct.pack("<I", length) +
                                                    real[-32:]), 1)
    refused("a pack of another family", sent(real[:16] + bytes(16) + real[32:]), 1)
    # Its frames are in order and it says they hold what another pack's do: a
    # claim, which nobody without the key can judge.  It is taken, and believed
    # by nobody: what it shadows is still found, before and after a collection.
    victim = ids_of(footer_of(DATA_PACKS[-1])[1])[1]
    at, own = ids_of(footer)
    for i in range(min(len(own), len(victim))):
        footer[at + 32 * i:at + 32 * i + 32] = victim[i]
    a = scene("ids that are another pack's", sent(with_footer(frames, footer)) + msg(BYE),
              new=("packs",), ends=False)
    ok("ids that are another pack's: settled", len(a.of(FAREWELL)) == 1, a.text())


# --- snapshots and points that lie --------------------------------------------------
def lying_snapshots():
    chunk = ids_of(footer_of(DATA_PACKS[0])[1])[1][0]
    stranger = subprocess.run([RESIGN, STRANGER], stdout=subprocess.PIPE, check=True).stdout
    for what, how in (
            ("number 2^63", {"sequence": 1 << 63}), ("the last number", {"sequence": MAX64}),
            ("a number far ahead", {"sequence": SEQUENCE + 1000001}),
            ("number 0", {"sequence": 0}), ("the last epoch", {"epoch": MAX64}),
            ("a root that is not here", {"root": os.urandom(32), "sequence": SEQUENCE + 1}),
            ("no root", {"root": bytes(32), "sequence": SEQUENCE + 1}),
            ("a chunk as its root", {"root": chunk, "sequence": SEQUENCE + 1}),
            ("unknown flags", {"flags": 1 << 31, "sequence": SEQUENCE + 1}),
            ("reserved bytes", {"reserved": 1, "sequence": SEQUENCE + 1})):
        refused(f"a snapshot of {what}", snap(LAST.made(**how)), 2)
    for name in some((b"../evil", b".", b"a/b", b"..", b"/tmp/evil", b"", b"a\0b",
                      b"../../../../tmp/evil", b"Files", b"-rf", b"x" * 65, b".hidden",
                      b"x" * 4000, b"\xff\xfe", b"a\nb")):
        refused(f"a service of {name[:24]!r}", snap(LAST.made(service=name,
                                                             sequence=SEQUENCE + 1)), 2)
    refused("a stranger's", snap(LAST.made(keys=STRANGER, writer=stranger,
                                           sequence=SEQUENCE + 1)), 2)
    refused("a stranger's in our name", snap(LAST.made(keys=STRANGER,
                                                       sequence=SEQUENCE + 1)), 2)
    refused("a point's signature", snap(LAST.made(label=POINT_LABEL, sequence=SEQUENCE + 1)), 2)
    refused("not signed again", snap(LAST.made(sign=False, sequence=SEQUENCE + 1)), 2)
    for cut in some((0, 1, 100, 31, len(SNAPS[-1]) - 1)):
        refused(f"{cut} bytes of one", snap(SNAPS[-1][:cut]), 2)
    refused("one and more", snap(SNAPS[-1] + b"x"), 2)
    refused("2 MiB of noise", snap(os.urandom(2 << 20)), 2)
    scene("a byte more than 2 MiB", snap(bytes((2 << 20) + 1)))
    last = sha(SNAPS[-1])
    for what, how in (
            ("number 2^63", {"sequence": 1 << 63}), ("the last number", {"sequence": MAX64}),
            ("number 0", {"sequence": 0}), ("the last epoch", {"epoch": MAX64, "sequence": 2}),
            ("no snapshots", {"count": 0, "sequence": 2}),
            ("a few too many", {"count": 65, "sequence": 2}),
            ("all there are", {"count": MAX32, "sequence": 2}),
            ("reserved bytes", {"reserved": 1, "sequence": 2}),
            ("a stranger", {"keys": STRANGER, "sequence": 2}),
            ("a snapshot's signature", {"label": SNAP_LABEL, "sequence": 2}),
            ("a service outside", {"service": b"../evil", "sequence": 2}),
            ("another service", {"service": b"another", "sequence": 2})):
        refused(f"a point of {what}", msg(POINT, point([last], **how)), 3)
    refused("a point of what is not here", msg(POINT, point([os.urandom(32)], sequence=2)), 3)
    refused("a point of one twice", msg(POINT, point([last, last], sequence=2)), 3)
    refused("a point of noise", msg(POINT, os.urandom(4096)), 3)
    refused("grants of noise", msg(GRANT, os.urandom(2 << 20)), 4)
    refused("grants of nothing", msg(GRANT), 4)


def clocks():
    """Times are what a sender says they are: none makes anything else go."""
    for n, (what, when) in enumerate((("1970", 0), ("1677", -(1 << 63)),
                                      ("2262", (1 << 63) - 1))):
        scene(f"a snapshot of {what}", snap(LAST.made(
            sequence=SEQUENCE + 1 + n, started=when, ended=when,
            predecessor=sha(SNAPS[-1]))) + msg(BYE), new=("snapshots",), ends=False)


# --- parts and frames -------------------------------------------------------------
def rest(block, data, ordinal=0):
    return msg(REST, struct.pack("<II", ordinal, block)) + data


def frames(kind, rows, ordinal=0, count=None, bits=b""):
    return msg(kind, struct.pack("<II", ordinal, len(rows) if count is None else count) +
               b"".join(first + name + struct.pack("<I", size) for first, name, size in rows) +
               bits)


def data(body):
    return b"".join(msg(DATA, body[i:i + (1 << 20)]) for i in range(0, len(body), 1 << 20))


def parts():
    """What was left behind is poisoned, what is to be composed is not there."""
    all_of_it = hello(features=7)
    name, junk = os.urandom(32), os.urandom(300000)
    one = packs([(name, 300000)])
    row = (os.urandom(32), os.urandom(32), 100000)

    def end(what, stream):
        scene(what, [all_of_it, stream], greeting=False)

    def alone(what, stream):
        a = scene(what, [all_of_it, stream + msg(BYE)], ends=False, greeting=False)
        ok(f"{what}: refused, and the session goes on",
           len(a.of(FAREWELL)) == 1 and a.results(1) and DONE not in a.results(1), a.text())

    end("the rest behind nothing", one + rest(0, b""))
    end("the rest behind the end", one + rest(5, b""))
    end("the rest far behind", one + rest(MAX32, b""))
    end("the rest of what was not offered", rest(1, b"", ordinal=7))
    alone("the rest of what is not there", one + rest(2, data(junk[131072:])))
    for kind, what in ((FRAMES, "frames"), (COMPOSE, "a pack of frames")):
        bits = b"" if kind == FRAMES else b"\0"
        end(f"{what}: none", one + frames(kind, [], bits=bits))
        end(f"{what} that say too many", one + frames(kind, [row], count=MAX32, bits=bits))
        end(f"{what} that say one more", one + frames(kind, [row], count=2, bits=bits))
        end(f"{what} of what was not offered", one + frames(kind, [row], ordinal=1, bits=bits))
        end(f"{what} longer than it all", one + frames(kind, [row] * 4, bits=bits))
        end(f"{what} of 4 GiB", one + frames(kind, [(row[0], row[1], MAX32)], bits=bits))
    end("a bit too many", one + frames(COMPOSE, [row], bits=b"\2"))
    alone("frames that are not here", one + frames(COMPOSE, [row], bits=b"\0") +
          data(junk[:200000]))
    end("frames asked about without end", one + frames(FRAMES, [row]) * 5000 + msg(DATA, b"x"))

    copy = os.path.join(WORK, "poisoned")
    for body in some(ALL):
        bad = bytes(os.urandom(len(body) // 2 + 65536))[:len(body) - 1]
        serve(all_of_it + packs([(sha(body), len(body))]) + pack(0, bad), copy)
        a = serve(all_of_it + packs([(sha(body), len(body))]) + msg(BYE), copy)
        staged = a.of(STAGED)
        ok("a poisoned part is there", staged and len(staged[0]) == (
            8 if len(bad) < 65536 else 16), staged)
        if len(staged[0]) == 16:
            n, = struct.unpack_from("<I", staged[0], 12)
            a = serve(all_of_it + packs([(sha(body), len(body))]) +
                      rest(n, data(body[n << 16:])) + msg(FLUSH) + msg(BYE), copy)
            ok("gone on with it is refused", a.results(1) and DONE not in a.results(1), a.text())
    ok("and nothing of it is kept", not kept(copy), kept(copy))
    a = serve(all_of_it + whole(), copy)
    ok("then an honest sender is served", set(a.results(2)) == {DONE} and
       len([p for p in kept(copy) if p.startswith("packs")]) == len(ALL), a.text())


# --- whose turn it is, and the receiver's word -------------------------------------
def epochs():
    """No session of a liar's may take the last epoch, or name what is no service."""

    def seen():
        return {p: slurp(p) for p in files(os.path.join(COPY, "condemned"))
                if os.path.basename(p).startswith("epochs")}

    before = seen()

    def epoch(number, name=b"files"):
        return msg(EPOCH, struct.pack("<Q", number) + name)

    for number in (0, 1 << 63, MAX64):
        scene(f"epoch {number}", epoch(number))
    for name in (b"", b"../files", b"a/b", b"a\0b", b"..", b"x" * 65):
        scene(f"an epoch of {name[:8]}", epoch(1, name))
    scene("an epoch that is cut", msg(EPOCH, bytes(7)))
    scene("an epoch of 4 GiB", msg(EPOCH, length=MAX32) + bytes(100000))
    ok("none of them was believed", before == seen(), len(seen()))
    scene("epochs without end", b"".join(epoch(2, b"s%d" % i) for i in range(20000)))
    ok("names that were made up leave no trace", before == seen(), len(seen()))
    # Those of which there are snapshots each have a place, and take no other's.
    made_up = [b"made-up-%d" % i for i in range(100)]
    a = scene("services that were made up and moved",
              [hello(features=17)] + [epoch(2, n) + snap(LAST.made(service=n)) for n in made_up] +
              [msg(BYE)], new=("snapshots",), ends=False)
    ok("each of them is taken", a.results(2) == [DONE] * len(made_up), a.text())
    ok("and has a file and its twin", len(seen()) == len(before) + 2 * len(made_up), len(seen()))
    real = LAST.made(service=b"real")
    a = scene("one that is real", [hello(features=17), epoch(2, b"real") + snap(real) + msg(BYE)],
              new=("snapshots",), ends=False)
    ok("is moved after them all", a.results(2) == [DONE], a.text())
    a = scene("and fenced", [hello(features=17), epoch(1, b"real")])
    ok("by its own epoch", "fenced" in a.text(), a.text())
    a = scene("who names none is served after it", offer(2, [bytes(32)]) + msg(BYE), ends=False)
    ok("it is", len(a.of(FAREWELL)) == 1, a.text())


def words():
    """The receiver signs for what is there, and for nothing else."""
    key = os.path.join(WORK, "acknowledge.key")

    def wish(name=b"files", point=bytes(32)):
        return msg(ACKNOWLEDGE, point + name)

    def asked(name, stream, more=("--sign", key), ends=True):
        a = scene(name, [hello(features=33), stream], greeting=False, more=more, ends=ends)
        ok(f"{name}: nothing is signed", not a.of(ACKNOWLEDGED), a.msgs[-2:])
        return a

    asked("a word where none is given", wish(), more=())
    a = scene("a word nobody spoke of", wish(), more=("--sign", key))
    ok("a word nobody spoke of: nothing is signed", not a.of(ACKNOWLEDGED), a.msgs)
    for name in (b"", b"../files", b"a/b", b"..", b"x" * 65):
        asked(f"a word about {name[:8]}", wish(name))
    asked("a word that is cut", msg(ACKNOWLEDGE, bytes(31)))
    asked("a word of 4 GiB", msg(ACKNOWLEDGE, length=MAX32) + bytes(100000))
    for point in (bytes(32), os.urandom(32), sha(SNAPS[0])):
        a = asked("a word about what is not there", wish(point=point) + msg(BYE), ends=False)
        ok("it is refused", len(a.results(5)) == 1 and a.results(5)[0] not in (DONE, EXISTS),
           (a.results(5), a.text()))


# --- without end -----------------------------------------------------------------
def endless():
    def stream(part, count):
        yield hello()
        for _ in range(count):
            yield part

    many = [os.urandom(32) for _ in range(16384)]
    scene("offers without end", stream(offer(2, many), 140), greeting=False)
    scene("lists of packs without end", stream(packs([(i, 1000) for i in many[:4096]]), 100 if EVERY else 30),
          ends=False, greeting=False)
    scene("FLUSH without end", stream(msg(FLUSH) * 1000, 10 if EVERY else 3), ends=False, greeting=False)
    big = 32 << 20
    slow = packs([(os.urandom(32), big)]) + msg(PACK, bytes(4))
    scene("a byte at a time", slow + msg(DATA, b"x") * 30000, ends=False)
    noise = os.urandom(1 << 20)
    before = sum(os.path.getsize(p) for p in files(COPY))

    def flood():
        yield hello()
        for i in range(64 if EVERY else 20):
            junk = noise[:-4] + struct.pack("<I", i)
            yield packs([(sha(junk), len(junk))]) + pack(0, junk)
        yield msg(BYE)

    scene("junk without end", flood(), ends=False, greeting=False)
    after = sum(os.path.getsize(p) for p in files(COPY))
    ok("and the copy has not grown by it", after < before + (4 << 20), after - before)


def quota():
    """Junk in the right form: it cannot be told from good packs without a key."""
    def size():
        return sum(os.path.getsize(p) for p in files(os.path.join(COPY, "packs")))

    frames_of, footer = footer_of(DATA_PACKS[0])
    at = len(frames_of) - 100
    junk = [with_footer(frames_of[:at] + bytes([frames_of[at] ^ i]) + frames_of[at + 1:], footer)
            for i in range(1, 13)]
    before = size()
    most = before + 3 * len(junk[0]) + (1 << 20)
    a = scene("junk that floods the quota", b"".join(map(sent, junk)), new=("packs",),
              more=("--quota", f"{most}B"))
    ok("the quota is named", "quota" in a.text(), a.text())
    ok("and is kept", before < size() <= most, (before, size(), most))
    a = scene("then nothing more is taken", sent(junk[-1]) + msg(BYE),
              more=("--quota", "1MiB"))
    ok("no part either", not os.listdir(os.path.join(COPY, "incoming")) or size() <= most)


os.makedirs(WORK, exist_ok=True)
for act in (honest, malformed, lying_packs, lying_snapshots, clocks, epochs, words, parts, quota,
            endless):
    act()
print(f"{passed} held, {failed} did not")
sys.exit(failed > 0)
