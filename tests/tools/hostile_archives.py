#!/usr/bin/env python3
"""hostile_archives.py BASCULE WORK [every]: archives made to do harm.

The patterns that are publicly known (zip slip, links and then files through
them, bombs, lies in headers, names that come twice), in tar, zip, cpio and 7z,
each with what is to become of it: the exit code of import, and what the snapshot
then holds.  None may end it by a signal, hang it, or need more than MEMORY_MIB.
Restored they leave nothing outside.  every: also cut and flipped at many places.
"""
import gzip
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
import zlib

MEMORY_MIB, TIMEOUT_S = 200, 60
# A sanitizer keeps what was freed, 256 MiB of it: 4,096 attributes, each of which
# made their list longer, are 19 MiB without one, 509 with it, 59 with 1 MiB kept.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": ":".join(filter(None, (
    os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=16")))}
F, D, S, L = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
BROKEN, PARTIAL, WHOLE, REFUSED = 1, 3, 0, 15
GOOD = ("good", F, "", b"x")
END = bytes(1024)


warnings.simplefilter("ignore")   # of names that come twice


# --- tar

def header(name, kind=F, link="", size=0, **fields):
    """One block; at124=BYTES: these at that place."""
    m = tarfile.TarInfo(name)
    m.type, m.linkname, m.size = kind, link, size
    block = bytearray(m.tobuf(tarfile.GNU_FORMAT))[-512:]
    for at, raw in fields.items():
        at = int(at[2:])
        block[at:at + len(raw)] = raw
    return checked(block)


def checked(block):
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def tar(*members):
    out = b""
    for name, kind, link, data in members:
        out += header(name, kind, link, len(data)) + padded(data)
    return out + END


def pax(*records, raw=b"", name="good", data=b"x", kind=b"x"):
    """A member with these pax records before it."""
    body = raw
    for key, value in records:
        value = value if isinstance(value, bytes) else value.encode()
        rest = b" " + key.encode() + b"=" + value + b"\n"
        size = len(rest) + 1
        while len(b"%d" % size) + len(rest) != size:
            size += 1
        body += b"%d" % size + rest
    return (header("PaxHeader", kind, "", len(body)) + padded(body) +
            header(name, F, "", len(data)) + padded(data) + END)


def number(value, size=12):
    """GNU's base-256."""
    data = bytearray((value % (1 << 8 * size)).to_bytes(size, "big"))
    data[0] |= 0x80
    return bytes(data)


def old_sparse(real, *pieces, data=b""):
    """A header of GNU's old sparse format: pieces of (offset, size)."""
    fields = {}
    for i, (offset, size) in enumerate(pieces):
        fields[f"at{386 + 24 * i}"] = number(offset) + number(size)
    return header("sparse", b"S", "", len(data), at483=number(real), **fields) + \
        padded(data) + tar(GOOD)


def long_name(claimed, name=b"n" * 300):
    return header("././@LongLink", b"L", at124=b"%011o\0" % claimed) + \
        padded(name + b"\0") + tar(GOOD)


# --- zip, cpio

def zipped(*members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, kind, link, data in members:
            info = zipfile.ZipInfo("x", (2020, 1, 1, 0, 0, 0))
            info.filename, info.create_system = name, 3
            info.compress_type = method
            mode = {F: 0o100644, S: 0o120777, D: 0o040755}[kind]
            info.external_attr = mode << 16 | (16 if kind == D else 0)
            z.writestr(info, link.encode() if kind == S else data)
    return out.getvalue()


def replaced(data, old, new, count=-1):
    assert old in data
    return data.replace(old, new, count)


def overlapping(count, kernel_bytes):
    """Fifield's: every entry's data runs through all the headers behind it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = packer.compress(bytes(kernel_bytes)) + packer.flush()
    crc = zlib.crc32(bytes(kernel_bytes))
    files, central, size, raw = [], b"", len(kernel), kernel_bytes
    for i in range(count):
        name = b"b%06d" % i
        local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0x21, crc, size,
                            raw, len(name), 0) + name
        files.append((name, local))
    offset, body = 0, b""
    for name, local in files:
        central += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0x21,
                               crc, size, raw, len(name), 0, 0, 0, 0, 0, offset) + name
    body = files[0][1] + kernel
    return body + central + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count,
                                        len(central), len(body), 0)


def cpio(*members, magic=b"070701"):
    out = b""
    for name, mode, size, data, *rest in members:
        nlink = rest[0] if rest else 1
        namesize = rest[1] if len(rest) > 1 else len(name) + 1
        fields = [1, mode, 0, 0, nlink, 0, size, 0, 0, 0, 0, namesize, 0]
        text = magic + b"".join(b"%08X" % (f & 0xffffffff) for f in fields)
        text += name + b"\0"
        text += bytes(-len(text) % 4)
        out += text + data + bytes(-len(data) % 4)
    if magic == b"070701":
        out += magic + b"0" * 88 + b"0000000B" + b"0" * 8 + b"TRAILER!!!\0\0\0\0"
    return out


def odc(name, size, data=b""):
    return (b"070707" + b"000001" * 2 + b"100644" + b"000000" * 2 + b"000001" +
            b"000000" + b"0" * 11 + b"%06o" % (len(name) + 1) + size + name +
            b"\0" + data)


def made_by_bsdtar(work, kind, *names):
    folder = f"{work}/in"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in names:
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write("x" * 3000)
    subprocess.run(["bsdtar", "-C", folder, "--format", kind, "-s", ",evil,../evil,",
                    "-cPf", f"{work}/made", *names], check=True)
    with open(f"{work}/made", "rb") as f:
        data = f.read()
    os.unlink(f"{work}/made")
    shutil.rmtree(folder)
    return data


# --- all of them: name, archive, exit codes, what is kept (None: whatever)

def tar_cases():
    yield "dots", tar(("../up", F, "", b"x"), ("a/../../b", F, "", b"x"),
                      ("..", D, "", b""), GOOD), PARTIAL, {"good"}
    yield "absolute", tar(("/etc/passwd", F, "", b"x"), ("//x", F, "", b"x")), \
        PARTIAL, {"etc", "etc/passwd", "x"}
    yield "dots_inside", tar(("a/./b//c", F, "", b"x"), ("./", D, "", b"")), WHOLE, \
        {"a", "a/b", "a/b/c", ""}
    yield "through_link", tar(("out", S, "/tmp", b""), ("out/evil", F, "", b"x"), GOOD), \
        PARTIAL, {"out", "good"}
    yield "through_links", tar(("a", S, "b", b""), ("b", S, "/etc", b""),
                               ("a/x", F, "", b"x"), ("b/y", F, "", b"x")), PARTIAL, {"a", "b"}
    yield "dir_becomes_link", tar(("d", D, "", b""), ("d", S, "/tmp", b""),
                                  ("d/evil", F, "", b"x")), PARTIAL, {"d"}
    yield "link_becomes_dir", tar(("d", S, "/tmp", b""), ("d/", D, "", b""),
                                  ("d/f", F, "", b"x")), PARTIAL, {"d", "d/f"}
    yield "hard_to_outside", tar(("a", L, "/etc/passwd", b""), ("b", L, "../x", b""), GOOD), \
        PARTIAL, {"good"}
    yield "hard_to_link", tar(("s", S, "/etc/passwd", b""), ("h", L, "s", b"")), WHOLE, \
        {"s", "h"}
    yield "hard_to_link_then_file", tar(("s", S, "/etc/passwd", b""), ("h", L, "s", b""),
                                        ("h", F, "", b"evil")), PARTIAL, {"s", "h"}
    yield "hard_to_itself", tar(("c", L, "c", b""), GOOD), PARTIAL, {"good"}
    yield "hard_ring", tar(("a", L, "b", b""), ("b", L, "a", b""), GOOD), PARTIAL, {"good"}
    yield "hard_to_dir", tar(("d", D, "", b""), ("h", L, "d", b""), GOOD), PARTIAL, {"d", "good"}
    yield "hard_to_later", tar(("h", L, "f", b""), ("f", F, "", b"x")), WHOLE, {"h", "f"}
    yield "twice", tar(("a", F, "", b"1"), ("./a", F, "", b"2")), PARTIAL, {"a"}
    yield "file_and_folder", tar(("a", F, "", b"1"), ("a/b", F, "", b"2")), PARTIAL, {"a"}
    yield "root_file", tar((".", F, "", b"1"), GOOD), PARTIAL, {"good"}
    yield "long_part", pax(("path", "y" * 256))[:-1024] + tar(GOOD), PARTIAL, {"good"}
    yield "many_parts", pax(("path", "a/" * 40000 + "f")) [:-1024] + tar(("g", F, "", b"x")), \
        PARTIAL, {"g"}
    yield "odd_names", tar(("a\nb", F, "", b"x"), ("\x1b[31m", F, "", b"x")), WHOLE, None
    yield "devices", tar(("n", tarfile.CHRTYPE, "", b""), ("p", tarfile.FIFOTYPE, "", b"")), \
        WHOLE, {"n", "p"}
    yield "wrong_sum", header("a")[:148] + b"000000\0 " + header("a")[156:] + END, BROKEN, None
    yield "no_end", tar(GOOD)[:-1024], WHOLE, {"good"}
    yield "two_behind_each_other", tar(GOOD) + tar(("second", F, "", b"")), WHOLE, {"good"}
    yield "kind_unknown", header("z", b"Z") + tar(GOOD), (WHOLE, PARTIAL), None
    for kind in b"7DMNVS":
        yield f"kind_{kind:c}", header("k", bytes([kind])) + tar(GOOD), \
            (WHOLE, PARTIAL, BROKEN), None
    yield "8gib_of_nothing", header("a", at124=number(8 << 30)) + bytes(512), BROKEN, None
    yield "octal_full", header("a", at124=b"7" * 12) + bytes(512), BROKEN, None
    yield "size_negative", header("a", at124=b"\xff" * 12) + tar(GOOD), (BROKEN, PARTIAL), None
    yield "size_2_63", header("a", at124=number(1 << 63)) + tar(GOOD), BROKEN, None
    yield "size_max", header("a", at124=number((1 << 63) - 1)) + tar(GOOD), BROKEN, None
    yield "uid_negative", header("a", at108=number(-2, 8)) + END, (WHOLE, PARTIAL), {"a"}
    yield "time_far", header("a", at136=number(1 << 62)) + END, (WHOLE, PARTIAL), {"a"}
    yield "time_before", header("a", at136=number(-1 << 62)) + END, (WHOLE, PARTIAL), {"a"}
    yield "mode_odd", header("a", at100=b"7777777\0") + END, (WHOLE, PARTIAL), {"a"}
    yield "long_name_1gib", long_name(1 << 30), BROKEN, None
    yield "long_name_cut", long_name(400)[:700], BROKEN, None
    yield "long_name_twice", header("././@LongLink", b"L", at124=b"%011o\0" % 3) + \
        padded(b"aa\0") + long_name(301), (WHOLE, PARTIAL, BROKEN), None


def sparse_cases():
    yield "sparse_fits", old_sparse(10000, (512, 512), data=b"d" * 512), WHOLE, {"sparse", "good"}
    for name, case in {
            "beyond": old_sparse(1000, (5000, 512), data=b"d" * 512),
            "overlap": old_sparse(9000, (0, 512), (256, 512), data=b"d" * 1024),
            "back": old_sparse(9000, (4096, 512), (0, 512), data=b"d" * 1024),
            "negative": old_sparse(9000, (-512, 512), data=b"d" * 512),
            "long": old_sparse(9000, (0, 1 << 62), data=b"d" * 512),
            "far": old_sparse((1 << 63) - 1, ((1 << 63) - 1024, 512), data=b"d" * 512),
            "more": old_sparse(9000, (0, 8192), data=b"d" * 512),
            "less": old_sparse(9000, (0, 16), data=b"d" * 512)}.items():
        yield f"sparse_{name}", case, (WHOLE, PARTIAL, BROKEN), None
    one = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"),
           ("GNU.sparse.name", "sparse")]
    for name, real, data in (
            ("map_claims", "1000", b"999999999\n"), ("map_text", "1000", b"x\ny\n"),
            ("map_endless", "1000", b"1" * 4096), ("map_negative", "1000", b"1\n-5\n512\n"),
            ("map_overflow", "1000", b"1\n9223372036854775807\n512\n"),
            ("real_huge", "9223372036854775807", b"1\n0\n512\n"),
            ("real_over", "92233720368547758070", b"1\n0\n512\n"),
            ("real_negative", "-1", b"1\n0\n512\n")):
        yield f"sparse1_{name}", pax(*one, ("GNU.sparse.realsize", real),
                                     data=padded(data) + b"d" * 512), \
            (WHOLE, PARTIAL, BROKEN), None
    yield "sparse0_pairs", pax(("GNU.sparse.size", "99"), ("GNU.sparse.numblocks", "70000"),
                               ("GNU.sparse.map", "0,1,5,1," * 500)), \
        (WHOLE, PARTIAL, BROKEN), None
    yield "sparse0_no_size", pax(("GNU.sparse.map", "0,1")), (WHOLE, PARTIAL, BROKEN), None
    yield "sparse_name_out", pax(*one[:2], ("GNU.sparse.name", "../../evil"),
                                 ("GNU.sparse.realsize", "512"),
                                 data=padded(b"1\n0\n512\n") + b"d" * 512) , PARTIAL, None


def pax_cases():
    yield "pax_name_out", pax(("path", "../evil"))[:-1024] + tar(("g", F, "", b"")), PARTIAL, {"g"}
    yield "pax_name_empty", pax(("path", "")), (WHOLE, PARTIAL), None
    yield "pax_name_nul", pax(("path", b"a\0../b")), (WHOLE, PARTIAL), None
    yield "pax_link_out", pax(("linkpath", "/etc/passwd")), (WHOLE, PARTIAL), {"good"}
    yield "pax_size_more", pax(("size", "99999999999")), BROKEN, None
    yield "pax_size_negative", pax(("size", "-1")), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_size_text", pax(("size", "1e9")), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_size_over", pax(("size", "9" * 40)), BROKEN, None
    for value in ("nan", "1e400", "99999999999999999999", "-99999999999999999999",
                  "1.99999999999999", "-0.5", "."):
        yield f"pax_mtime_{value}", pax(("mtime", value)), (WHOLE, PARTIAL), {"good"}
    yield "pax_uid_over", pax(("uid", "99999999999")), PARTIAL, {"good"}
    yield "pax_uid_negative", pax(("uid", "-1")), (WHOLE, PARTIAL), {"good"}
    yield "pax_uname_long", pax(("uname", "u" * 5000)), PARTIAL, {"good"}
    yield "pax_length_lies", pax(raw=b"5 path=abcdef\n"), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_length_huge", pax(raw=b"99999999999 path=a\n"), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_length_zero", pax(raw=b"0 path=a\n"), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_no_equals", pax(raw=b"8 patha\n"), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_head_1gib", header("P", b"x", at124=b"%011o\0" % (1 << 30)) + tar(GOOD), \
        BROKEN, None
    yield "pax_alone", pax(("path", "a"))[:1024] + END, (WHOLE, PARTIAL, BROKEN), None
    yield "pax_chain", b"".join(pax(("comment", str(i)))[:1024] for i in range(200)) + \
        tar(GOOD), (WHOLE, PARTIAL, BROKEN), None
    yield "pax_global_name", pax(("path", "../evil"), kind=b"g"), (WHOLE, PARTIAL), None
    yield "pax_xattr_name", pax(("SCHILY.xattr.", "v"), ("SCHILY.xattr." + "n" * 300, "v"),
                                ("LIBARCHIVE.xattr.user.%zz", "!!!")), (WHOLE, PARTIAL), {"good"}
    yield "pax_xattr_long", pax(("SCHILY.xattr.user.x", "v" * 70000)), PARTIAL, {"good"}
    yield "pax_xattr_many", pax(*((f"SCHILY.xattr.user.{i}", "v") for i in range(5000))), \
        PARTIAL, {"good"}
    yield "pax_acl", pax(("SCHILY.acl.access", "user:nobody-at-all:rwx,x:y,,"),
                         ("SCHILY.acl.default", "u::rwx" * 2000)), (WHOLE, PARTIAL), {"good"}
    yield "pax_flags", pax(("SCHILY.fflags", "immutable,nonsense,append")), (WHOLE, PARTIAL), {"good"}
    yield "pax_utf8_bad", pax(("path", b"\xff\xfe\xc0\x80")), (WHOLE, PARTIAL), None
    yield "pax_device", pax(("SCHILY.devmajor", "99999999999"), ("SCHILY.devminor", "-1")), \
        (WHOLE, PARTIAL), None


def zip_cases():
    yield "zip_slip", zipped(("../evil", F, "", b"x"), ("a/../../evil", F, "", b"x"),
                             GOOD), PARTIAL, {"good"}
    yield "zip_absolute", zipped(("/etc/passwd", F, "", b"x")), PARTIAL, {"etc", "etc/passwd"}
    yield "zip_backslash", zipped(("..\\evil", F, "", b"x"), ("C:\\x", F, "", b"x")), \
        (WHOLE, PARTIAL), None
    yield "zip_through_link", zipped(("out", S, "/tmp", b""), ("out/evil", F, "", b"x")), \
        PARTIAL, {"out"}
    yield "zip_twice", zipped(("a", F, "", b"1"), ("a", F, "", b"2")), PARTIAL, {"a"}
    yield "zip_link_long", zipped(("l", S, "t" * 70000, b"")), (PARTIAL, BROKEN), None
    yield "zip_link_empty", zipped(("l", S, "", b""), GOOD), (PARTIAL, WHOLE), None
    two = zipped(GOOD, method=zipfile.ZIP_STORED)
    at = two.rindex(b"PK\1\2")
    yield "zip_two_names", two[:at] + two[at:].replace(b"good", b"../x"), (WHOLE, PARTIAL, BROKEN), None
    body = zipped(("a", F, "", b"z" * 5000))
    at = body.rindex(b"PK\1\2")
    for name, size in (("zero", 0), ("huge", 0xfffffffe), ("less", 10)):
        lied = body[:at + 24] + struct.pack("<I", size) + body[at + 28:]
        lied = lied[:22] + struct.pack("<I", size) + lied[26:]
        yield f"zip_size_{name}", lied, (WHOLE, PARTIAL, BROKEN), None
    yield "zip_sum", replaced(body, struct.pack("<I", zlib.crc32(b"z" * 5000)), b"\1\2\3\4"), \
        (PARTIAL, BROKEN), None
    yield "zip_locked", body[:6] + b"\1" + body[7:at + 8] + b"\1" + body[at + 9:], \
        (PARTIAL, BROKEN), None
    yield "zip_entries_1e9", body[:-22] + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535,
                                                      len(body) - at - 22, at, 0), \
        (WHOLE, PARTIAL, BROKEN), None
    yield "zip_overlapping", overlapping(3000, 2 << 20), (WHOLE, REFUSED, BROKEN), None
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z, z.open("bomb", "w") as f:
        for _ in range(160):
            f.write(bytes(1 << 20))
    # Deflate packs a thousand to one at most: within what is allowed, unless less is.
    yield "zip_bomb", bomb.getvalue(), REFUSED, None, ["--max-size", "100MiB"]
    yield "zip_in_zip", zipped(("inner.zip", F, "", bomb.getvalue())), WHOLE, {"inner.zip"}
    nested = tar(GOOD)
    for _ in range(40):
        nested = gzip.compress(nested, 1)
    yield "gzip_40_times", nested, (BROKEN, WHOLE), None


def cpio_cases():
    reg, link = 0o100644, 0o120777
    yield "cpio_out", cpio((b"../evil", reg, 1, b"x"), (b"/abs", reg, 1, b"x"),
                           (b"good", reg, 1, b"x")), PARTIAL, {"abs", "good"}
    yield "cpio_through_link", cpio((b"out", link, 4, b"/tmp"), (b"out/evil", reg, 1, b"x")), \
        PARTIAL, {"out"}
    yield "cpio_size_4gib", cpio((b"a", reg, 0xffffffff, b"")), BROKEN, None
    yield "cpio_link_4gib", cpio((b"a", link, 0xfffffff0, b"x")), BROKEN, None
    yield "cpio_name_0", cpio((b"", reg, 0, b"", 1, 0)), (WHOLE, PARTIAL, BROKEN), None
    yield "cpio_name_4gib", cpio((b"a", reg, 0, b"", 1, 0xffffffff)), BROKEN, None
    yield "cpio_name_no_end", cpio((b"a", reg, 0, b"", 1, 1)), (WHOLE, PARTIAL, BROKEN), None
    yield "cpio_links_no_content", cpio((b"a", reg, 0, b"", 2), (b"b", reg, 0, b"", 2)), \
        (WHOLE, PARTIAL), {"a", "b"}
    yield "cpio_hex", b"070701" + b"-000000G" * 13 + b"a\0", BROKEN, None
    yield "cpio_odc_negative", odc(b"a", b"-0000000001"), BROKEN, None
    yield "cpio_odc_8gib", odc(b"a", b"7" * 11, b"x"), BROKEN, None
    yield "cpio_kind_0", cpio((b"a", 0o644, 1, b"x"), (b"good", reg, 1, b"x")), \
        (WHOLE, PARTIAL), None


def other_cases(work):
    seven = made_by_bsdtar(work, "7zip", "evil", "good")
    yield "7z_out", seven, PARTIAL, {"good"}
    yield "7z_empty", seven[:8] + struct.pack("<I", zlib.crc32(bytes(20))) + bytes(20), (BROKEN, WHOLE), None
    for part in (20, 40, 80, len(seven) // 2, len(seven) - 1):
        yield f"7z_cut_{part}", seven[:part], BROKEN, None
    yield "7z_head_far", seven[:12] + struct.pack("<Q", 1 << 62) + seven[20:], BROKEN, None
    yield "7z_head_long", seven[:20] + struct.pack("<Q", 1 << 40) + seven[28:], \
        (PARTIAL, BROKEN), None
    yield "empty", b"", BROKEN, None
    yield "zeros", bytes(10240), BROKEN, None
    yield "text", b"hello\n" * 500, BROKEN, None
    yield "mtree", b"#mtree\n./shadow type=file content=/etc/shadow\n", BROKEN, None


def mangled(cases, rng):
    """Each cut and flipped at some places."""
    for name, data, *_ in cases:
        if len(data) > 100000 or not data:
            continue
        for i in range(3):
            yield f"{name}_cut{i}", data[:rng.randrange(len(data))], None, None
        for i in range(6):
            bent = bytearray(data)
            for _ in range(rng.choice((1, 1, 3))):
                bent[rng.randrange(min(len(bent), 1600))] ^= 1 << rng.randrange(8)
            yield f"{name}_flip{i}", bytes(bent), None, None


class Ground:
    def __init__(self, bascule, work):
        self.bascule, self.work, self.repo = bascule, work, f"{work}/repo"
        self.passed = self.failed = 0
        self.kept = {}  # what each snapshot holds; None: whatever

    def judge(self, name, wrong):
        if wrong:
            self.failed += 1
            print(f"not ok {name}: {wrong}", flush=True)
        else:
            self.passed += 1

    def call(self, *words):
        """(exit code, peak MiB, stdout, stderr)"""
        with open(f"{self.work}/out", "w+b") as out, open(f"{self.work}/err", "w+b") as err:
            child = subprocess.Popen(["timeout", str(TIMEOUT_S), self.bascule, "-r", self.repo,
                                      *words], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                     env=ENVIRONMENT)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            return child.returncode, usage.ru_maxrss >> 10, out.read(), err.read()

    def case(self, name, data, codes, kept, options=()):
        with open(f"{self.work}/archive", "wb") as f:
            f.write(data)
        code, peak, out, err = self.call("import", "--dataset", name, *options,
                                         f"{self.work}/archive")
        codes = (codes,) if isinstance(codes, int) else codes
        wrong = None
        if code not in (codes or (0, 1, 3, 15)):
            wrong = f"exit code {code}, {(out + err)[-400:]!r}"
        elif peak > MEMORY_MIB:
            wrong = f"{peak} MiB"
        elif code != 0 and not err:
            wrong = f"exit code {code}, and not a word"
        self.judge(name, wrong)
        if code in (WHOLE, PARTIAL):
            self.kept[name] = kept
    def look(self):
        """Each snapshot holds what is expected, and only those are there."""
        _, _, out, _ = self.call("--json", "snapshots")
        there = {json.loads(l)["dataset"] for l in out.splitlines() if b'"dataset"' in l}
        self.judge("what was refused is no snapshot", there ^ set(self.kept))
        _, _, out, _ = self.call("--json", "find", "--every", "*")
        got = {name: set() for name in there}
        for line in map(json.loads, out.splitlines()):
            if line["type"] == "entry":
                got[line["dataset"]].add(line["path"].lstrip("/"))
        for name, kept in self.kept.items():
            if kept is not None:
                self.judge(f"{name} keeps", got[name] - {""} != kept - {""} and got[name])

    def restored(self, names):
        """Nothing of any of them is outside."""
        os.makedirs(f"{self.work}/cage/inner")
        for name in names:
            code, _, _, err = self.call("restore", f"latest:local/{name}", "--to",
                                        f"{self.work}/cage/inner/{len(name)}{name[:60]}")
            self.judge(f"{name} restored", code not in (0, 3) and f"{code} {err[-300:]!r}")
        outside = set(os.listdir(f"{self.work}/cage")) - {"inner"}
        outside |= set(os.listdir(self.work)) - {"cage", "repo", "repo.key", "repo.key.escrow",
                                                 "out", "err", "archive", "state"}
        outside |= {"/tmp/evil"} & {p for p in ("/tmp/evil",) if os.path.lexists(p)}
        self.judge("restored, nothing is outside", outside)


def main():
    ground = Ground(sys.argv[1], os.path.abspath(sys.argv[2]))
    rng = random.Random(int(os.environ.get("SEED", "1")))
    ground.call("init")
    cases = [*tar_cases(), *sparse_cases(), *pax_cases(), *zip_cases(), *cpio_cases(),
             *other_cases(ground.work)]
    for case in cases:
        ground.case(*case)
    if "every" in sys.argv:
        for case in mangled(cases, rng):
            ground.case(*case)
    ground.look()
    ground.restored(c[0] for c in cases if c[3] is not None and
                    any(w in c[0] for w in ("link", "out", "hard", "abs", "slip", "twice")))
    code, _, out, err = ground.call("check", "--open")
    ground.judge("the repository is whole", code != 0 and out + err)
    print(f"{ground.passed} passed, {ground.failed} failed")
    sys.exit(ground.failed > 0)


main()
