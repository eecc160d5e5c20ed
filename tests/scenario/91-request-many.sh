#!/bin/sh
# A plan of many services is told in slices: who asks for something else meanwhile
# is answered in between, and a plan whose policy is loaded again on the way ends
# with a word about it.  By the order of answers, never by time.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
SERVICES=120

mkdir data southwark && echo one >data/a
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
import json, socket, sys

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

PLAN = {"cmd": "failover plan", "all": True, "to": "southwark"}
a, b = client(), client()
ask(a, PLAN)
lines = rest(a, [])
print("services", sum(l["type"] == "move" for l in lines), "order",
      [l["order"] for l in lines if l["type"] == "move"] ==
      list(range(1, int(sys.argv[2]) + 1)), "end", lines[-1]["type"])

# Its answer does not fit into the socket: nobody reads it, and it is not made.
ask(a, PLAN)
first = json.loads(a[1].readline())
ask(b, {"cmd": "ping"})
print("other", rest(b, [])[-1]["last"])
ask(b, {"cmd": "reload"})
print("loaded", rest(b, [])[-1]["type"])
end = rest(a, [first])[-1]
print("plan", end["type"], end.get("error", "").split("\n")[0])
# The connection is as good as before, and so is the next plan.
ask(a, PLAN)
print("again", rest(a, [])[-1]["type"])
# One that goes away in the middle.
ask(a, PLAN)
a[1].readline()
a[1].close(); a[0].close()
ask(b, {"cmd": "ping"})
print("other", rest(b, [])[-1]["last"])
END
python3 clients.py brent/socket "$SERVICES" >got 2>&1
is 'all are told, in their order' "$(sed -n 1p got)" "services $SERVICES order True end summary"
is 'while a plan is not read another is answered' "$(sed -n 2p got)" 'other True'
is '... and the policy is loaded' "$(sed -n 3p got)" 'loaded summary'
is '... which ends the plan, for it had not been made' "$(sed -n 4p got)" \
    'plan error the policy was loaded again meanwhile'
is 'the next one is whole' "$(sed -n 5p got)" 'again summary'
is 'who goes away leaves nothing' "$(sed -n 6p got)" 'other True'
daemon_stop brent
never_stumbled ./*/log
finish
