#!/usr/bin/env python3
"""report_forms.py JSON [FIELD...] [-- TEXT HTML]: what is wrong with a report.

Each field is known in it; and each value that it has stands in its forms for
people, too, under its name.
"""
import html
import json
import re
import sys

UNKNOWN = (None, "", "not recorded", "NOT MEASURED")


def squeezed(text):
    return re.sub(r"\s+", "", text)


def words_of(path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if path.endswith("html"):
        text = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    return squeezed(text)


def main(args):
    forms = []
    if "--" in args:
        at = args.index("--")
        args, forms = args[:at], args[at + 1:]
    with open(args[0], encoding="utf-8") as f:
        report = json.loads(f.readline())
    lines = [line for s in report["sections"] for line in s.get("lines", [])]
    shown = {line["name"]: line["value"] for line in lines}
    for name in args[1:]:
        if shown.get(name, report["fields"].get(name)) in UNKNOWN:
            print("unknown:", name)
    if not lines:
        print("no lines")
    for form in forms:
        words = words_of(form)
        for line in lines:
            if squeezed(line["label"]) not in words:
                print("no %s in %s" % (line["label"], form))
            elif squeezed(line["value"] or "not recorded") not in words:
                print("not in %s: %s: %s" % (form, line["name"], line["value"]))
        if not any(s["section"] == "not_executed" for s in report["sections"]):
            print("nothing of steps not executed")


main(sys.argv[1:])
