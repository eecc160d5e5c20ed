#!/bin/sh
# steps.sh: what the plan engine costs a step, in a move between two real daemons.
#
#	DEEP=40 WIDE=10 sh tests/bench/steps.sh
#
# Steps that do nothing (true), each recorded by the daemon before it begins and when
# it has ended, fsync and all: a chain, DEEP long, where every step waits for the one
# before; one on another host, over SSH; and WIDE such chains, ten steps at a time, on
# three hosts (two of them are names of one sshd).  Told: the time from the first
# record to the last one, by steps, and what the commands take without Bascule.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"
DEEP=${DEEP:-40} WIDE=${WIDE:-10}

lab_apart 'a plan of many steps'
lab_link wit southwark lewisham || finish
APP=$(lab_address lewisham wit)
HOSTS="$(lab_policy_host app1.southwark "$APP" lewisham), $(lab_policy_host app2.southwark "$APP" lewisham)"
move_sites
lab_permit lewisham southwark

# NAME DEEP WIDE AFTER HOST...: chains of steps; the hosts take turns
chains() {
	python3 - "$@" <<'END'
import sys
name, deep, wide, after, hosts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:]
for k in range(wide):
    for i in range(deep):
        host = hosts[(i + k) % len(hosts)]
        print(f'{{ step = "{name}{k}-{i}"; after = [ "{f"{name}{k}-{i - 1}" if i else after}" ];'
              f' run = [ "true" ]; undo = "none"; modes = [ "planned" ];'
              + (f' on = "{host}";' if host != "here" else "") + " },")
END
}
{
	chains chain "$DEEP" 1 start here
	chains far "$DEEP" 1 "chain0-$((DEEP - 1))" app1.southwark
	chains wide "$DEEP" "$WIDE" "far0-$((DEEP - 1))" here app1.southwark app2.southwark
} >steps
awk '/step = "runs"/ { while ((getline line <"steps") > 0) print line } 1' shared.conf >more.conf
mv more.conf shared.conf

# What the records of a part of the plan say: from its first to its last.
part() { # WHAT NAME
	python3 -c '
import json, sys
from datetime import datetime
what, name = sys.argv[1:]
at, names = [], set()
for v in map(json.loads, sys.stdin):
    step = {f["name"]: f["value"] for f in v.get("fields", [])}.get("step", "")
    if v.get("record") == "step" and step.startswith(name):
        at.append(datetime.strptime(v["ts"][:26], "%Y-%m-%dT%H:%M:%S.%f").timestamp())
        names.add(step)
ms = (max(at) - min(at)) * 1000
print(f"{what:44} {len(names):5} steps {ms:8.0f} ms {ms / len(names):7.2f} ms a step")' "$1" "$2" <records
}
moves_begin
wait_for 20 copied southwark
run=$(move_request brent southwark planned)
move_start brent "$run" southwark >/dev/null 2>.err || { cat .err; finish; }
phase_is southwark "$run" RAN 600 || { at southwark failover show "$run" | tail -n 20; finish; }
at southwark --json events --run "$run" --limit 10000 >records
part "a chain, each waits for the one before" chain
part "... on another host" far
part "$WIDE such chains over three hosts, 10 at once" wide
ms() { date +%s%3N; }
from=$(ms)
for i in $(seq "$DEEP"); do /bin/true; done
echo "/bin/true alone, $DEEP times: $(($(ms) - from)) ms"
from=$(ms)
for i in $(seq "$DEEP"); do
	lab_on southwark ssh -F /dev/null -i "$WORK/southwark/ssh/id_ed25519" -p "$LAB_PORT" \
	    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
	    "$APP" true || not_ok 'ssh reaches it'
done
echo "ssh HOST true, $DEEP times: $(($(ms) - from)) ms"
finish
