#!/bin/sh
# The other site's daemon is hostile: whatever it says over the bridge, this
# one goes on, holds nothing that is not proved, and stays small.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

mkdir data sshd && echo one >data/a
sshd_keys "$WORK/sshd"
cat >peer.py <<'END'
import base64, json, os, sys
mode = open(sys.argv[1]).read().strip()
out = sys.stdout.buffer

def say(**what):
    out.write(json.dumps({"ts": "2026-11-22T13:00:00Z", "v": 1, **what}).encode() + b"\n")
    out.flush()

def b64(n):
    return base64.b64encode(os.urandom(n)).decode()

if mode == "complains":
    sys.stderr.write("bascule: the dog ate it\nhint: get a cat\n")
    sys.exit(1)
if mode == "babble":
    while True:
        out.write(b"x" * 65536)
say(type="bridge", site="lewisham" if mode == "other" else "southwark", version="9" * 5000,
    protocol=2 if mode == "newer" else 1, policy="f" * 9000, last=True)
for line in sys.stdin:
    cmd = json.loads(line)["cmd"]
    if cmd == "ping":
        say(type="pong", ts="2100-01-01T00:00:00Z" if mode == "clock" else "now", last=True)
    elif cmd == "status" and mode == "endless":
        while True:
            say(type="service", service="\x1b[31m" * 100)
    elif cmd == "status" and mode == "deep":
        out.write(b'{"a":' * 5000 + b"\n")
    elif cmd == "status":
        # As of a site of many services: what follows it is heard all the same.
        for i in range(5000 if mode == "junk" else 200):
            say(type="service", service="s" * 300 + str(i), rpo_state="OK", rpo_now_seconds="x")
        say(type="summary", behind=-1, alarms=2**63 if mode == "big" else 5, last=True)
    elif cmd == "ledger steps" and mode == "records":
        while True:
            say(type="ledger_record", bytes_b64=b64(60))
    elif cmd == "ledger steps" and mode == "more":
        while True:
            say(type="ledger_record", bytes_b64=b64(90000), more=True)
    elif cmd == "ledger steps" and mode == "junk":
        say(type="ledger_record", bytes_b64=b64(300))
        say(type="ledger_head", bytes_b64=b64(300), signer="0" * 64, signature="0" * 128)
        say(type="ledger_head", bytes_b64="!", signer=5, last=True)
    else:
        say(type="summary", last=True)
END
echo other >mode
printf 'command="exec python3 %s %s",restrict %s\n' "$WORK/peer.py" "$WORK/mode" \
    "$(cat sshd/id_ed25519.pub)" >sshd/authorized_keys
if ! sshd_start "$WORK/sshd" 127.0.2.1; then
	skip 'a hostile peer' 'no sshd can be started here'
	finish
fi
PORT=$(cat sshd/port)
HOST_KEY=$(ssh-keygen -lf sshd/host_ed25519.pub | awk '{ print $2 }')
IDENTITY=$WORK/sshd/id_ed25519
EXTRA="bridge = { every = \"1s\"; silent_after = \"1h\"; };"
site_new brent
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)

# tries MODE WHAT: it says so, and is still itself.
said_of_it() {
	at brent --json status | grep '"type":"peer"' >.out
	grep -q "$1" .out
}
tries() {
	echo "$1" >mode
	wait_for 20 said_of_it "$2"
	holds "$1: $2" said_of_it "$2"
	[ "$1" = clock ] || echo other >mode # once is enough
}
holds 'brent starts' daemon_start brent || finish
tries other "at the address of site 'southwark' site 'lewisham' answers"
tries endless 'answers .status. without end'
is 'what it says is escaped' "$(at brent status | grep -c "$(printf '\033')")" 0
tries deep "too deep\|nested\|not JSON"
tries big "too big integer"
tries records 'too many records under a head'
tries more 'too many bytes under a head'
tries junk 'is no head\|field .signer.\|is no record\|signer'
tries clock '"clock_offset_seconds":[0-9]*[0-9]\{9\}'
wait_for 10 sh -c "'$B' --socket brent/socket alarms | grep -q 'clock  *southwark'"
expect 0 'a clock that is far off is an alarm' at brent alarms
says 'clock  *southwark  *stands .*ahead'
expect 0 'nothing of its ledger is held' at brent events --site southwark
is 'nothing' "$(wc -c <.out)" 0
is 'the daemon is not big' "$(awk '/VmHWM/ { print ($2 < 400000) ? 1 : $2 }' "/proc/$(cat brent/pid)/status")" 1
echo other >mode
expect 0 'and works' at brent run files --wait
tries complains "no bridge answers at site 'southwark': the dog ate it\""
tries babble 'no bridge answers at site'
daemon_stop brent
is 'it ends cleanly' "$ended" 0
sshd_stop "$WORK/sshd"
never_stumbled brent/log brent/state/jobs/*
finish
