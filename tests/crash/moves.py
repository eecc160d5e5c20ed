#!/usr/bin/env python3
"""moves.py RESULTS [--modes M,N] [--faults X,Y] [--points WORD] [--most N]
         [--only CELLS] [--home SITE] [--cells N] [--again] [--table] [--left]

Faults in moves between two real daemons, at every record that either of them
makes.  Run by tests/scenario/90-move-faults.sh, which makes the laboratory; one
cell is one move (or one isolated test) with one fault at one point of it:

  mode    planned (with commit and reprotect; every other one is the failback,
          as the service stays where it came to), rollback, unplanned, test
  point   A.failover.fence.i: of site A (which is left; B takes), the first record
          of that meaning, i an intent, o an outcome, e an event.  A step has the
          act that it belongs to (@resume), what is adopted its state and owner.
          How often one comes again (a replication that is tried until the other
          answers) is not the move's but the moment's, and so is news of the move
          before: those are no points
  fault   at that record, the daemon standing still in its gate (gate.c)

An unfaulted move of each mode says which points there are.  After the fault is
undone an operator goes on who knows nothing but what `status` and `failover
show` tell to type next.  Judged: never two sites that accept writes, at the end
one site does, which both registers name; nothing acknowledged is lost.

A cell's result is a file in RESULTS, so what has ended well is not done again;
several of these may work on one RESULTS.  Next is what was struck least (matrix.py).
"""
import argparse
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from matrix import FAULTS, MODES, ETCD, Matrix
from movelab import B, HOSTS, SITES, WORK, Daemons, Etcd, Names, Watch, accepts, acks, \
    agree, at, boot_service, children, fields, is_over, judge_data, lab, lines, on, \
    is_stopped, other, read_rows, runs, said_of, send, sh, sshd_of

LONG_S = float(os.environ.get("LONG", "12"))  # longer than patience and silence
# A move that has not ended by then is stuck; END: more where others compute.
END_S = float(os.environ.get("END", "60")) + LONG_S
# Somebody looks at the screen; LOOK: who is slow.
LOOK_S = float(os.environ.get("LOOK", max(0.3, LONG_S / 200)))


# --- one cell -------------------------------------------------------------------
class Cell:
    """What the gate sees of one move, and the fault."""

    def __init__(self, daemons, etcd, a, point, fault):
        self.daemons, self.etcd, self.a = daemons, etcd, a
        self.point, self.fault = point, fault
        self.trace, self.begun = [], time.monotonic()
        epoch = str(said_of(a).get("epoch"))
        self.names = {s: Names(a, epoch) for s in SITES}
        self.row = {s: max([0] + [r[0] for r in read_rows(s, 0)]) for s in SITES}
        self.hit, self.late, self.undo, self.over = None, None, [], False
        self.froze = set()  # sites where something stood still for minutes
        self.lock = threading.Lock()

    def side(self, site):
        return "AB"[site != self.a]

    def passed(self, site):
        """The daemon of that site stands after a COMMIT."""
        for row, kind, phase, raw in read_rows(site, self.row[site]):
            self.row[site] = row
            name = self.names[site].name(kind, phase, fields(raw))
            if name is not None:
                self.came(site, name)

    def came(self, site, name):
        key = f"{self.side(site)}.{name}"
        if key in self.trace:
            return
        self.trace.append(key)
        if os.environ.get("TIMES"):
            print(f"# {time.monotonic() - self.begun:6.2f} {key}", flush=True)
        if key == self.point and self.hit is None and not self.over:
            self.hit = time.monotonic()
            self.strike(site)

    def written(self, register):
        """In etcd; who asked for it has not heard that it is."""
        with self.lock:
            if not self.names[register["site"]].is_old(register):
                self.came(register["site"], f"etcd.{register['state']}.e")

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
        if self.daemons.is_dead(site):  # its machine is off; it returns by itself
            return
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

    def boot(self, site):
        """A machine: its unit tries again, as Restart= has it, until the daemon knows."""
        if not boot_service(site):
            self.later(1, self.boot, site)

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

    def do_both(self, _):
        alive = [s for s in SITES if not self.daemons.is_dead(s)]
        for site in alive:
            send(self.daemons.pid(site), signal.SIGKILL)
        for site in alive:
            self.later(0.3, self.again, site)

    def do_crew(self, site):
        pid = self.daemons.pid(site)
        for one in [pid] + children(pid):
            send(one, signal.SIGKILL)
        self.later(0.3, self.again, site)

    def lose(self, hosts):
        self.etcd.signal(hosts, signal.SIGKILL)
        self.later(LONG_S, self.etcd.begin, hosts)

    def do_member(self, site):
        self.lose([self.etcd.leader() if self.fault == "member.leader" else site])

    def do_quorum(self, site):
        self.lose([site, HOSTS[2]])

    def do_pause(self, _):
        hosts = HOSTS if self.fault == "pause.all" else [self.etcd.leader()]
        self.etcd.signal(hosts, signal.SIGSTOP)
        self.wakes([self.etcd.pid(host) for host in hosts])

    def do_pair(self, site):
        self.etcd.signal([site], signal.SIGKILL)
        self.do_kill(site)
        self.later(LONG_S, self.etcd.begin, [site])

    def do_work(self, site):
        self.workers(site, signal.SIGKILL)

    def do_stopw(self, site):
        self.wakes(self.workers(site, signal.SIGSTOP), site)

    def do_ssh(self, site):
        for pid in sshd_of(site):
            send(pid, signal.SIGKILL)
        self.later(4, lab, f"lab_sshd {site}")

    def do_hang(self, site):
        stopped = sshd_of(site)
        for pid in stopped:
            send(pid, signal.SIGSTOP)
        self.wakes(stopped)

    def do_cut(self, _):
        links = ("virgin", "bt") if self.fault == "cut.all" else ("virgin",)
        lab("; ".join(f"lab_cut {name}" for name in links))
        self.later(LONG_S, lab, "; ".join(f"lab_mend {name}" for name in links))

    def do_stop(self, site):
        pid = self.daemons.pid(site)
        send(pid, signal.SIGSTOP)
        self.wakes([pid], site)

    def wakes(self, pids, site=None):
        """By itself: whoever asks one that is stopped waits for its answer."""
        def wake():
            if LONG_S >= 90 and site and any(is_stopped(p) for p in pids):
                self.froze.add(site)
            for pid in pids:
                send(pid, signal.SIGCONT)
        threading.Timer(LONG_S, wake).start()
        self.later(LONG_S, wake)

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


class Gate(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.cell = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(f"{WORK}/gate")
        self.listener.listen(16)

    def written(self, register):
        if self.cell is not None:
            self.cell.written(register)

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


# --- the operator ---------------------------------------------------------------
class Stuck(Exception):
    pass


class Operator:
    """Knows what the screen says, no more."""

    def __init__(self, mode, a):
        self.mode, self.a, self.b = mode, a, other(a)
        self.run, self.typed, self.said = None, [], {}
        self.story, self.begun = [], time.monotonic()
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
        over = ["G02", "G06", "G07", "G09", "G12"] if self.mode == "unplanned" else []
        for more in ([], ["G08"]):  # only where it stops: no gate after it is passed so
            words = ["failover", "start", self.run, "--confirm", self.b]
            for guard in over + more:
                words += ["--override", f"{guard}=a laboratory"]
            done = at(where, *words)
            if done.returncode in (0, 99):
                return
            self.typed.append(f"{where}: start: {done.returncode} {done.stderr.strip()}")
            if "guard G08" not in done.stderr:
                return

    def screen(self, site):
        done = at(site, "status")
        status, show = done.stdout, at(site, "failover", "show", self.run).stdout
        self.said[site] = status + "\n---\n" + "\n".join(show.splitlines()[-6:])
        self.read(site, re.findall("^  counter: .*(?:\n      type: .*)?", status, re.M) +
                  [x for x in show.splitlines() if x.startswith("next: ")] +
                  (done.stderr.splitlines() if done.returncode not in (0, 6) else []))
        found = re.findall(r"type: (bascule [^;(\n]*)", status)
        found += re.findall(r"^next: (bascule [^;(\n]*)", show, re.M)
        return [" ".join(f.split()) for f in found if not f.startswith("bascule alarms ")]

    def read(self, site, said):
        """What a tired person reads, as it changes."""
        told = next((x for s, _, x in reversed(self.story) if s == site), None)
        if said != told:
            self.story.append((site, time.monotonic() - self.begun, said))

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
        if words[0] == "approve" and "--attest" not in words:
            people, words = [6], words + ["--yes"]
        elif words[0] == "approve":
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
            known = self.mode == "unplanned" and site == self.b  # A's machine is off
            for more in re.findall(r"by two people, (bascule hold resolve [^;,(\n]*)",
                                   done.stdout) if known else []:
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


class Campaign:
    def __init__(self, args):
        self.args, self.daemons, self.gate, self.watch = args, Daemons(), Gate(), \
            Watch(max(0.004, LOOK_S / 100))
        self.etcd = Etcd()
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
        if self.etcd.on:
            threading.Thread(target=self.etcd.watch, args=(self.gate.written,),
                             daemon=True).start()

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
        cell = self.gate.cell = Cell(self.daemons, self.etcd, a, point, fault)
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
        if self.etcd.on:
            self.etcd.signal([op.a], signal.SIGKILL)
        op.ask(op.b, lambda: self.tend(cell))
        end = time.monotonic() + END_S
        while time.monotonic() < end:
            self.tend(cell)
            op.look([op.b])
            if self.phase(op) in ("COMMITTED", "ABORTED", "EXPIRED", "WITHDRAWN"):
                break
            time.sleep(LOOK_S)
        lab("lab_mend virgin; lab_mend bt")
        if self.etcd.on:
            self.etcd.begin([op.a])
        self.daemons.start(op.a)
        cell.boot(op.a)
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
            # a backup that is due stops the writes for a moment
            if not accepts(op.a) and not (runs(op.a) and
                                          self.until(5, lambda: accepts(op.a))):
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
            time.sleep(LOOK_S)
        raise Stuck("it does not end")

    def verdict(self, cell, op, phase):
        owner = None

        def has_ended():
            nonlocal owner
            self.tend(cell)
            owner = None if cell.undo else agree()
            return owner is not None and accepts(owner)
        if not self.until(30, has_ended):
            raise Stuck(f"no agreement: {[(s, said_of(s).get('active_site'), said_of(s).get('authority'), said_of(s).get('epoch'), accepts(s)) for s in SITES]}")
        if self.etcd.on and not self.until(30, lambda: self.tend(cell) or self.etcd.says(owner)):
            raise Stuck(f"etcd says {self.etcd.register()}")
        if self.watch.two:
            raise Stuck(f"TWO SITES accepted writes, seen {self.watch.two} times")
        before = len(acks())
        if not self.until(5, lambda: len(acks()) > before):
            raise Stuck("nobody writes")
        wrong = judge_data(cell.mode, cell.a, owner, phase)
        if wrong:
            raise Stuck(wrong)
        for site in cell.froze:  # somebody looked, and was told
            if op.story and not any("kill -CONT" in line for s, _, said in op.story
                                    if s == site for line in said):
                raise Stuck(f"nobody at {site} was told what wakes what is stopped")
        if cell.point and cell.hit is None:
            return "missed"
        return f"ok {phase or ''} from {cell.a}"

    # --- all of them
    def tell(self, key, op):
        """The screens of what has ended well, to be read by people."""
        os.makedirs(f"{self.args.results}/screens", exist_ok=True)
        with open(f"{self.args.results}/screens/{key}", "w") as f:
            for site, when, said in op.story:
                print(f"{when:6.1f} {site}", *said, sep="\n    ", file=f)
            print(*op.typed, sep="\n", file=f)

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
            self.tell(key, self.gate.cell.op)
        print(f"{'not ok' if result[0] == 'F' else 'ok'} {key}: {result}"
              f" {time.monotonic() - begun:.1f} s", flush=True)
        self.done += 1
        return result

    def trace(self, mode):
        """Which records there are: one move of that mode, by nothing hurt."""
        path = f"{self.args.results}/trace.{mode}"
        with open(f"{self.args.results}/tracing", "w") as one:
            fcntl.flock(one, fcntl.LOCK_EX)
            if os.path.exists(path):
                return
            result = self.one(f"{mode}.none", mode, None, None)
            if not result.startswith("ok"):
                raise SystemExit(f"{mode} without a fault: {result}")
            with open(path + ".new", "w") as f:
                f.write("\n".join(self.gate.cell.trace) + "\n")
            os.rename(path + ".new", path)

    def cells(self):
        if self.args.only:
            for key in self.args.only.split(","):
                yield tuple(key.split("+"))
            return
        tried = set()
        for mode in self.args.matrix.modes:
            self.trace(mode)
        while True:
            cell = self.args.matrix.next(tried, self.args.again, self.args.most)
            if cell is None:
                return
            tried.add(cell)
            yield cell

    def all(self):
        while self.args.home and agree() != self.args.home:
            if not self.one("home", "planned", None, None).startswith("ok"):
                return 3
        for cell in self.cells():
            while os.path.exists(os.environ.get("PAUSE", "")):
                time.sleep(1)
            with open(self.args.matrix.path(cell), "a+") as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                f.seek(0)
                if f.read(2) in ("ok", "mi") or (os.fstat(f.fileno()).st_size and
                                                 not self.args.again):
                    continue
                result = self.one("+".join(cell), *cell)
                f.truncate(0)
                f.write(result + "\n")
            if result[0] == "F":
                return 3  # what stands now is not known
            if self.args.cells and self.done >= self.args.cells:
                return 75
        return 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("results")
    p.add_argument("--modes", default=",".join(MODES))
    p.add_argument("--faults", help="all of them, with etcd its own")
    p.add_argument("--points", default=".")
    p.add_argument("--most", type=int, default=0, help="so often each record of a mode")
    p.add_argument("--only", help="these cells: MODE+POINT+FAULT,...")
    p.add_argument("--home", help="the service is at SITE when they begin")
    p.add_argument("--cells", type=int, default=40)
    p.add_argument("--again", action="store_true", help="also what has failed")
    p.add_argument("--table", action="store_true")
    p.add_argument("--left", action="store_true", help="what nothing has struck yet")
    args = p.parse_args()
    os.makedirs(f"{args.results}/cells", exist_ok=True)
    faults = args.faults.split(",") if args.faults else \
        [f for f in FAULTS if Etcd().on or f.split(".")[0] not in ETCD]
    args.matrix = Matrix(args.results, args.modes.split(","), faults, args.points)
    if args.table or args.left:
        return args.matrix.left() if args.left else args.matrix.table()
    campaign = Campaign(args)
    campaign.up()
    code = campaign.all()
    for site in SITES:
        campaign.daemons.kill(site)
    return code


sys.exit(main())
