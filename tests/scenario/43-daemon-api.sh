#!/bin/sh
# The API against clients that mean harm or are broken.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data && echo one >data/a
site_new brent
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)
# A daemon that has nothing to say but that it is there.
python3 - quiet <<'END' &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
c = s.accept()[0]
c.recv(65536)
ts = '"ts":"2026-11-22T00:00:00.000000000Z","v":1'
c.sendall(('{"type":"heartbeat",%s}\n' % ts +
    '{"type":"record",%s,"row":1,"record":"daemon","phase":"event"}\n' % ts +
    '{"type":"summary",%s,"count":1,"row":1,"last":true}\n' % ts).encode())
c.recv(1)
END
remember $!
wait_for 10 test -S quiet
"$B" --socket quiet --json events --follow >.out
is 'heartbeats are no events' \
    "$(grep -o '"type":"[a-z]*"' .out | tr '\n' ' ')" '"type":"record" "type":"summary" '
# One whose service has something in every column.
python3 - full <<'END' &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
c = s.accept()[0]
c.recv(65536)
ts = '"ts":"2026-11-22T00:00:00.000000000Z","v":1'
c.sendall(('{"type":"service",%s,"service":"S1","active_site":"A2","authority":"U3",'
    '"rpo_state":"OK","rpo_now_seconds":4,"rpo_seconds":5,"rto_seconds":10,'
    '"last_point":{"point":"p","at":"2026-11-22T06:00:00Z","proof":"L7"},'
    '"last_exercise":{"run":"x","result":"R8","rta_seconds":9}}\n'
    '{"type":"summary",%s,"site":"A2","count":1,"behind":0,"last":true}\n' % (ts, ts)).encode())
c.recv(1)
END
remember $!
wait_for 10 test -S full
"$B" --socket full status >.out
is 'every column has its own' "$(tail -n 1 .out | tr -s ' ')" \
    'OK S1 A2 U3 4.0s / 5.0s 2026-11-22 06:00:00 UTC L7 R8 9.0s / 10.0s'
holds 'it starts' daemon_start brent || finish
python3 - brent/socket >.holds 2>&1 <<'END'
import json, os, socket, sys, time

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1]) # waits for its turn, without a timeout
    s.settimeout(30)
    return s

def ask(data, s=None):
    s = s or connect()
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    got = b""
    try:
        while b'"last":true' not in got:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except ConnectionResetError:
        pass
    return [json.loads(l) for l in got.splitlines() if l]

def is_(name, got, want):
    print(("ok " if got == want else "not ok ") + name +
          ("" if got == want else ": %r, not %r" % (got, want)))

def code(data):
    replies = ask(data)
    return replies[-1].get("code") if replies else "hung up"

line = lambda **kw: (json.dumps(kw) + "\n").encode()
is_("ping is answered", ask(line(cmd="ping"))[-1]["type"], "pong")
is_("an id comes back", ask(line(cmd="ping", id="x7"))[-1].get("id"), "x7")
is_("an unknown command", code(line(cmd="boo")), "input")
is_("a field nobody knows", code(line(cmd="ping", fish=1)), "input")
is_("a misspelt option", code(line(cmd="jobs", folow=True)), "input")
is_("a field of the wrong type", code(line(cmd="points", service=3)), "input")
is_("a missing field", code(line(cmd="points")), "input")
is_("not JSON", code(b"hello\n"), "input")
is_("a list", code(b"[1]\n"), "input")
is_("a key twice", code(b'{"cmd":"ping","cmd":"ping"}\n'), "input")
is_("deep nesting", code(b'{"cmd":' + b"[" * 500 + b"]" * 500 + b"}\n"), "input")
is_("raw bytes", code(b'{"cmd":"\xff\xfe"}\n'), "input")
is_("a line without end", code(b"x" * (2 << 20)), "input")
is_("a number too large", code(b'{"cmd":"points","service":"files","limit":99999999999999999999999}\n'), "input")
is_("a state that is none", code(line(cmd="jobs", state="magic")), "input")
is_("a service with a slash", code(line(cmd="run", service="../x")), "notfound")
is_("a job's name that is a path", code(line(cmd="job", job="../../ledger.key", log=True)), "notfound")
s = connect()
s.sendall(line(cmd="events", follow=True))
time.sleep(0.3)
got = ask(line(cmd="ping"), s)
is_("a second request meanwhile", got[-1].get("code"), "busy")
s = connect()
s.sendall(line(cmd="ping"))
first = s.recv(65536)
is_("one after the other is fine", ask(line(cmd="ping"), s)[-1]["type"], "pong")
s = connect()
s.sendall(b'{"cmd":"pi')
time.sleep(0.2)
is_("a line in two halves", ask(b'ng"}\n', s)[-1]["type"], "pong")
open_ones = [connect() for _ in range(8)]
time.sleep(0.2)
is_("the ninth of one user", code(line(cmd="ping")), "busy")
for o in open_ones:
    o.close()
time.sleep(0.3)
is_("and again when they have gone", ask(line(cmd="ping"))[-1]["type"], "pong")
for _ in range(200):
    s = connect()
    try:
        s.sendall(os.urandom(200))
    except (BrokenPipeError, ConnectionResetError):
        pass # sent away: there are too many
    s.close()
time.sleep(0.3)
is_("noise and hanging up", ask(line(cmd="ping"))[-1]["type"], "pong")
s = connect()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.sendall(line(cmd="events", follow=True)); time.sleep(0.2); s.close()
is_("a reader that goes in the middle", ask(line(cmd="ping"))[-1]["type"], "pong")
END
cat .holds
passed=$((passed + $(grep -c '^ok ' .holds)))
failed=$((failed + $(grep -vc '^ok ' .holds)))
holds 'it still answers' at brent services
daemon_stop brent
is 'it ends cleanly' "$ended" 0
never_stumbled brent/log
finish
