#!/usr/bin/env python3
"""json_lines.py [--path-b64 PATH] WANTED...: are these JSON lines as promised?

Standard input: JSON lines, each an object with type, ts (RFC 3339 UTC,
nanoseconds) and v, the last and only the last of type summary.  WANTED: the types in
order, TYPE:FIELD=KIND,...  "TYPE*": any number of them.  KIND: str, int, num,
bool, list, or the value itself.  --path-b64: some line's path_b64 is that.
"""
import base64
import json
import os
import re
import sys

KINDS = {"str": str, "int": int, "num": (int, float), "bool": bool, "list": list}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def fits(value, kind):
    if kind not in KINDS:
        return str(value) == kind
    if kind in ("int", "num") and isinstance(value, bool):
        return False
    return isinstance(value, KINDS[kind])


def check_line(line, wanted):
    for field in filter(None, wanted.partition(":")[2].split(",")):
        name, _, kind = field.partition("=")
        if name not in line:
            sys.exit(f"no {name} in {line}")
        if not fits(line[name], kind):
            sys.exit(f"{name} is {line[name]!r}, not {kind}")


def read():
    lines = []
    for raw in sys.stdin.buffer:
        line = json.loads(raw.decode())
        if not (RFC3339.fullmatch(line["ts"]) and line["v"] == 1 and line["type"]):
            sys.exit(f"not a promised line: {raw!r}")
        lines.append(line)
    if [l["type"] for l in lines].index("summary") != len(lines) - 1:
        sys.exit("a summary before the last line")
    return lines


def main():
    wanted, lines = sys.argv[1:], read()
    if wanted[:1] == ["--path-b64"]:
        path = os.fsencode(wanted[1])
        if not any(base64.b64decode(l.get("path_b64", "")) == path for l in lines):
            sys.exit(f"no line has {path!r}")
        return
    at = 0
    for w in wanted:
        kind = w.partition(":")[0]
        if kind.endswith("*"):
            while at < len(lines) and lines[at]["type"] == kind[:-1]:
                check_line(lines[at], w)
                at += 1
            continue
        if at == len(lines) or lines[at]["type"] != kind:
            sys.exit(f"line {at + 1} is {lines[at:at + 1]}, not {kind}")
        check_line(lines[at], w)
        at += 1
    if at != len(lines):
        sys.exit(f"more than wanted: {lines[at]}")


main()
