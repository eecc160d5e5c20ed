#!/usr/bin/env python3
"""ignore_opinion.py BASCULE SEED ROUNDS: a second opinion on exclude patterns.

Random trees and random pattern files, as .gitignore has them: what a backup
leaves out must be what `git check-ignore` ignores.  Run in an empty folder.
"""
import os
import random
import subprocess
import sys

NAMES = ["a", "b", "ab", "a.o", "b.o", "lib", "src", "a b", "x[1]", "a*", "!a",
         "#a", ".a", "A", "abc", "a\\b", "a?", "foo.bar", "-", "a-c", "]"]
PIECES = ["a", "b", "ab", "*", "?", "*.o", "a*", "*b", "[ab]", "[!a]", "[^b]*",
          "[a-c]", "lib", "src", "**", "foo.*", "\\*", "x\\[1\\]", "[]]", "[]-a]",
          "a b", ".*", "*.*", "a\\ b", "[[:alpha:]]", "[[:upper:]]*", "a\\\\b",
          "***", "\\!a", "\\#a", "[a-]", "[\\]]", "x[[]1]"]


def pattern(rng):
    parts = [rng.choice(PIECES) for _ in range(rng.choice((1, 1, 1, 2, 2, 3)))]
    text = "/".join(parts)
    if rng.random() < 0.3:
        text = "/" + text
    if rng.random() < 0.25:
        text += "/"
    if rng.random() < 0.25:
        text = "!" + text
    if rng.random() < 0.1:
        text += " " * rng.choice((1, 2))
    if rng.random() < 0.05:
        text = "#" + text
    return text


def grow(rng, path, depth):
    os.makedirs(path)
    for name in rng.sample(NAMES, rng.randrange(2, 9)):
        full = os.path.join(path, name)
        if depth > 0 and rng.random() < 0.5:
            grow(rng, full, depth - 1)
        else:
            open(full, "w").close()


def paths_of(top):
    out = []
    for at, dirs, files in os.walk(top):
        rel = os.path.relpath(at, top)
        out += [os.path.normpath(os.path.join(rel, n)) for n in dirs + files]
    return sorted(out)


def git_says(top, paths):
    """Ignored itself or below something ignored; git looks what is a directory."""
    run = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=top, input="\0".join(paths).encode() + b"\0", capture_output=True)
    if run.returncode not in (0, 1):
        sys.exit(run.stderr.decode())
    named = {os.path.normpath(p) for p in run.stdout.decode().split("\0") if p}
    return {p for p in paths if any(
        "/".join(p.split("/")[:i + 1]) in named for i in range(p.count("/") + 1))}


def bascule_says(program, n, top, paths):
    base = [program, "-r", "repo"]
    subprocess.run(base + ["backup", "--dataset", "d%d" % n, "--exclude-file", "patterns", top],
                   check=True, capture_output=True)
    full = os.path.abspath(top)
    out = subprocess.run(base + ["--json", "restore", "latest:local/d%d:%s" % (n, full), "--to",
                                 "out%d" % n], check=True, capture_output=True)
    del out
    return set(paths) - set(paths_of("out%d" % n))


def main():
    program, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    wrong = asked = left_out = 0
    for n in range(rounds):
        rng = random.Random(seed * 100003 + n)
        top = "tree%d" % n
        grow(rng, top, 3)
        patterns = [pattern(rng) for _ in range(rng.randrange(1, 9))]
        paths = paths_of(top)
        with open("patterns", "w") as f:
            f.write("\n".join(patterns) + "\n")
        subprocess.run(["git", "init", "-q", top], check=True)
        os.makedirs(os.path.join(top, ".git/info"), exist_ok=True)
        with open(os.path.join(top, ".git/info/exclude"), "w") as f:
            f.write("\n".join(patterns) + "\n")
        git = git_says(top, paths)
        subprocess.run(["rm", "-rf", os.path.join(top, ".git")], check=True)
        ours = bascule_says(program, n, top, paths)
        asked += len(paths)
        left_out += len(git)
        if git != ours:
            wrong += 1
            print("seed", seed, "round", n, "patterns", patterns)
            print("  only git leaves out:", sorted(git - ours)[:5])
            print("  only we leave out:", sorted(ours - git)[:5])
        subprocess.run(["rm", "-rf", top, "out%d" % n], check=True)
    print("%d paths under %d sets of patterns, %d ignored, %d sets differ"
          % (asked, rounds, left_out, wrong))
    sys.exit(1 if wrong else 0)


main()
