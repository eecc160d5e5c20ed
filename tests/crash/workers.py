#!/usr/bin/env python3
"""workers.py BASCULE SHIM WORK --daemon BASCULED [--acts A,B] [--faults X,Y]
           [--most N] [--part K/N]

A worker of the daemon that makes a move's acts at this site (fence, prove, resume,
quiesce, plan, undo, capture), or measures readiness, while each of its calls fails, one
after the other.  This program plays the daemon.  What the result says is what came
about: "done" was done, "not-done" changed nothing; every effect had its intent
acknowledged first; it ends by itself; the next worker does it, given what the
records of this one say.  Readiness never blames the key, or a copy that did not
come, for what could not be read.
"""
import argparse
import base64
import errno
import json
import os
import shutil
import queue
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from ground import hit, part, stride

TIMEOUT_S = 20
LABS = 6                # at once: most of a run is waiting
FAULTS = {"eio": ("fail", errno.EIO), "emfile": ("fail", errno.EMFILE),
          "enospc": ("fail", errno.ENOSPC), "eintr": ("fail", errno.EINTR),
          "short": ("short", 0), "nomem": ("nomem", 0)}
POLICY = """
site = "far"; state = "{work}/state"; key_file = "{work}/key";
councils = ( {{ name = "brent"; title = "Brent"; share = 100; }} );
sites = ( {{ name = "near"; title = "near"; role = "datacentre"; failure_domain = "near";
  repository = "/nowhere"; hosts = ( {{ name = "b.near"; address = "127.0.0.1"; port = 9;
  user = "b"; host_keys = [ "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ]; }} ); }},
 {{ name = "far"; title = "far"; role = "datacentre"; failure_domain = "far";
  repository = "{work}/repository"; hosts = ( {{ name = "b.far"; address = "127.0.0.2";
  user = "b"; host_keys = [ "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ]; }} ); }} );
links = ( {{ name = "l"; between = [ "near", "far" ]; preference = 1; bandwidth = "1Gbit/s";
  addresses = {{ near = "127.0.0.1"; far = "127.0.0.2"; }}; }} );
service = {{ name = "pages"; title = "Pages"; owner = "brent"; tier = 1; home = "near";
  standby = "far"; rpo = "1h"; rto = "4h"; live_root = "{live}";
  datasets = ( {{ name = "docs"; tree = "{work}/docs"; }} );
  quiesce = {{ before = [ "sh", "-c", "echo quiesce >>{live}/log" ];
    after = [ "sh", "-c", "echo after >>{live}/log" ]; timeout = "20s"; }};
  capture = {{ before = [ "sh", "-c", "echo open >>{live}/log" ];
    after = [ "sh", "-c", "echo close >>{live}/log" ]; timeout = "20s"; }};
  backup = {{ every = "10m"; expect = "1m"; }};
  replicate = {{ to = [ "far" ]; within = "5m"; }};
  fence = ( {{ run = [ "sh", "-c", "echo fence >>{live}/log; rm -f {live}/runs" ];
    prove = [ "sh", "-c", "test ! -e {live}/runs" ];
    undo = [ "sh", "-c", "echo unfence >>{live}/log; touch {live}/runs" ];
    sites = [ "far" ]; timeout = "20s"; }} );
  plan = ( {{ step = "a"; run = [ "sh", "-c", "echo a >>{live}/log" ];
      undo = [ "sh", "-c", "echo una >>{live}/log" ]; }},
    {{ step = "b"; after = [ "a" ]; run = [ "sh", "-c", "echo b >>{live}/log" ];
      undo = [ "sh", "-c", "echo unb >>{live}/log" ]; }},
    {{ step = "fine"; after = [ "b" ]; check = {{ command = [ "true" ]; }}; }} ); }};
"""
# act: from, to, does it run before, and what each effect's record is called
ACTS = {"fence": ("far", "near", True), "prove": ("far", "near", True),
        "resume": ("far", "near", False), "quiesce": ("far", "near", True),
        "plan": ("near", "far", False), "undo": ("near", "far", True),
        "capture": ("far", "near", False), "ready": (None, None, True)}
EFFECTS = {"fence": ("fence-1", "fence"), "unfence": ("fence-1", "unfence"),
           "quiesce": ("quiesce.before", "quiesce"), "after": ("quiesce.after", "quiesce"),
           "a": ("a", "run"), "b": ("b", "run"), "una": ("a", "undo"), "unb": ("b", "undo")}


class Run:
    """One worker, from its spec to its end."""

    def __init__(self, lab, act, steps, shim=None):
        self.verb = "abort" if shim else "retry"
        self.intents, self.outcomes, self.events = [], {}, []
        env = {k: v for k, v in os.environ.items() if not k.startswith("SHIM_")}
        for name, value in (shim or {}).items():
            env["SHIM_" + name] = str(value)
        self.p = subprocess.Popen(
            ["sh", "-c", 'LD_PRELOAD=$1 exec "$0" --worker 3>&1 >/dev/null', lab.daemon,
             lab.shim if shim else ""], env=env, bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.say(lab.spec(act, steps))
        late = threading.Timer(TIMEOUT_S, self.end)
        self.late = False
        late.start()
        with os.fdopen(os.dup(self.p.stdout.fileno()), "rb") as events:
            for line in events:
                self.hear(json.loads(line))
        self.err = self.p.stderr.read().decode(errors="replace")
        self.code = self.p.wait()
        late.cancel()
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.stderr.close()

    def end(self):
        self.late = True
        os.killpg(self.p.pid, signal.SIGKILL)

    def say(self, message):
        try:
            self.p.stdin.write(json.dumps(message).encode() + b"\n")
        except OSError:
            pass

    def hear(self, event):
        self.events.append(event)
        if event["type"] == "intent":
            self.intents.append(event)
        if event["type"] == "outcome":
            self.outcomes[event["seq"]] = event
        if event["type"] in ("intent", "outcome"):
            self.say({"ack": event["seq"]})
        if event["type"] == "ask":
            self.say({"answer": event["name"], "verb": self.verb, "reason": "a test",
                      "by": "amara"})

    def result(self):
        return next((e for e in self.events if e["type"] == "result"), None)

    def steps(self):
        """As the next worker is told."""
        return [{"step": i["step"], "state":
                 self.outcomes.get(i["seq"], {}).get("state", "uncertain")}
                for i in self.intents if i.get("kind") in ("run", "check", "undo")]


class Lab:
    def __init__(self, args, work):
        self.daemon, self.program, self.shim = args.daemon, args.bascule, args.shim
        self.work = work
        self.live = f"{self.work}/live"
        os.makedirs(f"{self.work}/state", mode=0o700)
        os.makedirs(f"{self.work}/docs")
        with open(f"{self.work}/docs/one", "w") as f:
            f.write("one\n")
        for words in (["init", "--key-file", f"{self.work}/key"],
                      ["backup", "--service", "pages", "--dataset", "docs",
                       f"{self.work}/docs"]):
            self.bascule(*words).check_returncode()
        shutil.copytree(f"{self.work}/repository", f"{self.work}/pristine")
        self.policy = f"{self.work}/state/policy.copy"
        text = POLICY.format(work=self.work, live=self.live)
        with open(self.policy, "wb") as f:
            for line in (b"/etc/bascule.conf", text.encode()):
                f.write(base64.b64encode(line) + b"\n")

    def spec(self, act, steps):
        spec = {"type": "job", "v": 1, "job": "J1", "attempt": 1, "policy": self.policy,
                "digest": "0" * 64, "kind": "ready"}
        if act != "ready":
            spec.update(kind="move", service="pages", act=act, run="run", mode="planned",
                        epoch=7, site_from=ACTS[act][0], site_to=ACTS[act][1],
                        point="", live_root=self.live, steps=steps)
        if act == "capture":
            spec.update(tag="divergence:run")
        return spec

    def begin(self, act):
        shutil.rmtree(self.live, ignore_errors=True)
        os.makedirs(self.live)
        if act == "capture":
            shutil.rmtree(f"{self.work}/repository")
            shutil.copytree(f"{self.work}/pristine", f"{self.work}/repository")
        if ACTS[act][2]:
            open(f"{self.live}/runs", "w").close()
        return [{"step": s, "state": "done"} for s in ("a", "b")] \
            if act == "undo" else []

    def done(self):
        try:
            with open(f"{self.live}/log") as f:
                return f.read().split()
        except OSError:
            return []

    def runs(self):
        return os.path.exists(f"{self.live}/runs")

    def wrong_verdict(self, act, verdict, result):
        done, runs = self.done(), self.runs()
        true = {"fence": not runs, "prove": not runs, "resume": runs,
                "quiesce": done == ["quiesce"], "plan": done == ["a", "b"],
                "undo": done[:2] == ["unb", "una"] or result.get("undo_failed")}
        false = {"fence": runs, "prove": runs, "resume": not runs,
                 "quiesce": not done, "plan": bool(result.get("standing")) or not done,
                 "undo": runs}
        if verdict == "done" and not true[act] or verdict == "not-done" and not false[act]:
            return f"it says {verdict}: {result.get('reason')}; done was {done}, " \
                   f"and it runs: {runs}"
        return None

    def wrong_move(self, act, run, steps):
        asked = [(i.get("step"), i.get("kind")) for i in run.intents]
        for effect in self.done():
            if EFFECTS[effect] not in asked:
                return f"'{effect}' was done, and no intent of it came: {asked}"
        for i in run.intents:
            state = run.outcomes.get(i["seq"], {}).get("state")
            word = next((w for w, e in EFFECTS.items()
                         if e == (i.get("step"), i.get("kind"))), None)
            if state in ("done", "undone") and word and word not in self.done():
                return f"the record says that {word} is {state}, and it is not"
        result = run.result()
        wrong = result and self.wrong_verdict(act, result.get("verdict"), result)
        if wrong:
            return wrong
        if act == "plan":
            steps = run.steps()
            if any(s["state"] == "uncertain" for s in steps):
                return None  # a person looks
        if act == "undo":
            steps = [s for s in steps
                     if ("un" + s["step"]) not in self.done()]
        again = Run(self, act, steps)
        verdict = (again.result() or {}).get("verdict")
        wants = "not-done" if act == "prove" else "done"
        if verdict != wants:
            return f"the next one says {verdict}: {again.result()} {again.err}"
        done = self.done()
        known = {w for w, e in EFFECTS.items() for i in run.intents
                 if e == (i.get("step"), i.get("kind")) and
                 run.outcomes.get(i["seq"], {}).get("state") in ("done", "undone")}
        twice = [w for w in known if done.count(w) > 1 and act in ("plan", "undo")
                 and w != "fence"]
        if twice:
            return f"done, and done again: {twice} of {done}"
        return None

    def bascule(self, *words):
        return subprocess.run(
            [self.program, "-r", f"{self.work}/repository", *words], capture_output=True,
            env=dict(os.environ, BASCULE_KEY_FILE=f"{self.work}/key"), text=True)

    def wrong_capture(self, run):
        result, done = run.result() or {}, self.done()
        points = [e for e in run.events if e["type"] == "point"]
        if result.get("state") == "succeeded" and (
                not points or done[:1] != ["open"] or done[-1] != "close"):
            return f"it has succeeded, points {points}, done {done}"
        if run.code != 0 and not (result.get("reason") or run.err).strip():
            return f"ended with {run.code} and says nothing: {result}"
        again = Run(self, "capture", [])
        if (again.result() or {}).get("state") != "succeeded":
            return f"the next one: {again.result()} {again.err}"
        if self.done()[-1] != "close":
            return f"it stands open: {self.done()}"
        there = self.bascule("--json", "snapshots").stdout
        lost = [p for p in points if not all(x in there for x in p["snapshots"].values())]
        if lost:
            return f"it told of points that are not there: {lost}"
        checked = self.bascule("check", "--read")
        return checked.returncode and f"check: {checked.stdout} {checked.stderr}"

    def wrong_ready(self, run, what):
        said = {kind: [e for e in run.events if e["type"] == kind]
                for kind in ("key", "room")}
        for key in said["key"]:
            if key["state"] not in ("opens", "unread"):
                return f"it blames another: {key}"
        if "statvfs" in what and said["room"]:
            return f"the room there was not measured, and it says {said['room']}"
        if run.code == 0 and not said["key"]:
            return "all is measured, and nothing said of the key"
        return None

    def wrong(self, act, fault, run, steps, what):
        if run.late:
            return "it hangs"
        if run.code < 0:
            return f"ended by signal {-run.code}"
        if run.code != 0 and run.result() is None and not run.err.strip():
            return f"ended with {run.code} and says nothing"
        if act == "ready":
            return self.wrong_ready(run, what)
        if act == "capture":
            return self.wrong_capture(run)
        if fault == "short" and (run.result() or {}).get("verdict") != \
                ("not-done" if act == "prove" else "done"):
            return f"half a read or write is no failure: {run.result()}"
        return self.wrong_move(act, run, steps)

    def one(self, act, fault, n):
        """What is wrong (None: it was never hit; "": nothing), calls so far."""
        steps, log, (mode, number) = self.begin(act), f"{self.work}/log", FAULTS[fault]
        if os.path.exists(log):
            os.unlink(log)
        run = Run(self, act, steps, {"MODE": mode, "AT": n, "LOG": log, "ERRNO": number})
        what, count = hit(log)
        if what is None:
            return None, count
        wrong = self.wrong(act, fault, run, steps, what)
        return wrong and f"at {what}: {wrong}" or "", count


class Campaign:
    def __init__(self, args):
        self.args, self.labs = args, queue.Queue()
        work = os.path.abspath(args.work)
        os.makedirs(work)
        for n in range(LABS):
            self.labs.put(Lab(args, f"{work}/{n}"))
        self.pool = ThreadPoolExecutor(LABS)
        self.passed = self.failed = 0

    def one(self, act, fault, n):
        lab = self.labs.get()
        try:
            return lab.one(act, fault, n)
        finally:
            self.labs.put(lab)

    def all(self, act, fault):
        _, total = self.one(act, fault, 1 << 30)
        numbers = part(stride(total, self.args.most), self.args.part)
        said = [w for w, _ in self.pool.map(lambda n: self.one(act, fault, n), numbers)]
        wrong = [w for w in said if w]
        for w in wrong:
            print(f"not ok {act}, {fault} {w}", flush=True)
        self.failed += len(wrong)
        self.passed += said.count("")
        if not wrong:
            print(f"ok {act}: {fault} at {said.count('')} of {total} calls", flush=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "shim", "work"):
        p.add_argument(name)
    p.add_argument("--daemon", required=True)
    p.add_argument("--acts", default=",".join(ACTS))
    p.add_argument("--faults", default=",".join(FAULTS))
    p.add_argument("--most", type=int, default=0)
    p.add_argument("--part", default="1/1", help="K/N: every Nth from the Kth")
    args = p.parse_args()
    campaign = Campaign(args)
    for act in args.acts.split(","):
        for fault in args.faults.split(","):
            campaign.all(act, fault)
    print(f"{campaign.passed} passed, {campaign.failed} failed")
    return campaign.failed > 0


raise SystemExit(main())
