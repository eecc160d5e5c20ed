#!/usr/bin/env python3
"""json_schema.py SCHEMA FILE: is every line of FILE as the schema says?

Knows as much of JSON Schema as the schema uses, and refuses the rest.  It is
stricter than the schema: a field that is not in it is an error here, so that
nothing is added to an output and forgotten in docs/schema.
"""
import json
import re
import sys

TYPES = {"string": str, "boolean": bool, "object": dict, "array": list,
         "null": type(None), "number": (int, float), "integer": int}
KNOWN = {"$ref", "description", "type", "const", "enum", "pattern", "minimum",
         "maximum", "required", "properties", "additionalProperties", "items"}


class Wrong(Exception):
    pass


def is_a(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def check(value, want, defs, where):
    if "$ref" in want:
        return check(value, defs[want["$ref"].removeprefix("#/$defs/")], defs, where)
    if not KNOWN >= want.keys():
        raise Wrong(f"{where}: the schema says more than this reads")
    types = want.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_a(value, t) for t in types):
        raise Wrong(f"{where} is {value!r}, not {' or '.join(types)}")
    if "const" in want and value != want["const"]:
        raise Wrong(f"{where} is {value!r}, not {want['const']!r}")
    if "enum" in want and value not in want["enum"]:
        raise Wrong(f"{where} is {value!r}, none of {want['enum']}")
    if isinstance(value, str) and not re.search(want.get("pattern", ""), value):
        raise Wrong(f"{where} is {value!r}, not like {want['pattern']}")
    if is_a(value, "number") and not (want.get("minimum", value) <= value
                                      <= want.get("maximum", value)):
        raise Wrong(f"{where} is {value!r}: out of range")
    if isinstance(value, dict) and "properties" in want:
        check_object(value, want, defs, where)
    elif isinstance(value, dict) and "additionalProperties" in want:
        for name, v in value.items():
            check(v, want["additionalProperties"], defs, f"{where}.{name}")
    for i, v in enumerate(value if isinstance(value, list) else ()):
        check(v, want["items"], defs, f"{where}[{i}]")


def check_object(value, want, defs, where):
    for name in want.get("required", []):
        if name not in value:
            raise Wrong(f"{where} has no {name}")
    for name, v in value.items():
        if name not in want["properties"]:
            raise Wrong(f"{where}.{name} is not in the schema: write it there")
        check(v, want["properties"][name], defs, f"{where}.{name}")


def check_line(raw, schema):
    line = json.loads(raw)
    defs = schema["$defs"]
    kind = line.get("type")
    if kind not in schema["properties"]["type"]["enum"]:
        raise Wrong(f"type {kind!r} is not in the schema: write it there")
    for name in schema["required"]:
        if name not in line:
            raise Wrong(f"{kind} has no {name}")
    common = schema["properties"].keys() - {"type"}
    for name in common & line.keys():
        check(line.pop(name), schema["properties"][name], defs, name)
    check(line, defs[kind], defs, kind)
    return kind


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    kinds, bad = {}, set()
    with open(sys.argv[2], encoding="utf-8") as f:
        for raw in f:
            try:
                kind = check_line(raw, schema)
                kinds[kind] = kinds.get(kind, 0) + 1
            except Wrong as e:
                bad.add(str(e))
    print("\n".join(sorted(bad)) or " ".join(sorted(kinds)))
    sys.exit(1 if bad else 0)


main()
