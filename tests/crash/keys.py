#!/usr/bin/env python3
"""keys.py BASCULE SHIM WORK [--most N] [--acts A,B] [--faults X,Y]

Commands that make or change key files are killed just before each call that
changes files (kill), in the middle of each write (torn), and each of their calls
fails in turn (eio, full, short, lost, nomem).  Judged each time: every key file
and every share that was there or came is whole, old or new; what failed says why
and leaves no temporary and no half of a set; the repository checks clean and
opens to the keys as before; and the same command, run again, does its work.
"""
import argparse
import errno
import itertools
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ground import hit, stride  # noqa: E402

FAULTS = {"kill": ("kill", 0), "torn": ("torn", 0), "eio": ("fail", errno.EIO),
          "full": ("full", errno.ENOSPC), "short": ("short", 0),
          "lost": ("lost", errno.EIO), "nomem": ("nomem", 0)}
EXITS = {1, 2, 3, 4, 5, 7, 10, 11, 12, 13, 14, 16, 75}
TIMEOUT_S = 60
# What each makes ("made...") or changes in place; -r when it takes the repository.
ACTS = {
    "new": "key new made.key",
    "wrapped": "key new --passphrase-file pass made.key",
    "role": "-r repo key new --role write,read made.key",
    "init": "-r made init --key-file made.key",
    "split": "key split -k 2 -n 3 -o made repo.key.escrow",
    "combine": "key combine -o made.key share-1 share-3",
    "add": "-r repo key add-recipient fourth.key repo.key host.key",
    "remove": "key remove-recipient RECIPIENT repo.key host.key",
    "rotate": "-r repo key rotate",
    "passphrase": "key passphrase --passphrase-file pass repo.key third.key",
    "update": "key update --from newer.key host.key repo.key",
}
KEYS = ("repo.key", "repo.key.escrow", "third.key", "fourth.key", "host.key",
        "newer.key", "made.key", "made.key.escrow")


class Keys:
    def __init__(self, args):
        self.bascule = os.path.abspath(args.bascule)
        self.shim = os.path.abspath(args.shim)
        self.base = f"{os.path.abspath(args.work)}/base"
        self.passed = self.failed = 0
        self.lock, self.serial = threading.Lock(), itertools.count()
        os.makedirs(self.base)
        self.make()

    def run(self, folder, words, shim=None, **variables):
        env = {**os.environ, "BASCULE_KEY_FILE": "repo.key", "HOME": folder,
               "BASCULE_STATE_DIR": f"{folder}/state", **variables}
        if shim:
            env.update({f"SHIM_{n}": str(v) for n, v in shim.items()},
                       LD_PRELOAD=self.shim)
        try:
            return subprocess.run([self.bascule, *words.split()], cwd=folder, env=env,
                                  stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 1000, b"", b"it hangs")

    def make(self):
        def must(words):
            done = self.run(self.base, words)
            if done.returncode != 0:
                sys.exit(f"not ok {words}: {done.returncode} {done.stderr}")
            return done.stdout.decode()

        with open(os.open(f"{self.base}/pass", os.O_CREAT | os.O_WRONLY, 0o600), "w",
                  encoding="utf-8") as f:
            f.write("a passphrase\n")
        os.mkdir(f"{self.base}/src")
        for i in range(3):
            with open(f"{self.base}/src/{i}", "wb") as f:
                f.write(bytes([i]) * (5000 + i))
        must("-r repo init")
        must("-r repo backup src")
        must("-r repo key new --role write host.key")
        must("key new --role read --from repo.key third.key")
        must("key new --role read --from repo.key fourth.key")
        must("key add-recipient third.key host.key repo.key")
        must("-r repo backup src")
        shutil.copy(f"{self.base}/repo.key", f"{self.base}/newer.key")
        must("key rotate newer.key")
        must("key split -k 2 -n 3 -o made repo.key.escrow")
        for i in (1, 2, 3):
            os.rename(f"{self.base}/made.share-{i}", f"{self.base}/share-{i}")
        shown = must("--json key show third.key")
        own = [l for l in shown.splitlines() if '"own":true' in l][0]
        self.recipient = own.split('"id":"')[1][:64]

    # --- judging

    def half(self, folder):
        """A key file or share that is not whole, None when there is none."""
        for name in KEYS:
            if os.path.exists(f"{folder}/{name}"):
                done = self.run(folder, f"key show {name}",
                                BASCULE_PASSPHRASE_FILE="pass")
                if done.returncode != 0:
                    return f"{name}: {done.stderr}"
            elif not name.startswith("made"):
                return f"{name} is gone"
        for prefix in ("share-", "made.share-"):
            there = [n for n in sorted(os.listdir(folder)) if n.startswith(prefix)]
            for one in there:
                done = self.run(folder, f"key combine -o x {one}")
                if b"not enough" not in done.stderr:
                    return f"{one}: {done.stderr}"
            if len(there) > 1:
                done = self.run(folder, f"key combine -o x {there[0]} {there[-1]}")
                with open(f"{folder}/repo.key.escrow", "rb") as f:
                    wanted = f.read()
                if done.returncode != 0 or open(f"{folder}/x", "rb").read() != wanted:
                    return f"{there}: {done.stderr}"
                os.unlink(f"{folder}/x")
        return None

    def repository(self, folder, when):
        for words, key in (("check --read", "repo.key"), ("check --open", "repo.key"),
                           ("check --open", "repo.key.escrow")):
            done = self.run(folder, f"-r repo {words}", BASCULE_KEY_FILE=key,
                            BASCULE_PASSPHRASE_FILE="pass")
            if done.returncode != 0:
                return f"{when}: {words} with {key}: {done.returncode} {done.stderr}"
        return None

    def ended(self, folder, fault, done):
        if done.returncode == 1000:
            return "it hangs"
        if done.returncode < 0:
            return f"ended by a signal: {done.returncode} {done.stderr}"
        if done.returncode not in EXITS | {0}:
            return f"exit code {done.returncode}: {done.stderr}"
        if done.returncode and not done.stderr.strip():
            return f"ended with {done.returncode} and says nothing"
        if done.returncode and fault == "short":
            return f"half a read or write is no failure: {done.stderr}"
        if fault == "full":
            return None  # nothing can be taken away either
        left = [n for n in os.listdir(folder) if n.startswith(".key")]
        return f"it leaves {left}" if left else None

    def again(self, folder, act):
        """The same command does its work: what it had made is taken away."""
        for name in [n for n in os.listdir(folder) if n.startswith("made")]:
            path = f"{folder}/{name}"
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        done = self.run(folder, self.words(act), **(
            {"BASCULE_PASSPHRASE_FILE": "pass"} if act == "passphrase" else {}))
        # what was done already: no such recipient any more
        fine = done.returncode == 0 or act == "remove" and done.returncode == 1
        return None if fine else f"again: {done.returncode} {done.stderr}"

    def words(self, act):
        return ACTS[act].replace("RECIPIENT", self.recipient)

    def one(self, act, fault, n):
        mode, number = FAULTS[fault]
        folder = f"{os.path.dirname(self.base)}/{act}-{next(self.serial)}"
        shutil.copytree(self.base, folder, symlinks=True)
        shim = {"MODE": mode, "AT": n, "LOG": f"{folder}.log", "ERRNO": number}
        if fault != "eio" and fault != "nomem":
            shim["ROOT"] = folder
        done = self.run(folder, self.words(act), shim=shim)
        what, count = hit(f"{folder}.log")
        os.unlink(f"{folder}.log")
        wrong = None
        if what is not None:
            if mode not in ("kill", "torn"):
                wrong = self.ended(folder, fault, done)
                made = sorted(x for x in os.listdir(folder) if x.startswith("made"))
                if act == "split" and fault != "full" and len(made) not in (0, 3):
                    wrong = wrong or f"half a set: {made}"
                if wrong is None and fault == "lost" and done.returncode == 0 and \
                        f"{folder}/state" not in what:
                    wrong = "a flush failed, and it ended with 0"
            elif done.returncode != -9:
                wrong = f"not killed: {done.returncode}"
            wrong = wrong or self.half(folder) or \
                self.repository(folder, "as it was left") or \
                self.again(folder, act) or self.half(folder) or \
                self.repository(folder, "after the next run")
            with self.lock:
                self.passed += wrong is None
                self.failed += wrong is not None
                if wrong is not None and self.failed <= 15:
                    print(f"not ok {act}, {fault} at {what}: {wrong}"[:1200], flush=True)
        if wrong is None:
            shutil.rmtree(folder)
        return what is not None, count

    def campaign(self, act, fault, most):
        _, total = self.one(act, fault, 1 << 30)
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda n: self.one(act, fault, n),
                                 stride(total, most)))
        print(f"ok {act}: {fault} at {sum(h for h, _ in done)} of {total} calls",
              flush=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "shim", "work"):
        p.add_argument(name)
    p.add_argument("--acts", default=",".join(ACTS))
    p.add_argument("--faults", default=",".join(FAULTS))
    p.add_argument("--most", type=int, default=0)
    args = p.parse_args()
    keys = Keys(args)
    for act in args.acts.split(","):
        for fault in args.faults.split(","):
            keys.campaign(act, fault, args.most)
    print(f"{keys.passed} passed, {keys.failed} failed")
    sys.exit(keys.failed > 0)


main()
