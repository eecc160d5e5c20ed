#!/bin/sh
# Approvals that are forged, at the real socket: by a process that is gone, a role
# that is gone, root, a client that claims to be somebody; and words that are taken
# back, given again and taken back again.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/people.sh"

people_needed 'forged approvals'
as() { person_at brent "$@"; } # UID COMMAND...
chmod 711 "$WORK"
GAMES=5 MAN=6 MAIL=8 NEWS=9 # accounts that every Debian has
EXTRA='roles = ( { role = "dr-lead"; users = [ "games" ]; council = "brent"; },
  { role = "approver"; users = [ "man" ]; council = "brent"; },
  { role = "approver"; users = [ "mail" ]; }, { role = "auditor"; users = [ "news" ]; } );'
mkdir data southwark && echo one >data/a
site_new brent
(umask 077
 { shared_policy
   REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy pages "$RARELY" |
       sed 's/  plan = /  approvals = { planned = 1; unplanned = 2; from_other_council = true; };&/'
 } >shared.conf)
holds 'a daemon' daemon_start brent || finish
chmod 666 brent/socket && chmod 711 brent
ask() {
	expect 0 "$1" as $GAMES failover request pages --to southwark --reason "$1"
	run=$(head -n 1 .out)
}
counted() { at brent --json failover show "$run" | sed -n 's/.*"verdict":"\([0-9]* of [0-9]*\).*/\1/p'; }
approved() { at brent --json failover show "$run" | sed -n 's/.*"approved":\([a-z]*\).*/\1/p'; }
seen_of() { at brent --json failover show "$1" | sed -n 's/.*"seen":"\([0-9a-f]*\)".*/\1/p' | head -n 1; }
# forge UID [FIELDS]: approve by hand, with more fields
forge() {
	python3 - "$WORK/brent/socket" "$run" "$(seen_of "$run")" "$@" <<'END' >.out
import json, os, socket, sys
sock, run, seen, uid = sys.argv[1:5]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
line = {"cmd": "approve", "run": run, "seen": seen, "verb": "approve"}
line.update(json.loads(sys.argv[5]) if len(sys.argv) > 5 else {})
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sock)
s.sendall(json.dumps(line).encode() + b"\n")
print(s.makefile().readline())
END
}

# --- taken back, and given again
ask 'to be taken back'
expect 0 'an approval' as $MAN approve "$run"
expect 0 'is taken back' as $MAN approve "$run" --withdraw
is 'and counts no more' "$(counted)" '0 of 1'
expect 1 'once is enough' as $MAN approve "$run" --withdraw
says 'has said so already'
expect 0 'it is given again' as $MAN approve "$run"
is 'and counts' "$(counted)" '1 of 1'
expect 0 'and taken back again' as $MAN approve "$run" --withdraw
is 'and counts no more' "$(counted)" '0 of 1'
expect 0 'somebody attests' as $MAN approve "$run" --attest 'power is off'
expect 0 'and renews it, for it is of its half hour' as $MAN approve "$run" --attest 'power is off'

# --- another council
expect 0 'of no council' as $MAIL approve "$run"
is 'is of no other' "$(counted) $(approved)" '1 of 1 false'
at brent failover show "$run" >.out
says 'one of another council is needed'

# --- somebody else, so he says
ask 'claimed'
for claim in '{"roles": "approver"}' '{"actor": "man"}' '{"uid": 6}' '{"login_uid": 6}' \
    '{"council": "southwark"}' '{"site": "southwark"}' '{"role": "peer"}'; do
	forge $NEWS "$claim"
	says "'approve' is not for user 'news', whose roles are: auditor"
	forge $MAN "$claim"
	says '"code":"input"' "'$(echo "$claim" | cut -d'"' -f2)'"
done
forge $MAN '{"verb": "release"}'; says 'is no word'
forge $MAN '{"verb": "APPROVE"}'; says 'is no word'
forge $MAN '{"run": "../../state"}'; says 'there is no run'
forge $MAN "{\"seen\": \"$(printf %0500d 1)\"}"; says '"exit":2'
forge $MAN "{\"reason\": \"$(printf %070000d 1)\"}"; says 'longer than\|too long'
forge $MAN '{"signature": "00", "signer": "00"}'; says 'names no key'
forge $MAN '{"seen": 7}'; says '"exit":2'
forge $GAMES; says 'G03'
forge 0; says "'approve' is not for user 'root', whose roles are: admin"
is 'nobody has said anything' "$(counted)" '0 of 1'
other=$run
ask 'another one'
forge $MAN "{\"seen\": \"$(seen_of "$other")\"}"
says '"exit":13' 'is not what run .* is now'

# --- what may not be said leaves nothing behind
fails 'nobody commits what has not run' as $GAMES failover commit "$run" --confirm southwark --override G08='I say so'
is '... and no override of it is on record' "$(at brent events --type failover --run "$run" | grep -c 'event=override')" 0
expect 13 'nor is there one of G14' as $GAMES failover rollback "$run" --confirm brent --override G14='I say so' --dry-run
says 'G14'

# --- root is whoever became it
root() { # LOGIN COMMAND...
	sh -c 'echo "$1" >/proc/self/loginuid && shift && exec "$@"' - "$@" </dev/null
}
unset_login=4294967295
if [ "$(cat /proc/self/loginuid 2>/dev/null || echo $unset_login)" = $unset_login ]; then
	expect 13 'root of no login resolves nothing' at brent hold resolve pages --owner brent --confirm brent
	says "root, and no login tells who became it: to us that is nobody"
else
	skip 'root of no login' 'who tests has one'
fi
if root 0 true 2>/dev/null; then
	expect 13 'nor does root that logged in as root' root 0 "$B" --socket brent/socket hold resolve pages --owner brent --confirm brent
	says 'to us that is nobody'
	expect 13 'a login of somebody may: nothing is held here' root $MAN "$B" --socket brent/socket hold resolve pages --owner brent --confirm brent
	says 'there is nothing to resolve'
else
	skip 'a login uid' 'this kernel keeps none, or does not let it be set'
fi

# --- who logged in cannot be hidden by ending
python3 - "$WORK/brent/socket" "$(cat brent/pid)" "$run" "$(seen_of "$run")" <<'END' >.out
import json, os, signal, socket, sys
sock, daemon, run, seen = sys.argv[1:]
os.kill(int(daemon), signal.SIGSTOP)
try:
    s = socket.socket(socket.AF_UNIX); s.settimeout(20)
    child = os.fork()
    if child == 0:
        os.setgroups([]); os.setgid(6); os.setuid(6)
        s.connect(sock)
        os._exit(0)
    os.waitpid(child, 0)
finally:
    os.kill(int(daemon), signal.SIGCONT)
try:
    s.sendall(json.dumps({"cmd": "approve", "run": run, "seen": seen}).encode() + b"\n")
except BrokenPipeError:
    pass
print(s.makefile().readline())
END
says '"exit":13' 'the process that connected has ended: nobody can tell who logged in'
is 'it does not count' "$(counted)" '0 of 1'

# --- what one policy gives, the next takes away, from who is there already
touch go
python3 - "$WORK/brent/socket" "$run" "$(seen_of "$run")" <<'END' >.told &
import json, os, signal, socket, sys, time
signal.alarm(60)
sock, run, seen = sys.argv[1:]
def conn(uid):
    s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(sock)
    return s
def told(*words): # in one piece, as two tell
    os.write(1, (" ".join(map(str, words)) + "\n").encode())
pid = os.fork()
os.setgroups([])
uid = 9 if pid == 0 else 6
os.setgid(uid); os.setuid(uid)
s = conn(uid); f = s.makefile()
ask = {"cmd": "ping"} if uid == 6 else {"cmd": "events", "follow": True, "limit": 1}
s.sendall(json.dumps(ask).encode() + b"\n")
told(uid, f.readline().strip()[:200])
while os.path.exists("go"):
    time.sleep(0.05)
if uid == 6:
    s.sendall(json.dumps({"cmd": "approve", "run": run, "seen": seen}).encode() + b"\n")
    told("approve:", f.readline().strip())
    os.waitpid(pid, 0)
else:
    for line in f:
        last = line
        if '"last":true' in line:
            break
    told("events:", last.strip())
END
talk=$!
remember $talk
wait_for 20 sh -c 'test "$(wc -l <.told)" = 2'
is 'both are heard' "$(cut -c1 .told | sort | tr -d '\n')" 69
sed -i 's/{ role = "approver"; users = \[ "man" \]; council = "brent"; }/{ role = "viewer"; users = [ "man" ]; council = "brent"; }/; s/role = "auditor"; users = \[ "news" \]/role = "operator"; users = [ "news" ]/' brent/bascule.conf
loaded=$(grep -c 'loaded again' brent/log)
kill -HUP "$(cat brent/pid)"
reloaded() { [ "$(grep -c 'loaded again' brent/log)" -gt "$loaded" ]; }
holds 'the policy is loaded again' wait_for 20 reloaded
rm go
wait $talk
cp .told .out
says "approve: .*'approve' is not for user 'man', whose roles are: viewer" \
    "events: .*'events' is not for user 'news', whose roles are: operator"
is 'it does not count' "$(counted)" '0 of 1'
daemon_stop brent
never_stumbled ./*/log
finish
