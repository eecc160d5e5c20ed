"""The ground of moves.py: its laboratory (tests/lab, with the service of
tests/support/move.sh), daemons, etcd's members, and what their records mean."""
import base64
import http.client
import json
import os
import signal
import sqlite3
import struct
import subprocess
import threading
import time

WORK, TOP = os.environ.get("WORK", ""), os.environ.get("TOP", "")
B, DAEMON = os.environ.get("B", ""), os.environ.get("DAEMON", "")
SITES = ("brent", "southwark")
HOSTS = SITES + ("lewisham",)
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


def is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def runs(site):
    try:
        with open(f"{WORK}/{site}/here/pid") as f:
            pid = int(f.read())
        with open(f"/proc/{pid}/cmdline") as f:
            return "app.py" in f.read()
    except (OSError, ValueError):
        return False


def accepts(site):
    """Does the service there take writes?"""
    return runs(site) and not os.path.exists(f"{WORK}/{site}/here/paused")


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
        until = time.monotonic() + 60
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


def point_name(f):
    if "complete" in f:
        return "came" if "acknowledgement" in f else "made"
    return "held:" + f.get("why", "") if "held" in f else \
        "verified" if "verified_level" in f else "replicated"


def exercise_name(f):
    if f.get("event") or f.get("state"):
        return f.get("event") or f["state"]
    what, text = next(((k, v) for k, v in f.items() if k[0] != "@"), ("", ""))
    return ":".join([what] + text.split(":")[0].split()[:3])


class Names:
    """What the records of one site's ledger mean in this move, whatever their number."""

    def __init__(self, a, epoch):
        self.a, self.epoch = a, epoch    # as it stood
        self.job, self.within = {}, ""   # intents of jobs; the act, the state of a test

    def job_name(self, phase, f):
        if phase == 0 or f.get("kind") in ("probe", None):
            return None
        name = f["kind"] + (":" + f["act"] if "act" in f else "")
        if "act" in f:
            self.within = f["act"]
        return self.job.setdefault(f.get("@intent"), name)

    def is_old(self, register):
        """How the move before this one ended, which has only now been heard."""
        return str(register.get("epoch")) == self.epoch and \
            register.get("state") in ("PROTECTED", "UNPROTECTED")

    def register_name(self, f):
        name = f.get("event", "")
        if self.is_old(f):
            return None
        if name != "adopt":
            return name
        return f"{name}:{f.get('state')}:{'AB'[f.get('active_site') != self.a]}"

    def name(self, kind, phase, f):
        name = None
        if kind == "failover":
            name = f.get("event", "") + (":" + f["guard"] if "guard" in f else "")
        elif kind == "authority":
            name = self.register_name(f)
        elif kind == "step":
            name = f"{f.get('kind', '')}:{f.get('step', '')}@{self.within}"
        elif kind == "exercise":
            name = exercise_name(f)
            self.within = f.get("state", self.within)
        elif kind == "job":
            name = self.job_name(phase, f)
        elif kind == "point":
            name = point_name(f)
        return name and f"{kind}.{name.replace(' ', '-')}.{PHASES[phase]}"


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


def sshd_of(site):
    """And all that goes on over it; who was begun last comes first."""
    with open(f"{WORK}/{site}/ssh/sshd.pid") as f:
        pids = [int(f.read())]
    for pid in pids:
        pids += children(pid)
    return pids[::-1] + pids_of(f"--socket {WORK}/{site}/socket bridge") + \
        pids_of(f"-r {WORK}/{site}/repository store serve")


def boot_service(site):
    """As a machine's own units do, which ask for permission.  False: it is not
    known there yet whether they have it (quarantine)."""
    if not accepts(site) and not os.path.exists(f"{WORK}/{site}/here/paused"):
        sh(*on(site, f"{WORK}/ctl", "start"))
    return accepts(site) or "quarantine" not in at(site, "permit", "counter").stderr


class Watch(threading.Thread):
    """Never two: at any moment."""

    def __init__(self, every_s):
        super().__init__(daemon=True)
        self.two, self.every_s = 0, every_s

    def run(self):
        while True:
            if accepts("brent") and accepts("southwark") and accepts("brent"):
                self.two += 1
            time.sleep(self.every_s)


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


# --- etcd ------------------------------------------------------------------------
class Etcd:
    """Three members, one a host (tests/support/etcdlab.sh); none: they are off."""

    KEY = base64.b64encode(b"/bascule/authority/counter").decode()

    def __init__(self):
        self.on = os.path.exists(f"{WORK}/brent/etcd.pid")

    def pid(self, host):
        with open(f"{WORK}/{host}/etcd.pid") as f:
            return int(f.read())

    def signal(self, hosts, sig):
        for host in hosts:
            send(self.pid(host), sig)

    def begin(self, hosts):
        for host in hosts:
            lab(f'. "$TOP/tests/support/etcdlab.sh"; etcd_begin {host}')

    def call(self, host, path, what, timeout=2):
        conn = http.client.HTTPConnection(f"10.9.{10 * HOSTS.index(host) + 10}.10", 2379,
                                          timeout=timeout)
        conn.request("POST", "/v3/" + path, json.dumps(what))
        return conn.getresponse()

    def leader(self):
        for host in HOSTS:
            try:
                said = json.load(self.call(host, "maintenance/status", {}))
            except (OSError, ValueError, http.client.HTTPException):
                continue
            if said.get("leader") == said["header"]["member_id"]:
                return host
        return HOSTS[2]

    def register(self):
        """As a majority has it, or {}."""
        for host in HOSTS:
            try:
                said = json.load(self.call(host, "kv/range", {"key": self.KEY}))
                return json.loads(base64.b64decode(said["kvs"][0]["value"]))
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                continue
        return {}

    def says(self, owner):
        r = self.register()
        return (r.get("owner"), r.get("epoch"), r.get("state")) == \
            (owner, said_of(owner).get("epoch"), said_of(owner).get("authority"))

    def watch(self, tell):
        """Each register that is written, the moment it is there."""
        seen = 0
        while True:
            for host in reversed(HOSTS):
                try:
                    said = self.call(host, "watch", {"create_request": {
                        "key": self.KEY, **({"start_revision": seen + 1} if seen else {})}},
                        timeout=3600)
                    for line in said:
                        for ev in json.loads(line)["result"].get("events", []):
                            seen = int(ev["kv"]["mod_revision"])
                            tell(json.loads(base64.b64decode(ev["kv"]["value"])))
                except (OSError, ValueError, KeyError, http.client.HTTPException):
                    continue
            time.sleep(0.05)
