#!/usr/bin/env python3
"""moves.py RESULTS [--modes M,N] [--faults X,Y] [--points WORD] [--most N]
         [--only CELLS] [--cells N] [--again] [--table]

Faults in moves between two real daemons, at every record that either of them
makes.  Run by tests/scenario/90-move-faults.sh, which makes the laboratory; one
cell is one move (or one isolated test) with one fault at one point of it:

  mode    planned (with commit and reprotect; every other one is the failback,
          as the service stays where it came to), rollback, unplanned, test
  point   A.failover.fence.i: of site A (which is left; B takes), the record of
          that type and name, i an intent, o an outcome, e an event; what comes
          more than once has #2
  fault   at that record, the daemon standing still in its gate (gate.c)

An unfaulted move of each mode says which points there are.  After the fault is
undone an operator goes on who knows nothing but what `status` and `failover
show` tell to type next.  Judged: never two sites that accept writes, at the end
one site does, which both registers name; nothing acknowledged is lost.

A cell's result is a file in RESULTS, so what has ended well is not done again;
several of these may work on one RESULTS.
"""
import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

WORK, TOP = os.environ.get("WORK", ""), os.environ.get("TOP", "")
B, DAEMON = os.environ.get("B", ""), os.environ.get("DAEMON", "")
SITES = ("brent", "southwark")
PATIENCE_S = 8          # what the policy says; see 90-move-faults.sh
LONG_S = float(os.environ.get("LONG", "12"))  # longer than patience and silence
END_S = 60 + LONG_S     # a move that has not ended by then is stuck
FAULTS = {
    "kill.self": "SIGKILL of the daemon that has just recorded it",
    "late.self": "... just before it records the next",
    "kill.other": "SIGKILL of the other daemon",
    "work.self": "SIGKILL of its workers, and of the one begun next",
    "ssh.self": "SIGKILL of sshd there, bridge and sessions",
    "ssh.other": "... at the other site",
    "cut.one": "the preferred link is cut",
    "cut.all": "both links are cut, longer than every patience",
    "stop.self": "SIGSTOP of the daemon, as long",
    "stop.other": "SIGSTOP of the other daemon",
    "stopw.self": "SIGSTOP of its workers, and of the one begun next",
    "state.self": "no room left where the daemon's state lies",
    "state.other": "... at the other site",
    "repo.self": "no room left where the repository lies",
    "repo.other": "... at the other site",
}
MODES = ("planned", "rollback", "unplanned", "test")
PHASES = "eio"


def other(site):
    return SITES[site == SITES[0]]


# --- the laboratory -------------------------------------------------------------
def sh(*words, env=None, timeout=60):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, env=env)


def lab(command):
    """A function of lab.sh."""
    sh("sh", "-c", f'. "$TOP/tests/lab/lab.sh"; {command}',
       env={**os.environ, "LAB_DISK": "1"})


def at(site, *words, person=None, timeout=60):
    cmd = [B, "--socket", f"{WORK}/{site}/socket", *words]
    if person is not None:
        cmd = ["setpriv", "--reuid", str(person), "--regid", str(person),
               "--clear-groups", *cmd]
    try:
        return sh(*cmd, env={**os.environ, "HOME": "/"} if person else None,
                  timeout=timeout)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(cmd, 99, "", "no answer in time")


def lines(done):
    out = []
    for line in done.stdout.splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            pass
    return out


def on(site, *words, env=None):
    with open(f"{WORK}/lab/{site}.pid") as f:
        pid = f.read().strip()
    return ["nsenter", "-t", pid, "-n", "-m", "-u", "sh", "-c",
            'cd "$0" && exec "$@"', WORK, *words]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def send(pid, sig):
    try:
        os.kill(pid, sig)
    except (ProcessLookupError, TypeError):
        pass


def accepts(site):
    """Does the service there take writes?"""
    try:
        with open(f"{WORK}/{site}/here/pid") as f:
            pid = int(f.read())
        with open(f"/proc/{pid}/cmdline") as f:
            runs = "app.py" in f.read()
        return runs and not os.path.exists(f"{WORK}/{site}/here/paused")
    except (OSError, ValueError):
        return False


class Daemons:
    def __init__(self):
        self.proc = {}

    def start(self, site):
        env = {**os.environ, "LD_PRELOAD": f"{os.environ['BUILD']}/tests/crash/gate.so",
               "GATE": f"{WORK}/gate"}
        with open(f"{WORK}/{site}/log", "a") as log:
            self.proc[site] = subprocess.Popen(
                on(site, DAEMON, "-c", f"{WORK}/{site}/bascule.conf", "--foreground"),
                stdin=subprocess.DEVNULL, stderr=log, stdout=log, env=env)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if at(site, "status").returncode in (0, 6):
                return True
            if self.proc[site].poll() is not None:
                return False
            time.sleep(0.05)
        return False

    def pid(self, site):
        return self.proc[site].pid if site in self.proc else None

    def site_of(self, pid):
        return next((s for s, p in self.proc.items() if p.pid == pid), None)

    def kill(self, site):
        if site in self.proc:
            send(self.proc[site].pid, signal.SIGKILL)
            self.proc[site].wait()

    def is_dead(self, site):
        return self.proc[site].poll() is not None


# --- records --------------------------------------------------------------------
def fields(raw):
    """Of docs/format/ledger.md, the open fields of a record."""
    at_byte, out = 5, {}

    def take(n):
        nonlocal at_byte
        at_byte += n
        return raw[at_byte - n:at_byte]

    def lp():
        return take(struct.unpack("<I", take(4))[0])
    lp()
    for _ in range(struct.unpack("<I", take(4))[0]):
        if take(1) == b"\0":
            take(32)
            continue
        take(16)
        name = lp().decode()
        out[name] = lp().decode(errors="replace")
    return out


def read_rows(site, after):
    db = sqlite3.connect(f"file:{WORK}/{site}/state/ledger.db?mode=ro", uri=True,
                         timeout=5)
    try:
        return db.execute("SELECT row, type, phase, bytes FROM records WHERE row > ?"
                          " ORDER BY row", (after,)).fetchall()
    finally:
        db.close()


def name_of(kind, phase, f):
    if kind in ("failover", "authority"):
        name = f.get("event", "")
    elif kind == "step":
        name = f.get("kind", "") + ":" + f.get("step", "")
    elif kind == "exercise":
        name = f.get("event", "") or f.get("state", "")
    elif kind == "job" and phase != 0 and f.get("kind") not in ("probe", None):
        name = f["kind"]
    elif kind == "point":
        name = "made" if "complete" in f or "sequence" in f else "said"
    else:
        return None
    return f"{kind}.{name.replace(' ', '-')}.{PHASES[phase]}"


# --- one cell -------------------------------------------------------------------
class Cell:
    """What the gate sees of one move, and the fault."""

    def __init__(self, daemons, a, point, fault):
        self.daemons, self.a, self.point, self.fault = daemons, a, point, fault
        self.trace, self.seen, self.begun = [], {}, time.monotonic()
        self.row = {s: max([0] + [r[0] for r in read_rows(s, 0)]) for s in SITES}
        self.hit, self.late, self.undo, self.over = None, None, [], False
        self.lock = threading.Lock()

    def side(self, site):
        return "AB"[site != self.a]

    def passed(self, site):
        """The daemon of that site stands after a COMMIT."""
        for row, kind, phase, raw in read_rows(site, self.row[site]):
            self.row[site] = row
            name = name_of(kind, phase, fields(raw))
            if name is None:
                continue
            key = f"{self.side(site)}.{name}"
            self.seen[key] = self.seen.get(key, 0) + 1
            if self.seen[key] > 1:
                key += f"#{self.seen[key]}"
            self.trace.append(key)
            if os.environ.get("TIMES"):
                print(f"# {time.monotonic() - self.begun:6.2f} {key}", flush=True)
            if key == self.point and self.hit is None and not self.over:
                self.hit = time.monotonic()
                self.strike(site)

    def stood(self, what, pid):
        site = self.daemons.site_of(pid)
        if site is None:
            return
        with self.lock:
            if what == "b":
                if self.late == site:
                    self.late = None
                    send(pid, signal.SIGKILL)
            else:
                self.passed(site)

    # --- faults: each leaves in self.undo what undoes it, and when
    def later(self, seconds, what, *args):
        self.undo.append((time.monotonic() + seconds, what, args))

    def strike(self, site):
        what, _, whose = (self.fault or "none.self").partition(".")
        target = site if whose == "self" else other(site)
        getattr(self, "do_" + what)(target)

    def do_none(self, site):
        pass

    def do_kill(self, site):
        send(self.daemons.pid(site), signal.SIGKILL)
        self.later(0.3, self.again, site)

    def do_late(self, site):
        self.late = site
        self.later(0.3, self.again, site)

    def again(self, site):
        if self.late == site:
            return self.later(0.1, self.again, site)
        if self.daemons.is_dead(site):
            self.daemons.start(site)
            boot_service(site)

    def workers(self, site, sig):
        pid = self.daemons.pid(site)
        old = children(pid)
        for child in old:
            send(child, sig)

        def next_one():
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                for child in children(pid):
                    if child not in old:
                        send(child, sig)
                        stopped.append(child)
                        return
                time.sleep(0.002)
        stopped = list(old)
        threading.Thread(target=next_one, daemon=True).start()
        return stopped

    def do_work(self, site):
        self.workers(site, signal.SIGKILL)

    def do_stopw(self, site):
        stopped = self.workers(site, signal.SIGSTOP)
        self.wakes(lambda: [send(p, signal.SIGCONT) for p in stopped])

    def do_ssh(self, site):
        with open(f"{WORK}/{site}/ssh/sshd.pid") as f:
            top = int(f.read())
        todo = [top]
        for pid in todo:
            todo += children(pid)
        for pid in reversed(todo):
            send(pid, signal.SIGKILL)
        for pid in pids_of(f"--socket {WORK}/{site}/socket bridge") + \
                pids_of(f"-r {WORK}/{site}/repository store serve"):
            send(pid, signal.SIGKILL)
        self.later(4, lab, f"lab_sshd {site}")

    def do_cut(self, _):
        links = ("virgin", "bt") if self.fault == "cut.all" else ("virgin",)
        lab("; ".join(f"lab_cut {name}" for name in links))
        self.later(LONG_S, lab, "; ".join(f"lab_mend {name}" for name in links))

    def do_stop(self, site):
        pid = self.daemons.pid(site)
        send(pid, signal.SIGSTOP)
        self.wakes(lambda: send(pid, signal.SIGCONT))

    def wakes(self, what):
        """By itself: whoever asks one that is stopped waits for its answer."""
        threading.Timer(LONG_S, what).start()
        self.later(LONG_S, what)

    def fill(self, path):
        with open(f"{path}/.filler", "wb", buffering=0) as f:
            try:
                while f.write(b"\0" * 65536):
                    pass
            except OSError:
                pass
        self.later(6, os.unlink, f"{path}/.filler")

    def do_state(self, site):
        self.fill(f"{WORK}/{site}/state")

    def do_repo(self, site):
        self.fill(f"{WORK}/{site}/repository")

    def end(self):
        """The next cell's ground is sound: also when this one's record came last."""
        with self.lock:
            self.over, self.late = True, None
        while self.undo:
            self.tend()
            time.sleep(0.1)

    def tend(self):
        now = time.monotonic()
        for item in [i for i in self.undo if i[0] <= now]:
            self.undo.remove(item)
            item[1](*item[2])


def pids_of(words):
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                if words in f.read().replace("\0", " "):
                    out.append(int(pid))
        except OSError:
            pass
    return out


def boot_service(site):
    """As a machine's own units do, which ask for permission."""
    if not accepts(site) and not os.path.exists(f"{WORK}/{site}/here/paused"):
        sh(*on(site, f"{WORK}/ctl", "start"))


class Gate(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.cell = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(f"{WORK}/gate")
        self.listener.listen(16)

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            threading.Thread(target=self.one, args=(conn,), daemon=True).start()

    def one(self, conn):
        with conn:
            try:
                what, _, pid = conn.recv(32).decode().partition(" ")
                if self.cell is not None and pid:
                    self.cell.stood(what, int(pid))
                conn.send(b"g")
            except OSError:
                pass
            except Exception as wrong:  # a fault of this program must be seen
                print("gate:", repr(wrong), flush=True)


class Watch(threading.Thread):
    """Never two: at any moment."""

    def __init__(self):
        super().__init__(daemon=True)
        self.two = 0

    def run(self):
        while True:
            if accepts("brent") and accepts("southwark") and accepts("brent"):
                self.two += 1
            time.sleep(0.004)


# --- the operator ---------------------------------------------------------------
class Stuck(Exception):
    pass


class Operator:
    """Knows what the screen says, no more."""

    def __init__(self, mode, a):
        self.mode, self.a, self.b = mode, a, other(a)
        self.run, self.typed, self.said = None, [], {}
        self.attested = 0
        self.day = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.last, self.since = None, time.monotonic()

    def runs(self, where):
        return [x["run"] for x in lines(at(where, "--json", "failover", "list"))
                if x.get("type") == "failover" and x["run"][:16] >= self.day]

    def ask(self, where, tend):
        to = self.b
        words = ["failover", "request", "counter", "--to", to, "--mode",
                 "unplanned" if self.mode == "unplanned" else "planned",
                 "--reason", "a campaign", "--change", "C1"]
        if self.mode == "unplanned":
            words += ["--accept-loss", "what was written since"]
        before = self.runs(where)
        done = at(where, *words)
        self.run = done.stdout.split("\n")[0].strip()
        for _ in range(int(10 * LONG_S)):  # without an answer it may be recorded
            if re.match(r"^\d{8}T", self.run):
                break
            tend()
            time.sleep(0.2)
            new = [r for r in self.runs(where) if r not in before]
            if not new and done.returncode in (3, 5, 14, 75, 99):
                done = at(where, *words)
            self.run = new[0] if new else done.stdout.split("\n")[0].strip()
        else:
            raise Stuck(f"no request: {done.returncode} {done.stdout} {done.stderr}")
        if self.mode == "unplanned":
            at(where, "approve", self.run, "--yes", person=6)
        self.start(where)

    def start(self, where):
        over = ["G08"] + (["G02", "G06", "G07", "G09", "G12"]
                          if self.mode == "unplanned" else [])
        words = ["failover", "start", self.run, "--confirm", self.b]
        for guard in over:
            words += ["--override", f"{guard}=a laboratory"]
        done = at(where, *words)
        if done.returncode not in (0, 99):
            self.typed.append(f"start: {done.returncode} {done.stderr.strip()}")

    def screen(self, site):
        status = at(site, "status").stdout
        show = at(site, "failover", "show", self.run).stdout
        self.said[site] = status + "\n---\n" + "\n".join(show.splitlines()[-6:])
        found = re.findall(r"type: (bascule [^;(\n]*)", status)
        found += re.findall(r"^next: (bascule [^;(\n]*)", show, re.M)
        return [" ".join(f.split()) for f in found]

    def type(self, site, command):
        """What the screen says, literally; people where it takes people."""
        words = command.split()[1:]
        if words[:2] in (["failover", "show"], ["failover", "start"]):
            if words[1] == "start":
                self.start(site)
            return
        if words[:2] == ["failover", "commit"] and self.mode == "rollback":
            words = ["failover", "rollback", self.run, "--confirm", self.a,
                     "--override", "G17=a campaign"]
        people = [None]
        if words[0] == "approve":
            if self.attested >= 2:
                return
            people = [6, 8]
            words = [w if w != "METHOD" else "power is off" for w in words] + ["--yes"]
            self.attested = 2
        if words[0] == "status":
            return
        if words[:2] == ["failover", "answer"] and words[-1] == "done" and \
                not accepts(site):  # who is asked looks
            words[-1] = "retry"
        if words[:2] == ["hold", "resolve"]:
            people = [6, 8]
            if "--confirm" not in words:
                words += ["--confirm", words[words.index("--owner") + 1]]
            words += ["--reason", "a campaign"]
        for person in people:
            done = at(site, *words, person=person)
            self.typed.append(f"{site}: {' '.join(words)}: {done.returncode}"
                              f" {(done.stdout + done.stderr).strip()[-300:]}")
            for more in re.findall(r"^next: (bascule [^;,(\n]*)", done.stdout, re.M):
                if words[:2] == ["hold", "inspect"] and "hold inspect" not in more:
                    self.type(site, more)

    def look(self, sites):
        for site in sites:
            for command in self.screen(site):
                # a command that did not help is not typed again at once
                if (site, command) == self.last and \
                        time.monotonic() - self.since < 4:
                    continue
                self.last, self.since = (site, command), time.monotonic()
                self.type(site, command)


def said_of(site):
    for line in lines(at(site, "--json", "status")):
        if line.get("type") == "service":
            return line
    return {}


def is_over(run, site):
    """0: not, 1: it is, with its phase."""
    for line in lines(at(site, "--json", "failover", "show", run)):
        if line.get("type") == "failover":
            phase = line.get("phase")
            return phase if phase in ("REPROTECTED", "ABORTED", "ROLLED_BACK", "EXPIRED",
                                      "WITHDRAWN") else None
    return None


def agree():
    """Where both registers say it is, or None."""
    said = [said_of(s) for s in SITES]
    if not all(said) or said[0].get("active_site") != said[1].get("active_site") or \
            said[0].get("epoch") != said[1].get("epoch"):
        return None
    # what is MOVING at the site that has let go ends when the owner is heard
    owner = said[0]["active_site"]
    mine = said[SITES.index(owner)]
    if mine.get("authority") not in ("PROTECTED", "UNPROTECTED"):
        return None
    return owner


def acks():
    with open(f"{WORK}/acks") as f:
        return [(int(w[0]), w[1]) for w in (x.split() for x in f) if len(w) == 2]


def log_of(site):
    try:
        with open(f"{WORK}/{site}/here/data/log") as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def judge_data(mode, a, owner, phase):
    said = acks()  # first: it goes on
    log = log_of(owner)
    if log != list(range(1, len(log) + 1)):
        return "the live data has a hole or a number twice"
    kept = said
    if phase == "ROLLED_BACK" or mode == "rollback":
        kept = [x for x in said if x[1] == owner]
    if mode == "unplanned":
        kept = [x for x in said if x[1] == owner]
    last = max([0] + [n for n, _ in kept])
    if last > len(log):
        return f"{last} was acknowledged, {owner} has {len(log)}"
    return None


class Campaign:
    def __init__(self, args):
        self.args, self.daemons, self.gate, self.watch = args, Daemons(), Gate(), Watch()
        self.begun = self.done = self.failed = 0

    # --- the ground
    def up(self):
        self.gate.start()
        for site in SITES:
            if not self.daemons.start(site):
                raise SystemExit(f"{site} does not begin")
        self.until(20, lambda: at("brent", "permit", "counter").returncode == 0)
        sh(*on("brent", f"{WORK}/ctl", "start"))
        at("brent", "run", "counter", "--wait")
        self.until(20, lambda: '"point"' in at("southwark", "--json", "points",
                                               "counter").stdout)
        for site in SITES:
            os.chmod(f"{WORK}/{site}", 0o711)
            os.chmod(f"{WORK}/{site}/socket", 0o666)
        os.chmod(WORK, 0o711)
        self.watch.start()

    def until(self, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if what():
                return True
            time.sleep(0.1)
        return False

    def tend(self, cell):
        cell.tend()
        for site in SITES:  # sockets are made anew with each daemon
            try:
                os.chmod(f"{WORK}/{site}/socket", 0o666)
            except OSError:
                pass

    # --- one move
    def move(self, mode, point, fault):
        a = agree()
        if a is None or not accepts(a):
            raise Stuck(f"not fit to begin: {a}")
        open(f"{WORK}/acks", "w").close()
        self.watch.two = 0
        cell = self.gate.cell = Cell(self.daemons, a, point, fault)
        cell.mode = mode
        op = cell.op = Operator(mode, a)
        return getattr(self, "run_" + mode, self.run_move)(cell, op)

    def run_move(self, cell, op):
        op.ask(op.a, lambda: self.tend(cell))
        return self.to_the_end(cell, op, SITES)

    def run_unplanned(self, cell, op):
        """A's machine is off: its daemon, its service, its links."""
        self.daemons.kill(op.a)
        with open(f"{WORK}/{op.a}/here/pid") as f:
            send(int(f.read()), signal.SIGKILL)
        lab("lab_reset virgin; lab_reset bt")
        op.ask(op.b, lambda: self.tend(cell))
        back = False
        end = time.monotonic() + END_S
        while time.monotonic() < end:
            self.tend(cell)
            op.look([op.b])
            phase = self.phase(op)
            if phase == "COMMITTED" and not back:
                break
            if phase in ("ABORTED", "EXPIRED", "WITHDRAWN"):
                break
            time.sleep(0.3)
        lab("lab_mend virgin; lab_mend bt")
        self.daemons.start(op.a)
        boot_service(op.a)
        return self.to_the_end(cell, op, SITES)

    def phase(self, op):
        for line in lines(at(op.b, "--json", "failover", "show", op.run)):
            if line.get("type") == "failover":
                return line.get("phase")
        return None

    def run_test(self, cell, op):
        cell.untouched = True
        talk = subprocess.Popen(
            [B, "--socket", f"{WORK}/{op.b}/socket", "exercise", "start", "counter",
             "--mode", "test", "--wait"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + END_S
        while time.monotonic() < end:
            self.tend(cell)
            if not accepts(op.a):
                cell.untouched = False
            over = [x for x in lines(at(op.b, "--json", "exercise", "list"))
                    if x.get("type") == "exercise"]
            if over and not cell.undo and all(x.get("result") for x in over) and \
                    talk.poll() is not None:
                break
            time.sleep(0.2)
        else:
            talk.kill()
            op.said[op.b] = at(op.b, "exercise", "list").stdout + at(op.b, "status").stdout
            raise Stuck("the test does not end")
        if not cell.untouched:
            raise Stuck("production was touched")
        if not self.until(20, lambda: not os.path.exists(f"{WORK}/{op.b}/sandbox") or
                          not os.listdir(f"{WORK}/{op.b}/sandbox")):
            raise Stuck(f"left behind: {os.listdir(f'{WORK}/{op.b}/sandbox')}")
        return self.verdict(cell, op, None)

    def to_the_end(self, cell, op, sites):
        end = time.monotonic() + END_S + (LONG_S if cell.fault else 0)
        while time.monotonic() < end:
            self.tend(cell)
            alive = [s for s in sites if not self.daemons.is_dead(s)]
            phase = {s: is_over(op.run, s) for s in alive}
            if len(phase) == 2 and all(phase.values()) and not cell.undo:
                return self.verdict(cell, op, phase[op.a])
            op.look(alive)
            time.sleep(0.3)
        raise Stuck("it does not end")

    def verdict(self, cell, op, phase):
        if not self.until(30, lambda: self.tend(cell) or (
                not cell.undo and agree() is not None and accepts(agree()))):
            raise Stuck(f"no agreement: {[(s, said_of(s).get('active_site'), said_of(s).get('authority'), said_of(s).get('epoch'), accepts(s)) for s in SITES]}")
        owner = agree()
        if self.watch.two:
            raise Stuck(f"TWO SITES accepted writes, seen {self.watch.two} times")
        before = len(acks())
        if not self.until(5, lambda: len(acks()) > before):
            raise Stuck("nobody writes")
        wrong = judge_data(cell.mode, cell.a, owner, phase)
        if wrong:
            raise Stuck(wrong)
        if cell.point and cell.hit is None:
            return "missed"
        return f"ok {phase or ''}"

    # --- all of them
    def keep(self, key, cell, wrong):
        folder = f"{self.args.results}/failed/{key}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(f"{folder}/story", "w") as f:
            op = getattr(cell, "op", None)
            print("wrong:", wrong, file=f)
            if op is not None:
                print("run:", op.run, "A:", op.a, *op.typed, sep="\n", file=f)
                for site, text in op.said.items():
                    print(f"=== {site}'s screen\n{text}", file=f)
                for site in SITES:
                    print(f"=== {site}", at(site, "status").stdout,
                          at(site, "failover", "show", op.run or "-").stdout,
                          at(site, "alarms").stdout, file=f, sep="\n")
            print(*cell.trace, sep="\n", file=f)
        for site in SITES:
            shutil.copy(f"{WORK}/{site}/log", f"{folder}/{site}.log")

    def one(self, key, mode, point, fault):
        cell, begun = None, time.monotonic()
        self.gate.cell = None
        try:
            result = self.move(mode, point, fault)
        except Stuck as wrong:
            result = f"FAIL {wrong}"
            cell = self.gate.cell
            if cell is not None:
                self.keep(key, cell, wrong)
        else:
            self.gate.cell.end()
        print(f"{'not ok' if result[0] == 'F' else 'ok'} {key}: {result}"
              f" {time.monotonic() - begun:.1f} s", flush=True)
        self.done += 1
        return result

    def trace(self, mode):
        path = f"{self.args.results}/trace.{mode}"
        with open(f"{self.args.results}/tracing", "w") as one:
            fcntl.flock(one, fcntl.LOCK_EX)
            return self.trace_once(mode, path)

    def trace_once(self, mode, path):
        if not os.path.exists(path):
            result = self.one(f"{mode}.none", mode, None, None)
            if not result.startswith("ok"):
                raise SystemExit(f"{mode} without a fault: {result}")
            with open(path + f".{os.getpid()}", "w") as f:
                f.write("\n".join(self.gate.cell.trace) + "\n")
            os.rename(path + f".{os.getpid()}", path)
        with open(path) as f:
            return f.read().split()

    def cells(self):
        if self.args.only:
            for key in self.args.only.split(","):
                yield key.split("+")
            return
        left = []  # of each mode and fault, points far from each other first
        for n, fault in enumerate(self.args.faults.split(",")):
            for mode in self.args.modes.split(","):
                points = [p for p in self.trace(mode) if re.search(self.args.points, p)
                          and applies(mode, p, fault)]
                points = spread(points, n)
                left.append([(mode, p, fault)
                             for p in points[:self.args.most or len(points)]])
        while any(left):
            for one in filter(None, left):
                yield one.pop(0)

    def all(self):
        for mode, point, fault in self.cells():
            key = f"{mode}+{point}+{fault}"
            path = f"{self.args.results}/cells/{key}"
            with open(path, "a+") as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                f.seek(0)
                if f.read(2) in ("ok", "mi") or (os.fstat(f.fileno()).st_size and
                                                 not self.args.again):
                    continue
                result = self.one(key, mode, point, fault)
                f.truncate(0)
                f.write(result + "\n")
            if result[0] == "F":
                return 3  # what stands now is not known
            if self.args.cells and self.done >= self.args.cells:
                return 75
        return 0


def spread(points, turn):
    """In the order of the golden section: whatever part of it is done, it is even."""
    at = {}
    for n in range(40 * len(points)):
        at.setdefault(int((turn * 0.38 + n * 0.6180339887) % 1 * len(points)), None)
    return [points[i] for i in at]


def applies(mode, point, fault):
    what, _, whose = fault.partition(".")
    if mode == "unplanned" and point[0] == "B" and \
            not re.search("COMMITTED|REPROTECTED|authority.(commit|reprot)", point):
        return whose == "self" and what not in ("cut", "ssh")  # A is off, so are the links
    return True


def table(results):
    cells = {}
    for name in sorted(os.listdir(f"{results}/cells")):
        with open(f"{results}/cells/{name}") as f:
            text = f.read()
        mode, point, fault = name.split("+")
        cells[mode, point, fault] = {"ok": ".", "mi": "m", "FA": "F"}.get(text[:2], " ")
    for mode in MODES:
        if not os.path.exists(f"{results}/trace.{mode}"):
            continue
        with open(f"{results}/trace.{mode}") as f:
            points = f.read().split()
        print(f"{mode:42}", *(f"{x.replace('.', '')[:2]}{x.split('.')[1][0]}" for x in FAULTS))
        for p in points:
            row = [cells.get((mode, p, x), " " if applies(mode, p, x) else "-")
                   for x in FAULTS]
            if any(c not in " -" for c in row):
                print(f"{p:42}", *(f" {c} " for c in row))
    count = {c: sum(v == c for v in cells.values()) for c in ".mF"}
    print(f"# {count['.']} held, {count['F']} failed, {count['m']} were not met "
          "(the move took another way); -: there is none")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("results")
    p.add_argument("--modes", default=",".join(MODES))
    p.add_argument("--faults", default=",".join(FAULTS))
    p.add_argument("--points", default=".")
    p.add_argument("--most", type=int, default=0)
    p.add_argument("--only", help="these cells: MODE+POINT+FAULT,...")
    p.add_argument("--cells", type=int, default=40)
    p.add_argument("--again", action="store_true", help="also what has failed")
    p.add_argument("--table", action="store_true")
    args = p.parse_args()
    os.makedirs(f"{args.results}/cells", exist_ok=True)
    if args.table:
        return table(args.results)
    campaign = Campaign(args)
    campaign.up()
    code = campaign.all()
    for site in SITES:
        campaign.daemons.kill(site)
    return code


sys.exit(main())
