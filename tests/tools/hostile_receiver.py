#!/usr/bin/env python3
"""hostile_receiver.py MODE RECORD: a `store serve --allow put` that lies.

It speaks docs/protocol/store-serve.md on its standard input and output, made from
that page and without a line of Bascule's code, as the forced command of an SSH key.
It takes what comes as the page says and keeps none of it, but for one lie, which is
MODE (or, when that is a file's name, what that file says).  All that it hears is
added to RECORD.
"""
import os
import signal
import struct
import sys
import time

(HELLO, OFFER, PACKS, PACK, DATA, FLUSH, SNAPSHOT, POINT, BYE,
 GRANT, REST, FRAMES, COMPOSE, FETCH, EPOCH, ACKNOWLEDGE) = range(1, 17)
WELCOME, WANT, SETTLED, RESULT, WORKING, FAIL, FAREWELL, STAGED, LACK, GOT = range(129, 139)
ACKNOWLEDGED = 140
MAX32, MAX64 = (1 << 32) - 1, (1 << 64) - 1
NOISE = b"\x1b[2J\x1b]0;owned\x07\x00\x9b31m\xff"

signal.alarm(90)  # whoever sleeps is not left behind
mode, record = sys.argv[1:3]
if os.path.exists(mode):
    with open(mode) as f:
        mode = f.read().strip()
log = open(record, "ab")
out = sys.stdout.buffer


def put(data):
    out.write(data)
    out.flush()


def say(kind, payload=b"", length=None):
    put(struct.pack("<IB3x", len(payload) if length is None else length, kind) + payload)


def take(n):
    data = sys.stdin.buffer.read(n)
    log.write(data)
    log.flush()
    if len(data) < n:
        sys.exit(0)
    return data


def for_ever(data):
    while True:
        put(data)


def message(kind, payload=b""):
    return struct.pack("<IB3x", len(payload), kind) + payload


def result(what, code, ordinal, text=b""):
    return struct.pack("<BBHI", what, code, 0, ordinal) + text


def wait():
    while True:
        take(1)


def sleep():
    server = os.getppid()
    while os.getppid() == server:
        time.sleep(0.1)
    sys.exit(0)


def bits(count, extra=0):
    return struct.pack("<I", count + extra) + bytes(
        sum(1 << j for j in range(8) if i * 8 + j < count + extra)
        for i in range((count + extra + 7) // 8))


def greet(features):
    if mode == "credit-0":
        return struct.pack("<8sHHIQQ", b"BscServe", 1, 0, 0, features, 1 << 27)
    if mode == "credit-all":
        return struct.pack("<8sHHIQQ", b"BscServe", 1, 0, MAX32, features, MAX64)
    if mode == "features":
        features = MAX64
    if mode == "packs-only":
        return struct.pack("<8sHHIQQ", b"BscServe", 1, 2, 64, MAX64, 1 << 27)
    if mode == "flags":
        return struct.pack("<8sHHIQQ", b"BscServe", 1, 0xfff0, 64, features, 1 << 27)
    version = 2 if mode == "version" else 1
    return struct.pack("<8sHHIQQ", b"BscServe", version, 1, 64, features, 1 << 27)


sizes, left, packs, settled, got, files = [], 0, 0, 0, 0, {}

if mode == "silence":
    wait()
elif mode == "deaf":
    sleep()
elif mode == "banner":
    put(b"Welcome to \x1b[31msouthwark\x1b[0m, last login: never\n")
    wait()
elif mode == "zeros":
    for_ever(bytes(65536))
elif mode == "noise":
    for_ever(b"\xa5\x5a\xff" * 20000)
elif mode == "stderr":
    while True:
        os.write(2, NOISE * 1000)
elif mode == "died":
    os.write(2, NOISE + b"no such thing\n" * 100000)
    os.kill(os.getpid(), 9)

while True:
    length, kind = struct.unpack("<IB3x", take(8))
    payload = take(length)
    if kind == HELLO:
        if mode == "hello":
            say(HELLO, payload)
        elif mode == "farewell":
            say(FAREWELL, struct.pack("<QQQ", MAX64, MAX64, MAX64))
        elif mode == "fail":
            say(FAIL, struct.pack("<B3x", 11) + NOISE * 80)
        elif mode == "fail-code":
            say(FAIL, struct.pack("<B3x", 255) + b"what?")
        elif mode == "fail-long":
            say(FAIL, struct.pack("<B3x", 5) + b"x" * 4000)
        elif mode == "fetch":
            say(FETCH, struct.pack("<BBHIQ16s32s", 1, 0, 0, 65536, 0, bytes(16), bytes(32)))
        elif mode == "busy":
            for_ever(message(WORKING) * 4096)
        else:
            say(WELCOME, greet(2 | 8 | 16 | 32))
    elif kind == OFFER:
        count = struct.unpack_from("<I", payload, 4)[0]
        if mode == "want-more":
            say(WANT, bits(count, 8))
        elif mode == "want-2^31":
            say(WANT, b"", 1 << 31)
            for_ever(b"\xff" * 65536)
        elif mode == "want-2^32":
            say(WANT, struct.pack("<I", MAX32) + b"\xff" * 2048)
        elif mode == "want-none":
            say(WANT, struct.pack("<I", count) + bytes((count + 7) // 8))
        else:
            say(WANT, bits(count))
    elif kind == PACKS:
        count = struct.unpack_from("<I", payload)[0]
        sizes = [struct.unpack_from("<Q", payload, 8 + i * 40 + 32)[0] for i in range(count)]
        if mode == "settled-early":
            say(SETTLED, struct.pack("<Q", 1 << 63))
        if mode == "settled-for-ever":
            for_ever(message(SETTLED, bytes(8)) * 4096)
        say(WANT, bits(count))
        if mode == "staged-far":
            say(STAGED, struct.pack("<IIII", 1, 0, MAX32, 1))
        elif mode == "staged-all":
            say(STAGED, struct.pack("<II", count, 0) +
                b"".join(struct.pack("<II", i, MAX32) for i in range(count)))
        elif mode == "staged-some":
            say(STAGED, struct.pack("<IIII", 1, 0, 0, 1))
        elif mode == "staged-2^32":
            say(STAGED, struct.pack("<II", MAX32, 0))
        else:
            say(STAGED, bytes(8))
        if mode == "lack":
            say(LACK, struct.pack("<II", 0, 4096) + b"\xff" * 512)
        elif mode == "acknowledged":
            for_ever(message(ACKNOWLEDGED, NOISE * 100))
    elif kind in (PACK, REST):
        ordinal, block = struct.unpack("<II", payload.ljust(8, b"\0"))
        left = sizes[ordinal] - block * 65536
        if mode == "result-far":
            say(RESULT, result(1, 9, MAX32, NOISE))
        elif mode == "stops-reading":
            sleep()
        elif mode == "deaf-and-loud":
            os.close(0)
            for_ever(message(SETTLED, bytes(8)) * 4096)
    elif kind == DATA:
        left, got = left - length, got + length
        if mode == "got-more":
            say(GOT, struct.pack("<Q", 1 << 63))
        elif mode == "got-for-ever":
            for_ever(message(GOT, bytes(8)) * 4096)
        elif mode != "got-never":
            say(GOT, struct.pack("<Q", got))
        if left == 0:
            packs += 1
            if mode == "result-again":
                for_ever(message(RESULT, result(1, 9, 0, NOISE)) * 1024)
            elif mode == "no-pack":
                say(RESULT, result(1, 9, packs - 1, NOISE))
    elif kind == FLUSH:
        if mode == "never-settled":
            wait()
        settled = packs
        say(SETTLED, struct.pack("<Q", settled + (1 if mode == "settled-more" else 0)))
    elif kind in (SNAPSHOT, POINT, GRANT):
        what = {SNAPSHOT: 2, POINT: 3, GRANT: 4}[kind]
        n = files.get(what, 0)
        files[what] = n + 1
        if mode == "snapshot-far":
            n = MAX32
        elif mode == "no-snapshot" and what == 2:
            say(RESULT, result(what, 5, n, NOISE * 20))
            continue
        say(RESULT, result(what, 77 if mode == "result-code" else 0, n))
    elif kind == ACKNOWLEDGE:
        if mode == "ack-long":
            say(ACKNOWLEDGED, b"x" * 5000)
        else:
            say(ACKNOWLEDGED, NOISE * 100)
    elif kind == BYE:
        if mode == "farewell-none":
            wait()
        say(FAREWELL, struct.pack("<QQQ", packs, MAX64, MAX64))
        sys.exit(0)
