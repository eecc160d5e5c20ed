#!/usr/bin/env python3
"""Make one file of a repository one that a newer version wrote.

    newer.py REPO pack|segment|manifest|snapshot|point|format [--torn|--older]

The version in its head goes up and its hash is made right again, the name too
where the name is the hash; MANIFEST follows a renamed segment.  --torn leaves
the hash as it was: what a flipped bit makes.  --older: the version goes down.
"""
import glob
import hashlib
import os
import struct
import sys

HEAD_VERSION, HASH = 10, 32
PLACES = {"pack": "packs/*/*", "segment": "index/" + "?" * 64,
          "manifest": "index/MANIFEST", "snapshot": "snapshots/*/*",
          "point": "points/*/*", "format": "format*"}


def put(path, data):
    os.chmod(path, 0o600)
    with open(path, "wb") as f:
        f.write(data)


def sealed(data):
    """With its own hash behind it, as MANIFEST and format have."""
    return data[:-HASH] + hashlib.sha256(data[:-HASH]).digest()


def newer(repo, kind, step, torn):
    paths = sorted(glob.glob(os.path.join(repo, PLACES[kind])))
    assert paths, "no such file: " + kind
    for path in paths if kind == "format" else paths[:1]:
        with open(path, "rb") as f:
            data = bytearray(f.read())
        was, = struct.unpack_from("<H", data, HEAD_VERSION)
        struct.pack_into("<H", data, HEAD_VERSION, was + step)
        if torn:
            put(path, data)
        elif kind in ("manifest", "format"):
            put(path, sealed(bytes(data)))
        else:
            rename(repo, path, data)


def rename(repo, path, data):
    name = hashlib.sha256(data).hexdigest()
    old = bytes.fromhex(os.path.basename(path))
    folder = os.path.dirname(path)
    if "/packs/" in path:
        folder = os.path.join(repo, "packs", name[:2])
        os.makedirs(folder, exist_ok=True)
    else:
        os.unlink(path)  # a pack stays: MANIFEST's segments name it
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)
    manifest = os.path.join(repo, "index", "MANIFEST")
    with open(manifest, "rb") as f:
        listed = f.read()
    if "/index/" in path:
        put(manifest, sealed(listed.replace(old, bytes.fromhex(name))))


newer(sys.argv[1], sys.argv[2], -1 if "--older" in sys.argv[3:] else 1,
      "--torn" in sys.argv[3:])
