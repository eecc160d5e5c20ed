"""What the campaigns of this folder share: repositories to hurt, and a judge.

An *act* is one run of the program on a repository (first backup, backup of
changed files, far end of a replication, ...).  The ground makes each act's
repository once; a campaign hurts a copy of it, and judged() says what is wrong
with what is left: every byte checks clean, nothing that was acknowledged is
missing, it restores as it was saved, the next run succeeds.
"""
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "tools"))
from digest import digest  # noqa: E402

TIMEOUT_S = 60


def said(output):
    """The lines that are whole."""
    for line in output.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def acknowledged(output):
    return [line["snapshot"] for line in said(output)
            if line["type"] == "summary" and "snapshot" in line]


def warned(output):
    return any(line.get("warnings") for line in said(output))


def files_below(folder):
    for top, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(top, name), folder)


class Act:
    """One run of the program: `words` on a copy of `base`, which holds `kept`
    (snapshot -> digest of what was saved)."""

    def __init__(self, name, words, base=None, kept=None, src=None, state=None):
        self.name, self.words, self.base = name, words, base
        self.kept, self.src, self.state = kept or {}, src, state
        self.stdin = None
        self.has_key = False  # a key file of its own, which it changes
        self.pushed = {}  # by a replication: what the whole of it acknowledges
        self.next = lambda ground, repo, state: ground.call(
            repo, self.words, state=state)
        self.ends = {0}  # what an undisturbed run may end with
        self.judge = Ground.judged

    def acknowledges(self, output, is_all):
        """Snapshot -> what was saved, of those this output vouches for."""
        if self.stdin is not None:
            return dict(self.kept, **(self.pushed if is_all else {}))
        return dict(self.kept, **{s: None for s in acknowledged(output)})


class Ground:
    def __init__(self, bascule, shim, work, seed=1, ssh=None):
        self.ssh = ssh  # a folder of tests/support/sshd.sh
        self.bascule, self.shim, self.work = bascule, shim, work
        self.key, self.rng = f"{work}/key", random.Random(seed)
        self.passed = self.failed = 0
        self.lock, self.serial = threading.Lock(), itertools.count()
        os.makedirs(work)

    # --- running

    def call(self, repo, words, state=None, shim=None, stdin=None, key=None):
        folder = os.path.dirname(repo)
        own = f"{folder}/own.key"  # of an init, and after it; of who has one
        mine = words[0] == "init" and len(words) == 1 or os.path.exists(own)
        env = dict(os.environ,
                   BASCULE_KEY_FILE=key or (own if mine else self.key),
                   BASCULE_STATE_DIR=state or f"{self.work}/state")
        words = [f"{folder}/out" if word == "OUT" else word for word in words]
        for name, value in (shim or {}).items():
            env["SHIM_" + name] = str(value)
        if shim:
            env["LD_PRELOAD"] = self.shim
        with open(stdin or os.devnull, "rb") as source:
            try:
                return subprocess.run([self.bascule, "-r", repo, "--json", *words],
                                      stdin=source, capture_output=True, env=env,
                                      timeout=TIMEOUT_S, check=False)
            except subprocess.TimeoutExpired as e:
                return subprocess.CompletedProcess(words, 1000, e.stdout or b"",
                                                   b"it hangs")

    def must(self, repo, *words, **kw):
        done = self.call(repo, words, **kw)
        if done.returncode != 0:
            sys.exit(f"not ok {words}: {done.returncode} {done.stdout} {done.stderr}")
        return done

    def has(self, command):
        """Does this build have that command?"""
        done = subprocess.run([self.bascule, *command.split(), "--help"],
                              capture_output=True, check=False)
        return done.returncode == 0

    # --- what is hurt

    def write(self, path, size, seed):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(random.Random(seed).randbytes(size))

    def sources(self, src):
        """Small ones that share frames, one in many chunks, folders, a link."""
        for i in range(9):
            self.write(f"{src}/folder{i % 3}/small{i}", 700 * i, f"s{i}")
        self.write(f"{src}/big", 900_000, "big")
        os.symlink("big", f"{src}/link")

    def changed(self, src, seed):
        """A few bytes of the big one, a file more, a file less."""
        with open(f"{src}/big", "r+b") as f:
            for where in (70_000, 500_000):
                f.seek(where)
                f.write(random.Random(f"{seed}{where}").randbytes(40))
        self.write(f"{src}/new{seed}", 5000, f"n{seed}")
        os.unlink(f"{src}/folder0/small0") if os.path.exists(
            f"{src}/folder0/small0") else None

    def backup(self, repo, src, kept, state):
        done = self.must(repo, "backup", "--dataset", "d", src, state=state)
        kept[acknowledged(done.stdout)[0]] = digest(src)

    def backup_act(self, name, times):
        """A repository of so many backups, and one more that will be."""
        repo, src = f"{self.work}/{name}-base", f"{self.work}/{name}-src"
        state, kept = f"{self.work}/{name}-state", {}
        self.sources(src)
        new = ["--key-file", self.key] if not os.path.exists(self.key) else []
        if new:
            self.must(repo, "init", *new)
            shutil.copytree(repo, f"{self.work}/empty", symlinks=True)
        else:
            shutil.copytree(f"{self.work}/empty", repo, symlinks=True)
        os.makedirs(state, exist_ok=True)
        for i in range(times):
            self.backup(repo, src, kept, state)
            self.changed(src, i)
        return Act(name, ["backup", "--dataset", "d", src], repo, kept, src, state)

    def replicate_words(self, program, to):
        with open(f"{self.ssh}/port", encoding="utf-8") as f:
            port = f.read().strip()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True,
                              check=True).stdout.strip()
        return ["replicate", "--known-hosts", f"{self.ssh}/known_hosts",
                "--identity", f"{self.ssh}/id_ed25519", "--remote-bascule",
                program, "--to", f"ssh://{user}@127.0.0.1:{port}{to}"]

    def serve_act(self):
        """The far end hears again what a sender once said to it: a copy with
        one snapshot is given two more."""
        act = self.backup_act("serve", 1)
        source, copy = act.base, f"{self.work}/serve-copy"
        heard, program = f"{self.work}/heard", f"{self.work}/serve.sh"
        self.must(source, *self.replicate_words(self.bascule, copy))
        pushed = dict(act.kept)
        for i in range(2):
            self.backup(source, act.src, pushed, act.state)
            self.changed(act.src, f"s{i}")
        with open(program, "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\ntee {heard} | {self.bascule} "$@"\n')
        os.chmod(program, 0o755)
        shutil.copytree(copy, f"{self.work}/serve-heard", symlinks=True)
        self.must(source, *self.replicate_words(program, f"{self.work}/serve-heard"))
        made = Act("serve", ["store", "serve", "--allow", "put"], copy, act.kept,
                   act.src, act.state)
        made.stdin, made.pushed = heard, pushed
        made.next = lambda ground, repo, state: ground.call(
            source, ground.replicate_words(ground.bascule, repo), state=state)
        return made

    def heal_act(self, name, bend):
        act = self.backup_act(name, 3)
        backup = act.words
        bend(act.base)
        made = Act(name, ["heal"], act.base, act.kept, act.src, act.state)
        folder, repo, state = self.fresh(made, name)  # what even that cannot save
        self.call(repo, made.words, state=state)
        lost = hurt(self, repo)[0]
        shutil.rmtree(folder)
        made.ends, made.judge = {0, 4, 5}, lambda *rest: healed(*rest, backup, lost)
        return made

    def collect_act(self, name, *words, forgotten=0, rounds=0):
        """Of six backups so many are forgotten, so many prunes were run."""
        act = self.backup_act(name, 6)
        kept = dict(list(act.kept.items())[forgotten:])
        prune = ["prune", "--undelete-age", "0", "--max-unused", "0"]
        if forgotten:
            self.must(act.base, "forget", *list(act.kept)[:forgotten])
        for _ in range(rounds):
            self.must(act.base, *prune, state=act.state)
        words = list(words) + list(act.kept)[:3] if words else prune
        made = Act(name, words, act.base, kept, act.src, act.state)
        if words[0] == "forget":
            made.kept = dict(list(kept.items())[3:])
            made.next = lambda ground, repo, state: ground.call(
                repo, prune, state=state)
        made.backup, made.judge = act.words, pruned
        return made

    def pin_act(self):
        """A copy learns of one more writer."""
        act, other = self.backup_act("pin", 2), f"{self.work}/other-key"
        self.must(act.base, "key", "new", other)
        shown = self.must(act.base, "key", "show", other).stdout
        writer = re.search(rb"bascule-writer-[0-9a-f]+", shown).group().decode()
        return Act("pin", ["key", "pin", writer], act.base, act.kept, act.src,
                   act.state)

    def init_act(self):
        made = Act("init", ["init"])
        made.src = f"{self.work}/init-src"
        self.sources(made.src)
        made.judge = made_anew
        return made

    def key_act(self, name, *words):
        """The key in use is changed, and what lies there is opened to it."""
        act, third = self.backup_act(name, 2), f"{self.work}/third.key"
        if not os.path.exists(third):
            self.must(act.base, "key", "new", "--role", "read", "--from",
                      self.key, third)
        words = ["key", *(third if word == "THIRD" else word for word in words)]
        made = Act(name, words, act.base, act.kept, act.src, act.state)
        made.has_key, made.backup, made.judge = True, act.words, key_changed
        made.readers = [f"{self.key}.escrow"] + [third] * (third in words)
        return made

    def reading_act(self, name, *words):
        """One that only looks at the repository."""
        act = self.backup_act(name, 3)
        saved = act.kept[list(act.kept)[-1]]
        words = [f"latest:{act.src}" if word == "LATEST" else word
                 for word in words]
        made = Act(name, words, act.base, act.kept, act.src, act.state)
        made.acknowledges = lambda output, is_all: {"saved": saved} \
            if is_all and not warned(output) else {}
        made.judge = looked_at
        self.write(f"{act.src}/big", 100, "after it")  # latest is not what is
        return made

    def acts(self, wanted):
        made = {"init": self.init_act, "pin": self.pin_act,
                "first": lambda: self.backup_act("first", 0),
                "changed": lambda: self.backup_act("changed", 2),
                "merge": lambda: self.backup_act("merge", 7),
                "serve": self.serve_act,
                "forget": lambda: self.collect_act("forget", "forget"),
                "condemn": lambda: self.collect_act("condemn", forgotten=3),
                "free": lambda: self.collect_act("free", forgotten=3, rounds=1),
                "heal-pack": lambda: self.heal_act("heal-pack", bend_packs),
                "heal-index": lambda: self.heal_act("heal-index", bend_index),
                "heal-format": lambda: self.heal_act("heal-format", bend_format),
                "rotate": lambda: self.key_act("rotate", "rotate"),
                "recipient": lambda: self.key_act("recipient", "add-recipient",
                                                  "THIRD"),
                "restore": lambda: self.reading_act("restore", "restore", "LATEST",
                                                    "--to", "OUT"),
                "check": lambda: self.reading_act("check", "check", "--open")}
        return [made[name]() for name in wanted]

    # --- judging

    def fresh(self, act, name):
        """A copy of the act's repository and state: (folder, repo, state)."""
        folder = f"{self.work}/{name}-{next(self.serial)}"
        os.makedirs(folder)
        if act.base is not None:
            shutil.copytree(act.base, f"{folder}/repo", symlinks=True)
        if act.state is not None:
            shutil.copytree(act.state, f"{folder}/state")
        for end in ("", ".escrow") if act.has_key else ():
            shutil.copy(self.key + end, f"{folder}/own.key{end}")
        return folder, f"{folder}/repo", f"{folder}/state"

    def whole(self, repo, when, depth="--read"):
        done = self.call(repo, ["check", depth])
        if done.returncode != 0:
            return f"{when}: check ended with {done.returncode}: " \
                   f"{done.stdout.decode()} {done.stderr.decode()}"
        return None

    def there(self, repo, wanted, when):
        names = {os.path.basename(n) for n in files_below(f"{repo}/snapshots")}
        missing = set(wanted) - names
        return f"{when}: acknowledged and lost: {missing}" if missing else None

    def restored(self, act, repo, snapshot, digest_wanted, when, key=None):
        out = f"{os.path.dirname(repo)}/out-{next(self.serial)}"
        done = self.call(repo, ["restore", f"{snapshot}:{act.src}", "--to", out],
                         key=key)
        if done.returncode != 0:
            return f"{when}: restore: {done.stdout.decode()} {done.stderr.decode()}"
        if digest(out) != digest_wanted:
            return f"{when}: {snapshot} is not as it was saved"
        shutil.rmtree(out)
        return None

    def next_run(self, act, repo, state):
        """The act once more, undisturbed, and everything after it."""
        done = act.next(self, repo, state)
        if done.returncode != 0:
            return f"the next run ended with {done.returncode}: " \
                   f"{done.stdout.decode()} {done.stderr.decode()}"
        for folder in ("tmp", "sessions"):
            left = os.listdir(f"{repo}/{folder}")
            if left:
                return f"after the next run {folder} holds {left}"
        wrong = self.whole(repo, "after the next run")
        wanted = act.acknowledges(done.stdout, True)
        return wrong or self.there(repo, wanted, "after the next run")

    def judged(self, act, repo, state, wanted, thorough):
        """What is wrong with a repository, None if nothing."""
        wrong = self.whole(repo, "as it was left") or \
            self.there(repo, wanted, "as it was left")
        if wrong is None and thorough:
            for snapshot, saved in wanted.items():
                wrong = wrong or self.restored(act, repo, snapshot,
                                               saved or digest(act.src), "restored")
        if wrong is None:
            wrong = self.next_run(act, repo, state)
        if wrong is None and thorough:
            wrong = self.whole(repo, "opened after the next run", "--open")
        return wrong

    # --- counting

    def result(self, wrong, what):
        with self.lock:
            if wrong is None:
                self.passed += 1
            else:
                self.failed += 1
                if self.failed <= 15:
                    print(f"not ok {what}: {wrong}"[:1500], flush=True)

    def each(self, numbers, run):
        """run(n) for each number, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(run, numbers))

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed > 0)


def bend(path, *places):
    os.chmod(path, 0o600)
    with open(path, "r+b") as f:
        for place in places:
            f.seek(place)
            byte = f.read(1)[0]
            f.seek(place)
            f.write(bytes([byte ^ 16]))


def below(repo, *folders):
    return sorted((f"{repo}/{n}" for n in files_below(repo)
                   if n.split("/")[0] in folders), key=os.path.getsize)


def bend_packs(repo):
    """A frame of the newest files; of another pack the footer."""
    packs = below(repo, "packs")
    bend(packs[-1], os.path.getsize(packs[-1]) // 2)
    bend(packs[0], os.path.getsize(packs[0]) - 50)


def bend_index(repo):
    segments = [p for p in below(repo, "index") if not p.endswith("MANIFEST")]
    os.unlink(segments[0])
    bend(segments[1], 300)
    bend(f"{repo}/index/MANIFEST", 60)


def bend_format(repo):
    bend(f"{repo}/format", 50)


def hurt(ground, repo):
    """What check names: (snapshots, all else)."""
    done = ground.call(repo, ["check", "--read"])
    objects = {line["object"] for line in said(done.stdout)
               if line["type"] == "damage"}
    snapshots = {os.path.basename(o) for o in objects if o.startswith("snapshots/")}
    return snapshots, {o for o in objects if not o.startswith("snapshots/")}


def healed(ground, act, repo, state, wanted, thorough, backup, lost):
    """After a healing that was cut off: heal again, and nothing is damaged but
    snapshots that no healing saves; back up, and that one is whole."""
    wrong = ground.there(repo, wanted, "as it was left")
    for words, ends in ((act.words, act.ends), (backup, {0})):
        if wrong is None:
            done = ground.call(repo, words, state=state)
            if done.returncode not in ends:
                wrong = f"{words} ended with {done.returncode}: {done.stdout} " \
                        f"{done.stderr}"
    if wrong is not None:
        return wrong
    new = {acknowledged(done.stdout)[0]: digest(act.src)}
    snapshots, others = hurt(ground, repo)
    if others or snapshots - lost:
        return f"damaged after it: {others} {snapshots - lost}"
    for snapshot, saved in {**act.kept, **new}.items() if thorough else ():
        if snapshot not in lost:
            wrong = wrong or ground.restored(act, repo, snapshot, saved, "after it")
    return wrong or ground.there(repo, {**wanted, **new}, "after it")


def pruned(ground, act, repo, state, wanted, thorough):
    """As ever, and what was pruned is pruned in the end; then a backup that
    finds again what is condemned."""
    wrong = ground.judged(act, repo, state, wanted, thorough)
    if wrong is None:
        done = ground.call(repo, act.backup, state=state)
        if done.returncode != 0:
            return f"a backup after it: {done.returncode} {done.stdout} {done.stderr}"
        wrong = ground.whole(repo, "a backup after it") or ground.restored(
            act, repo, acknowledged(done.stdout)[0], digest(act.src), "after it")
    return wrong


def key_changed(ground, act, repo, state, wanted, thorough):
    """Whether the key is the old one or the new one, it opens all there is and
    saves; after the next run so do those who only read."""
    done = ground.call(repo, act.backup, state=state)
    if done.returncode != 0:
        return f"a backup after it: {done.returncode} {done.stdout} {done.stderr}"
    between = {acknowledged(done.stdout)[0]: digest(act.src)}
    wrong = ground.judged(act, repo, state, {**wanted, **between}, thorough)
    if wrong is not None:
        return wrong
    done = ground.call(repo, act.backup, state=state)
    if done.returncode != 0:
        return f"the next backup: {done.returncode} {done.stdout} {done.stderr}"
    last = {acknowledged(done.stdout)[0]: digest(act.src)}
    every = {**act.kept, **between, **last} if thorough else {**between, **last}
    for key in act.readers:
        for snapshot, saved in every.items():
            wrong = wrong or ground.restored(act, repo, snapshot, saved,
                                             f"with {key}", key)
    return wrong or ground.whole(repo, "at last")


def looked_at(ground, act, repo, state, wanted, thorough):
    """What only looks changes nothing; if it says all is done it is; done
    again it ends well, over whatever was left."""
    out = f"{os.path.dirname(repo)}/out"
    if digest(repo) != digest(act.base):
        return "it changed the repository"
    is_restore = "OUT" in act.words
    if is_restore and wanted and digest(out) != wanted["saved"]:
        return "all is restored, it says, and it is not as it was saved"
    done = ground.call(repo, act.words, state=state)
    if done.returncode != 0:
        return f"the next run: {done.returncode} {done.stdout} {done.stderr}"
    saved = act.acknowledges(done.stdout, True)["saved"]
    if is_restore and digest(out) != saved:
        return "after the next run it is not as it was saved"
    return None


def made_anew(ground, act, repo, state, wanted, thorough):
    """An init that was cut off is begun again, or gone on with; what it made
    is a repository like any other."""
    own = f"{os.path.dirname(repo)}/own.key"
    words = act.words
    if os.path.exists(own):  # then its escrow key is there, too
        if not os.path.exists(own + ".escrow"):
            return "there is an operations key and no escrow key"
        words = ["init", "--existing-key"]
    elif os.path.exists(own + ".escrow"):
        os.unlink(own + ".escrow")
    if ground.call(repo, ["check"]).returncode != 0:
        done = ground.call(repo, words, state=state)
        if done.returncode != 0:
            return f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    done = ground.call(repo, ["backup", "--dataset", "d", act.src], state=state)
    if done.returncode != 0:
        return f"a backup: {done.returncode} {done.stdout} {done.stderr}"
    return ground.whole(repo, "a backup after it", "--open") or ground.restored(
        act, repo, acknowledged(done.stdout)[0], digest(act.src), "after it")


def stride(total, most):
    """1..total, or so many of them spread evenly (0: all)."""
    if most == 0 or total <= most:
        return list(range(1, total + 1))
    return sorted({1 + i * (total - 1) // (most - 1) for i in range(most)})


def part(numbers, which):
    """The k-th of n parts of the numbers, "k/n": every n-th."""
    k, n = (int(x) for x in which.split("/"))
    return numbers[k - 1::n]


def hit(log):
    """What the shim says it did: (call and file, None) or (None, count)."""
    try:
        with open(log, encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()
    except OSError:
        return None, 0
    count = max([int(line.split()[0]) for line in lines] or [0])
    for line in lines:
        if line.split()[1] != "end":
            return line, count
    return None, count
