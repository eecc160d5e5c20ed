#!/usr/bin/env python3
"""An SFTP server that lies, on standard input and output.

    ForceCommand python3 hostile_sftp.py

What it shows depends on the path; nothing of it is on any disk:

    /names/N    one impossible name: 0 '..', 1 'a/b', 2 empty, 3 with a NUL,
                4 of 255 bytes and one more, 5 of 5000 bytes
    /twice      names twice and in no order
    /deep       a directory in a directory in a directory, without an end
    /endless    a listing without an end
    /huge       a file of 2^64 - 1 bytes
    /short      a file of 2^62 bytes that has 10
    /generous   a file of 100 bytes that gives more than is asked for, for ever
    /restless   a file that is another whenever it is asked for
    /mute       names without attributes, which nobody can ask for
    /odd        a name that is nothing known
    /elsewhere  a directory that is really another
    /faithful   a file of 3 MB, all '.', and one of 5 bytes
"""
import struct
import sys

DIR, FILE, ODD = 0o40755, 0o100644, 0o160000
data_in, data_out = sys.stdin.buffer, sys.stdout.buffer
handles, calls = {}, [0]


def text(b):
    return struct.pack(">I", len(b)) + b


def attrs(mode, size=0, mtime=1500000000):
    # size, owner, permissions, times
    return struct.pack(">IQIIIII", 1 | 2 | 4 | 8, size, 0, 0, mode, mtime, mtime)


def send(kind, number, body):
    packet = bytes([kind]) + struct.pack(">I", number) + body
    data_out.write(struct.pack(">I", len(packet)) + packet)


def status(number, code):
    send(101, number, struct.pack(">I", code) + text(b"said") + text(b""))


def entry(name, a):
    return text(name) + text(b"long " + name) + a


def what(path):
    """Its attributes, or None."""
    calls[0] += 1
    first, _, rest = path.lstrip(b"/").partition(b"/")
    if first == b"mute" and rest:
        return struct.pack(">I", 0)
    if not rest or path == b"/elsewhere/in" or path.startswith((b"/deep", b"/names")):
        return attrs(DIR)
    return {
        b"huge": attrs(FILE, 2**64 - 1),
        b"short": attrs(FILE, 2**62),
        b"generous": attrs(FILE, 100),
        b"restless": attrs(FILE, 100 + calls[0]),
        b"odd": attrs(ODD),
        b"faithful": attrs(FILE, 3000000 if rest == b"large" else 5),
    }.get(first, attrs(FILE, 1))


NAMES = [b"..", b"a/b", b"", b"a\0b", b"n" * 256, b"n" * 5000]
SINGLE = {b"huge": [b"file"], b"short": [b"file"], b"generous": [b"file"],
          b"restless": [b"file"], b"mute": [b"file"], b"odd": [b"file"],
          b"elsewhere": [b"in"], b"faithful": [b"small", b"large"],
          b"twice": [b"b", b"a", b"c", b"a", b"b", b"b"]}


def listing(path, turn):
    """The entries of one answer, or None at the end."""
    first, _, rest = path.lstrip(b"/").partition(b"/")
    if first == b"endless":
        return [entry(b"%d-%d" % (turn, i), attrs(FILE, 1)) for i in range(500)]
    if turn > 0:
        return None
    if path == b"/":
        return [entry(b"top", attrs(DIR))]
    if first == b"names" and rest:
        return [entry(b"before", attrs(FILE)),
                entry(NAMES[int(rest)], attrs(FILE))]
    if first == b"deep":
        return [entry(b"d", attrs(DIR))]
    return [entry(n, what(path + b"/" + n)) for n in SINGLE.get(first, [])]


def take(body, at):
    n = struct.unpack_from(">I", body, at)[0]
    return body[at + 4:at + 4 + n], at + 4 + n


def answer(kind, number, body):
    first, at = take(body, 4)
    if kind in (3, 11):  # OPEN, OPENDIR
        handle = b"h%d" % len(handles)
        handles[handle] = [first, 0]
        send(102, number, text(handle))
    elif kind == 4:
        handles.pop(first, None)
        status(number, 0)
    elif kind == 5:
        offset, length = struct.unpack_from(">QI", body, at)
        path = handles[first][0]
        size = 10 if b"/short" in path else 3000000 if b"large" in path else 5
        if b"/generous" in path:
            send(103, number, text(b"x" * length))
        elif offset >= size:
            status(number, 1)
        else:
            send(103, number, text(b"." * min(length, size - offset)))
    elif kind == 8:
        send(105, number, what(handles[first][0]))
    elif kind in (7, 17):
        send(105, number, what(first))
    elif kind == 12:
        state = handles[first]
        names = listing(state[0], state[1])
        state[1] += 1
        if names is None:
            status(number, 1)
        else:
            send(104, number, struct.pack(">I", len(names)) + b"".join(names))
    elif kind == 16:
        real = first.rstrip(b"/") or b"/"
        if real == b"/elsewhere/in":
            real = b"/etc"
        send(104, number, struct.pack(">I", 1) + entry(real, attrs(DIR)))
    else:
        status(number, 8)


def main():
    while True:
        head = data_in.read(4)
        if len(head) < 4:
            return
        packet = data_in.read(struct.unpack(">I", head)[0])
        if packet[0] == 1:
            hello = bytes([2]) + struct.pack(">I", 3)
            data_out.write(struct.pack(">I", len(hello)) + hello)
        else:
            answer(packet[0], struct.unpack_from(">I", packet, 1)[0], packet[1:])
        data_out.flush()


main()
