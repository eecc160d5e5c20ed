#!/bin/sh
# What is asked of many services is worked out in slices: who asks for something
# else meanwhile is answered in between, and whatever's policy is loaded again on
# the way ends with a word about it.  By the order of answers, never by time.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
SERVICES=120

mkdir data southwark && echo one >data/a
EXTRA="roles = ( { role = \"dr-lead\"; users = [ \"$(id -un)\" ]; council = \"brent\"; } );"
site_new brent
many() {
	shared_policy >shared.conf
	mkdir services
	for i in $(seq "$SERVICES"); do
		cat >services/s$i.conf <<END
service = { name = "s$i"; title = "Service $i"; owner = "brent"; tier = 1; home = "brent"; standby = "southwark";
  rpo = "24h"; rto = "4h"; datasets = ( { name = "tree"; tree = "$WORK/data"; } );
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; }; live_root = "$WORK/live";
  plan = ( { step = "tree"; restore = "tree"; }, { step = "there"; check = { command = [ "true" ]; }; after = [ "tree" ]; } ); };
END
	done
}
(umask 077; many)
sed -i 's|shared.conf" |shared.conf", "../services" |' brent/bascule.conf
daemon_start brent || finish

cat >clients.py <<'END'
import json, os, select, signal, socket, sys

def client():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s, s.makefile()

def ask(c, what):
    c[0].sendall((json.dumps(what) + "\n").encode())

def rest(c, lines):
    while not lines or not lines[-1].get("last"):
        lines.append(json.loads(c[1].readline()))
    return lines

def said(line):
    return line["type"] + " " + line.get("error", "").split("\n")[0]

ALL = {"all": True, "to": "southwark"}
UNREAD = [{"cmd": "failover plan", **ALL}, {"cmd": "readiness"},
          {"cmd": "failover request", "reason": "x", "dry_run": True, **ALL}]
a, b = client(), client()
ask(a, UNREAD[0])
lines = rest(a, [])
print("services", sum(l["type"] == "move" for l in lines), "order",
      [l["order"] for l in lines if l["type"] == "move"] ==
      list(range(1, int(sys.argv[2]) + 1)), "end", lines[-1]["type"])

def unread(what):
    # Its answer does not fit into the socket: nobody reads it, and it is not made.
    ask(a, what)
    first = json.loads(a[1].readline())
    ask(b, {"cmd": "ping"})
    print(what["cmd"], "other", rest(b, [])[-1]["last"])
    ask(b, {"cmd": "reload"})
    print("loaded", rest(b, [])[-1]["type"])
    print(said(rest(a, [first])[-1]))
    # The connection is as good as before, and so is the next one.
    ask(a, what)
    print("again", said(rest(a, [])[-1]))
for what in UNREAD:
    unread(what)
ask(a, {"cmd": "readiness"})
print("values", len(rest(a, [])) - 1)

def second_first(what):
    """Two requests are there at once, the long one before: whose answer comes
    first?  Where both are there when we look, nobody knows: once more."""
    for _ in range(20):
        os.kill(int(sys.argv[3]), signal.SIGSTOP)
        ask(a, what)
        ask(b, {"cmd": "ping"})
        os.kill(int(sys.argv[3]), signal.SIGCONT)
        there = select.select([a[0], b[0]], [], [])[0]
        rest(b, [])
        end = rest(a, [])[-1]
        if there == [b[0]]:
            return end, True
    return end, False

end, first = second_first({"cmd": "failover request", "reason": "x", **ALL})
print("request", end["type"], first)
run = {"run": end["run"]}
end, first = second_first({"cmd": "failover show", **run})
print("show", end["type"], first)
seen = end.get("seen", "0" * 64)
end, first = second_first({"cmd": "approve", "seen": seen, **run})
print("approve", said(end)[:40], first)
start = {"cmd": "failover start", "confirm": "southwark", **run}
end, first = second_first(start)
print("start", end.get("exit"), said(end), first)
unread({**start, "dry_run": True})
ask(a, start)
lines = rest(a, [])
print("stopped", len({l["service"] for l in lines if l["type"] == "guard"}))

# One that goes away in the middle has asked for nothing.
ask(a, {"cmd": "failover list"})
runs = len(rest(a, []))
ask(a, UNREAD[2])
a[1].readline()
a[1].close(); a[0].close()
ask(b, {"cmd": "failover list"})
print("runs", len(rest(b, [])) - runs)

# What everybody asks for, and the other site each second.
a = client()
def amid(what, mark=b'"service",', each=1):
    """It is told as it is made: is another answered when some of it is here,
    and no more than a turn makes?  As above, once more where we look too late."""
    for _ in range(20):
        os.kill(int(sys.argv[3]), signal.SIGSTOP)
        ask(a, what)
        ask(b, {"cmd": "ping"})
        os.kill(int(sys.argv[3]), signal.SIGCONT)
        rest(b, [])
        here = a[0].recv(1 << 20, socket.MSG_PEEK).count(mark)
        lines = rest(a, [])
        if 0 < here <= 16 * each:
            return True, lines
    return False, lines

first, lines = amid({"cmd": "status"})
names = [l["service"] for l in lines if l["type"] == "service"]
print("status", len(names), names == sorted(set(names)), first)
ask(a, {"cmd": "status"})
first = json.loads(a[1].readline())
ask(b, {"cmd": "reload"})
rest(b, [])
lines = rest(a, [first])
print("reloaded", sum(l["type"] == "service" for l in lines), lines[-1]["count"])
abort = {"cmd": "failover abort", **run}
first, lines = amid({**abort, "dry_run": True}, b'"ahead"', 3)
print("dry", len({l["service"] for l in lines if l["type"] == "ahead"}), first)
end, first = second_first(abort)
print("abort", end["type"], first)
print(run["run"])
END
python3 clients.py brent/socket "$SERVICES" "$(cat brent/pid)" >got 2>&1
is 'all are told, in their order' "$(sed -n 1p got)" "services $SERVICES order True end summary"
line=2
for what in 'failover plan' readiness 'failover request'; do
	is "$what: while it is not read another is answered" "$(sed -n ${line}p got)" "$what other True"
	is '... and the policy is loaded' "$(sed -n $((line + 1))p got)" 'loaded summary'
	is '... which ends it, for it had not been made' "$(sed -n $((line + 2))p got)" \
	    'error the policy was loaded again meanwhile'
	is '... and the next one is whole' "$(sed -n $((line + 3))p got)" 'again summary '
	line=$((line + 4))
done
# Six of each site; four of each service at each of the two.
is 'every value is told once' "$(sed -n 14p got)" "values $((2 * 6 + 2 * 4 * SERVICES))"
is 'another need not wait for a request' "$(sed -n 15p got)" 'request summary True'
is '... nor for what is shown of it' "$(sed -n 16p got)" 'show summary True'
is '... nor for a word about it' "$(sed -n 17p got | sed 's/ [^ ]*$//' | cut -c1-13)" 'approve error'
is '...' "$(sed -n 17p got | awk '{ print $NF }')" True
is '... nor for a start, which says how many it would stop' "$(sed -n 18p got | sed 's/: guard.*//')" \
    "start 15 error $SERVICES of $SERVICES services cannot be started; of 's1'"
is '...' "$(sed -n 18p got | awk '{ print $NF }')" True
is 'start: while it is not read another is answered' "$(sed -n 19p got)" 'failover start other True'
is '... and the policy is loaded' "$(sed -n 20p got)" 'loaded summary'
is '... which ends it, for not all had been looked at' "$(sed -n 21p got)" \
    'error the policy was loaded again meanwhile'
is '... and the next one is whole' "$(sed -n 22p got | sed 's/;.*//')" \
    "again error $SERVICES of $SERVICES services cannot be started"
is '... with every service that is stopped' "$(sed -n 23p got)" "stopped $SERVICES"
is 'who goes away has asked for nothing' "$(sed -n 24p got)" 'runs 0'
is 'status tells of every service once, and another need not wait for it' \
    "$(sed -n 25p got)" "status $SERVICES True True"
is '... and goes on when the policy is loaded meanwhile' \
    "$(sed -n 26p got)" "reloaded $SERVICES $SERVICES"
is 'another need not wait for what an abort would do' "$(sed -n 27p got)" "dry $SERVICES True"
is '... nor for the abort' "$(sed -n 28p got)" 'abort summary True'
is '... which is said of every service, each once' \
    "$(at brent events --limit 9999 --type failover --run "$(sed -n 29p got)" | grep -c ' event=abort ')" "$SERVICES"
[ $failed = 0 ] || sed 's/^/# /' got
daemon_stop brent
never_stumbled ./*/log
finish
