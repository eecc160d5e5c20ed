"""etcd for scenarios: a cluster on loopback addresses, a proxy that loses
answers, and basculed's worker of kind "etcd", asked as the daemon asks it."""
import base64, ctypes, json, os, select, signal, socket, subprocess, threading, time
import urllib.request

def die_with_us():
    """Nothing is left behind, however the script ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

def free_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    return port

def wait(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False

class Cluster:
    """Members by name; each in a folder of its own beneath `room`."""
    def __init__(self, room, names):
        self.room, self.names = room, names
        self.client = {n: free_port() for n in names}
        self.peer = {n: free_port() for n in names}
        self.process = {}
        for n in names:
            self.start(n)

    def url(self, name):
        return "http://127.0.0.1:%d" % self.client[name]

    def urls(self):
        return [self.url(n) for n in self.names]

    def start(self, name):
        client = self.url(name)
        peer = "http://127.0.0.1:%d" % self.peer[name]
        log = open("%s/%s.log" % (self.room, name), "ab")
        self.process[name] = subprocess.Popen(
            ["etcd", "--name", name, "--data-dir", "%s/%s" % (self.room, name),
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", ",".join("%s=http://127.0.0.1:%d" %
                 (n, self.peer[n]) for n in self.names),
             "--initial-cluster-token", self.room.replace("/", "-"),
             "--heartbeat-interval", "50", "--election-timeout", "500",
             "--logger", "zap"], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_us)

    def signal(self, name, number):
        self.process[name].send_signal(number)

    def kill(self, name):
        self.signal(name, signal.SIGKILL)
        self.process[name].wait()

    def post(self, name, path, what, timeout=3):
        request = urllib.request.Request(self.url(name) + path,
            json.dumps(what).encode())
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)

    def is_up(self, name, serializable=False):
        try:
            self.post(name, "/v3/kv/range", {"key": b64("x"),
                "serializable": serializable}, 1)
            return True
        except OSError:
            return False

    def register(self, service, name=None):
        """What is kept for a service; None."""
        got = self.post(name or self.names[0], "/v3/kv/range",
            {"key": b64("/bascule/authority/" + service)})
        kvs = got.get("kvs")
        return json.loads(base64.b64decode(kvs[0]["value"])) if kvs else None

    def put(self, key, value):
        self.post(self.names[0], "/v3/kv/put",
            {"key": b64(key), "value": b64(value)})

    def leader(self):
        for n in self.names:
            try:
                got = self.post(n, "/v3/maintenance/status", {}, 1)
                if got.get("leader") == got["header"]["member_id"]:
                    return n
            except OSError:
                pass

    def end(self):
        for p in self.process.values():
            if p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
                p.wait()

def b64(text):
    return base64.b64encode(text.encode()).decode()

class Proxy:
    """Passes on to a member; what `judge(request bytes)` calls "lose" arrives
    there, and its answer goes nowhere."""
    def __init__(self, port, judge):
        self.to, self.judge = port, judge
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            c = self.socket.accept()[0]
            threading.Thread(target=self.carry, args=(c,), daemon=True).start()

    def carry(self, c):
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += c.recv(65536) or b"\r\n\r\n"
        head, _, body = asked.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += c.recv(65536)
        verdict = self.judge(head)
        if verdict == "drop":
            c.close()
            return
        s = socket.create_connection(("127.0.0.1", self.to))
        s.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
        answer = b""
        while True:
            more = s.recv(65536)
            if not more:
                break
            answer += more
        if verdict != "lose":
            c.sendall(answer)
        c.close()

class Worker:
    """basculed --worker, kind etcd, for a site."""
    def __init__(self, daemon, room, site, endpoints, lease="2s",
                 timeout="700ms", extra=""):
        conf = ('site = "%s"; state = "%s/state"; authority = '
            '"etcd"; etcd = { endpoints = [ %s ]; lease = "%s"; timeout = '
            '"%s"; %s }; policy = [ "shared.conf" ];\n' % (site, room,
            ", ".join('"%s"' % u for u in endpoints), lease, timeout, extra))
        shared = ('sites = ( { name = "brent"; role = "datacentre"; '
            'failure_domain = "b"; repository = "/x/b"; hosts = ( { name = '
            '"b1"; address = "127.0.0.1"; user = "x"; host_keys = [ '
            '"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ]; } ); }, '
            '{ name = "southwark"; role = "datacentre"; failure_domain = "s"; '
            'repository = "/x/s"; hosts = ( { name = "s1"; address = '
            '"127.0.0.1"; user = "x"; host_keys = [ '
            '"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ]; } ); } '
            ');\n')
        path = "%s/policy-%s-%d" % (room, site, free_port())
        with open(path, "w") as f:
            for name, text in (("/p/bascule.conf", conf),
                               ("/p/shared.conf", shared)):
                f.write("%s\n%s\n" % (b64(name), b64(text)))
        read, write = os.pipe()
        def wire():
            os.setpgid(0, 0)
            if write != 3:
                os.dup2(write, 3)
            os.set_inheritable(3, True)
        self.process = subprocess.Popen([daemon, "--worker"],
            executable=daemon, stdin=subprocess.PIPE, close_fds=False,
            preexec_fn=wire, stderr=subprocess.DEVNULL)
        os.close(write)
        self.events, self.rest, self.lines, self.asked = read, b"", [], 0
        self.say({"type": "job", "v": 1, "job": "etcd", "kind": "etcd",
            "attempt": 1, "policy": path, "digest": "0" * 64})

    def say(self, what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, type, seconds=30, **fields):
        """The next event of that type (and with those fields)."""
        end = time.monotonic() + seconds
        while True:
            for i, line in enumerate(self.lines):
                if line["type"] == type and all(line.get(k) == v
                        for k, v in fields.items()):
                    del self.lines[:i + 1]
                    return line
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.events], [], [], left)[0]:
                return None
            more = os.read(self.events, 65536)
            if not more:
                return None
            *whole, self.rest = (self.rest + more).split(b"\n")
            self.lines += [json.loads(l) for l in whole]

    def ask(self, service, from_epoch, epoch, owner, run="r", state="MOVING"):
        self.asked += 1
        self.say({"ask": self.asked, "do": "swap", "service": service,
            "from_epoch": from_epoch, "epoch": epoch, "owner": owner,
            "from": "brent", "state": state, "run": run, "site": owner})
        return self.asked

    def swap(self, *args, **more):
        return self.hear("answer", ask=self.ask(*args, **more))

    def read(self, service):
        self.asked += 1
        self.say({"ask": self.asked, "do": "read", "service": service})
        return self.hear("answer", ask=self.asked)

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.events)
