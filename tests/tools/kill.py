#!/usr/bin/env python3
"""kill.py WHAT BASCULE WORK ROUNDS SEED [SSH]: kill -9 at random moments.

WHAT: backup, restore, or serve (the far end of a replication; SSH is a folder
of tests/support/sshd.sh).  After each kill: every byte of the repository checks
clean, no snapshot that was acknowledged is lost, a restore of one of them is
what was saved, the next run succeeds.  Prints ok and not ok lines, a count.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from digest import digest


class Campaign:
    def __init__(self, bascule, work, rounds, seed, ssh=None):
        self.bascule, self.work, self.rounds, self.ssh = bascule, work, rounds, ssh
        self.rng = random.Random(seed)
        self.repo, self.src = f"{work}/repo", f"{work}/src"
        self.copy, self.serve = f"{work}/copy", f"{work}/serve"
        self.kept = {}  # snapshot -> digest of what was saved
        self.passed = self.failed = self.killed = self.round = 0

    def good(self, condition, text):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"not ok round {self.round}: {text}", flush=True)
        return condition

    def call(self, repo, *words):
        env = dict(os.environ, BASCULE_KEY_FILE=self.repo + ".key")
        return subprocess.run([self.bascule, "-r", repo, "--json", *words],
                              capture_output=True, env=env, check=False)

    def change(self):
        """Files come, go and change; some big, many small."""
        folder = f"{self.src}/r{self.round % 5}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for i in range(self.rng.randrange(5, 60)):
            with open(f"{folder}/small{i}", "wb") as f:
                f.write(self.rng.randbytes(self.rng.randrange(3000)))
        with open(f"{self.src}/big", "r+b") as f:
            f.seek(self.rng.randrange(20 << 20))
            f.write(self.rng.randbytes(3 << 20))

    def begin(self):
        os.makedirs(self.src)
        with open(f"{self.src}/big", "wb") as f:
            f.write(self.rng.randbytes(24 << 20))
        self.good(self.call(self.repo, "init").returncode == 0, "init")
        self.change()
        self.backup()

    def snapshot_in(self, output):
        for line in output.splitlines():
            try:
                line = json.loads(line)
            except ValueError:
                continue  # cut off in the middle
            if line["type"] == "summary":
                return line["snapshot"]
        return None

    def backup(self):
        done = self.call(self.repo, "backup", "--dataset", "d", self.src)
        if self.good(done.returncode == 0, f"a backup ended with "
                     f"{done.returncode}: {done.stdout} {done.stderr}"):
            self.kept[self.snapshot_in(done.stdout)] = digest(self.src)

    def run_and_kill(self, words, pid_file=None):
        """Start, wait a moment of its usual time, kill; what it had said."""
        env = dict(os.environ, BASCULE_KEY_FILE=self.repo + ".key")
        begun = time.monotonic()
        child = subprocess.Popen([self.bascule, *words], env=env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        moment = self.rng.random() * self.usual * 1.1
        time.sleep(max(0, begun + moment - time.monotonic()))
        victim = child.pid
        if pid_file is not None:
            victim = None
            while victim is None and child.poll() is None:
                try:
                    with open(pid_file) as f:
                        victim = int(f.read())
                except (OSError, ValueError):
                    time.sleep(0.002)
        alive = child.poll() is None
        try:
            if victim is not None and alive:
                os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            alive = False
        out, err = child.communicate(timeout=120)
        if pid_file is None:
            alive = child.returncode == -signal.SIGKILL
        self.killed += alive
        return child.returncode, out, err

    def whole(self, repo):
        done = self.call(repo, "check", "--read")
        self.good(done.returncode == 0, f"check: {done.stdout} {done.stderr}")

    def listed(self, repo):
        done = self.call(repo, "snapshots")
        self.good(done.returncode == 0, f"snapshots: {done.stdout}")
        return {line["snapshot"] for line in map(json.loads, done.stdout.splitlines())
                if line["type"] == "snapshot"}

    def restored(self, repo, snapshot):
        out = f"{self.work}/out"
        shutil.rmtree(out, ignore_errors=True)
        done = self.call(repo, "restore", f"{snapshot}:{self.src}", "--to", out)
        self.good(done.returncode == 0, f"restore: {done.stdout} {done.stderr}")
        self.good(digest(out) == self.kept[snapshot], f"{snapshot} is not as saved")

    def judged(self, repo, wanted):
        self.whole(repo)
        missing = set(wanted) - self.listed(repo)
        self.good(not missing, f"acknowledged and lost: {missing}")
        if wanted:
            self.restored(repo, self.rng.choice(sorted(wanted)))

    def timed(self, run):
        begun = time.monotonic()
        run()
        self.usual = time.monotonic() - begun

    # --- what is killed

    def one_backup(self):
        self.change()
        status, out, err = self.run_and_kill(
            ["-r", self.repo, "--json", "backup", "--dataset", "d", self.src])
        acknowledged = self.snapshot_in(out)
        self.good(status in (0, -9), f"it ended with {status}: {err}")
        if acknowledged is not None:
            self.kept[acknowledged] = digest(self.src)
        self.judged(self.repo, self.kept)
        self.backup()
        for folder in ("tmp", "sessions"):
            left = os.listdir(f"{self.repo}/{folder}")
            self.good(not left, f"left in {folder}: {left}")

    def one_restore(self):
        snapshot, out = self.rng.choice(sorted(self.kept)), f"{self.work}/cut"
        shutil.rmtree(out, ignore_errors=True)
        self.run_and_kill(["-r", self.repo, "--json", "restore",
                           f"{snapshot}:{self.src}", "--to", out])
        self.whole(self.repo)
        done = self.call(self.repo, "restore", f"{snapshot}:{self.src}", "--to",
                         out, "--delete")
        self.good(done.returncode == 0, f"again: {done.stdout} {done.stderr}")
        self.good(digest(out) == self.kept[snapshot], "over it: not as saved")

    def replicate_words(self):
        with open(f"{self.ssh}/port") as f:
            port = f.read().strip()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True,
                              check=True).stdout.strip()
        return ["replicate", "--known-hosts", f"{self.ssh}/known_hosts",
                "--identity", f"{self.ssh}/id_ed25519", "--remote-bascule",
                self.serve, "--to", f"ssh://{user}@127.0.0.1:{port}{self.copy}"]

    def replicate(self):
        done = self.call(self.repo, *self.replicate_words())
        self.good(done.returncode == 0, f"replicate: {done.stdout} {done.stderr}")

    def one_serve(self):
        self.change()
        self.backup()
        settled = self.listed(self.copy) if os.path.exists(self.copy) else set()
        pid = f"{self.work}/serve.pid"
        if os.path.exists(pid):
            os.unlink(pid)
        before = self.killed
        status, out, err = self.run_and_kill(
            ["-r", self.repo, "--json", *self.replicate_words()], pid)
        if self.killed > before:
            self.good(status != 0 or b'"summary"' in out,
                      f"killed, and it ended with {status}: {out} {err}")
        if os.path.exists(f"{self.copy}/format"):
            self.judged(self.copy, settled)
        self.replicate()
        self.good(self.listed(self.copy) == self.listed(self.repo),
                  "the copy has other snapshots")

    def run(self, what):
        self.begin()
        self.change()
        if what == "serve":
            with open(self.serve, "w") as f:
                f.write(f"#!/bin/sh\necho $$ >{self.work}/serve.pid\n"
                        f"exec {self.bascule} \"$@\"\n")
            os.chmod(self.serve, 0o755)
            self.replicate()
            self.change()
            self.backup()
            self.timed(self.replicate)
        elif what == "restore":
            first = sorted(self.kept)[0]
            self.timed(lambda: self.restored(self.repo, first))
        else:
            self.timed(self.backup)
        # A round counts when it was in time to kill; some are always too late.
        while self.killed < self.rounds and self.round < 4 * self.rounds:
            self.round += 1
            getattr(self, "one_" + what)()
        self.good(self.killed >= self.rounds,
                  f"only {self.killed} of {self.round} rounds were in time")
        if what != "serve":
            done = self.call(self.repo, "check", "--open")
            self.good(done.returncode == 0, f"check --open: {done.stdout}")
        for snapshot in sorted(self.kept)[:3]:
            self.restored(self.copy if what == "serve" else self.repo, snapshot)
        print(f"{'ok' if not self.failed else 'not ok'} {what}: {self.round} "
              f"rounds, {self.killed} killed, {len(self.kept)} snapshots "
              f"acknowledged, {self.passed} proofs, {self.failed} failed")
        print(f"{self.passed} passed, {self.failed} failed")


def main():
    what, bascule, work, rounds, seed = sys.argv[1:6]
    os.makedirs(work)
    campaign = Campaign(bascule, work, int(rounds), int(seed), *sys.argv[6:])
    campaign.run(what)
    sys.exit(campaign.failed > 0)


main()
