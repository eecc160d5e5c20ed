#!/bin/sh
# Asking for a move and agreeing to it: the what-if of every guard; who asks
# cannot approve, by whatever name; what has changed, expired, was signed by
# nobody or copied from another run does not count.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/people.sh"

people_needed 'requests'

# People: accounts that every Debian has.
as() { person_at brent "$@"; } # UID COMMAND...
chmod 711 "$WORK"
ALICE=5 BOB=6 CAROL=8 DAN=9
ROLES='roles = ( { role = "dr-lead"; users = [ "games" ]; council = "brent"; },
  { role = "approver"; users = [ "man" ]; council = "brent"; },
  { role = "approver"; users = [ "mail" ]; council = "southwark"; },
  { role = "operator"; users = [ "news" ]; council = "brent"; } );'
EXTRA=$ROLES
mkdir data && echo one >data/a
site_new brent
sed -i 's|\(.*\)shared.conf" \];|\1shared.conf", "../pages.conf", "../ids.conf" ];|' brent/bascule.conf
mkdir southwark
PEOPLE=
policy() {
	(
		umask 077
		{
			shared_policy | sed 's/{ name = "brent"; title = "Brent"; share = 100; }/{ name = "brent"; title = "Brent"; share = 50; }, { name = "southwark"; title = "Southwark"; share = 50; }/'
			echo "$PEOPLE"
		} >shared.conf
		service pages "$1" "$2" >pages.conf
		service ids '' '' >ids.conf
	)
	[ -e brent/pid ] || return 0
	at brent --json status >/dev/null
	kill -HUP "$(cat brent/pid)"
	wait_for 10 reloaded
}
service() {
	cat <<END
service = {
  name = "$1"; title = "$1"; owner = "brent"; tier = 1; home = "brent"; standby = "southwark";
  rpo = "1h"; rto = "4h"; $([ "$1" = pages ] && echo 'depends = [ "ids" ];')
  datasets = ( { name = "tree"; tree = "$WORK/data"; } );
  backup = { every = "30m"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  approvals = { planned = 1; unplanned = 2; $3 };
  live_root = "$WORK/live";
  plan = ( { step = "tree"; restore = "tree"; },
    { step = "there"; check = { command = [ "true" ]; }; after = [ "tree" ]; } $2 );
};
END
}
digest=
reloaded() {
	now=$(at brent --json status | grep -o '"policy":"[0-9a-f]*"' | tail -n 1)
	[ "$now" != "$digest" ] && digest=$now
}
run_of() { sed -n 's/.*"run":"\([^"]*\)".*/\1/p' .out | tail -n 1; }
seen_of() { at brent --json failover show "$1" | sed -n 's/.*"seen":"\([0-9a-f]*\)".*/\1/p' | head -n 1; }
ask() {
	expect 0 "$1" as $ALICE --json failover request pages --to southwark --reason "$2"
	run=$(run_of)
	fails '... now' grep -q '"phase_at":"1970' .out
}

policy '' ''
holds 'a daemon' daemon_start brent || finish
chmod 666 brent/socket && chmod 711 brent
reloaded
expect 0 'a backup' at brent run pages --wait

# --- what-if
expect 0 'the what-if' at brent failover plan pages --to southwark
is '... shows each guard, also those that nobody asks in this mode' \
    "$(sed -n 's/^  \(G[01][0-9]\) .*/\1/p' .out | tr '\n' ' ')" "$(printf 'G%02d ' $(seq 18))"
is '... as JSON, too' "$(at brent --json failover plan pages --to southwark --mode unplanned |
    grep -c '"type":"guard"')" 18
expect 0 'the what-if' at brent failover plan pages --to southwark
says 'pages: brent -> southwark' 'G0[0-9] unknown' 'passes when' 'override: '
fails '... who would know what is unknown is named' grep -q 'unknown (-' .out
says 'unknown (readiness of the target)'
expect 0 'of everything, in order' at brent --json failover plan --all --to southwark
is 'what one depends on goes before it' "$(grep '"type":"move"' .out |
    sed 's/.*"service":"\([a-z]*\)".*"wave":\([0-9]*\).*/\1 \2/' | tr '\n' ' ')" 'ids 1 pages 2 '
expect 0 'of a tier' at brent failover plan --tier 1 --to southwark
is 'it changed nothing' "$(at brent --json events | grep -c '"record":"failover"')" 0
expect 2 'to nowhere' at brent failover plan pages
expect 1 'to a site that is not there' at brent failover plan pages --to lewisham
expect 1 'of a service that is not there' at brent failover plan nothing --to southwark
expect 1 'where it is' at brent failover plan pages --to brent
expect 2 'which?' at brent failover plan --to southwark
expect 2 'in what mode?' at brent failover plan pages --to southwark --mode sudden

# --- asking
expect 2 'without a reason' as $ALICE failover request pages --to southwark
expect 13 'an approver asks for nothing' as $BOB failover request pages --to southwark --reason x
expect 13 'an operator for nothing unplanned' as $DAN failover request pages --to southwark --mode unplanned --reason x
expect 15 'and where nothing is to go back to nobody' as $ALICE failover request pages --to southwark --mode unplanned --reason fire
says 'G07'
expect 0 'a dry run' as $ALICE --json failover request pages --to southwark --reason x --dry-run
is '... leaves no run' "$(at brent --json failover list | grep -c '"type":"failover"')" 0
expect 0 'asked for' as $ALICE failover request pages --to southwark --reason 'new cooling'
is 'a run id is printed' "$(head -n 1 .out | grep -c '^[0-9TZ]*-[0-9a-f]*$')" 1
run=$(head -n 1 .out)
expect 0 'it is listed' at brent failover list; says "$run  planned  brent *southwark *REQUESTED"
expect 0 'it is shown' at brent failover show "$run"; says 'new cooling' 'seen [0-9a-f]'
expect 2 'control characters are no reason' as $ALICE failover request pages --to southwark --reason "$(printf 'a\033[31m')"

# --- who
expect 13 'who asked cannot approve' as $ALICE approve "$run"
says 'G03'
expect 13 'an operator cannot' as $DAN approve "$run"
expect 13 'nor the administrator' at brent approve "$run"
expect 0 'a dry run says whether it would count' as $BOB approve "$run" --dry-run
says 'nothing was recorded; this would have been:'
expect 0 'another can' as $BOB approve "$run"
says '^service pages' '^loss none' 'G06 fail  *the recovery is proved, and lately'
is 'what does not apply is not before his eyes' "$(grep -c 'not-applicable\|^[a-z]* [0-9]*:' .out)" 0
says '1 of 1' 'next: bascule failover start'
at brent failover show "$run" >.out
[ "$(cat /proc/self/loginuid 2>/dev/null || echo 4294967295)" != 4294967295 ] || says 'approve by man of brent at brent, login not known'
expect 1 'once' as $BOB approve "$run"; says 'a person counts once'
expect 0 'it is on record' at brent --json events --type approval
says '"verb"' '"login_uid"'

# --- the login stays what it was, whatever sudo makes of it
ask 'one for the login' 'sudo'
if sh -c 'echo 5 >/proc/self/loginuid' 2>/dev/null; then
	logged() { sh -c 'echo "$1" >/proc/self/loginuid; shift; exec setpriv --reuid 6 --regid 6 --clear-groups "$@"' \
	    - "$1" "$B" --socket "$WORK/brent/socket" approve "$run" </dev/null; }
	expect 13 'who asked cannot approve by sudo as another' logged $ALICE
	says 'G03'
	expect 0 'whose login is his own can' logged $BOB
	at brent failover show "$run" >.out
	fails '... which needs no saying' grep -q 'by man.*login' .out
	ask 'one more for the login' 'sudo again'
	expect 0 'somebody else by his account' logged $CAROL
	expect 0 'that is said of it' at brent failover show "$run"
	says 'by man of brent at brent, logged in as mail$'
else
	skip 'a login uid' 'this kernel keeps none, or does not let it be set'
fi

# --- what was seen
ask 'another' 'second try'
seen=$(seen_of "$run")
expect 13 'another digest is refused' as $BOB approve "$run" --seen "$(printf %064d 7)"
policy ', { step = "more"; check = { command = [ "true" ]; }; }' ''
expect 13 'what was seen is no more: the plan has changed' as $BOB approve "$run" --seen "$seen"
says 'changed'
python3 - "$WORK/brent/socket" "$run" "$seen" <<'END' >.out
import json, os, socket, sys
os.setgroups([]); os.setgid(6); os.setuid(6)
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(json.dumps({"cmd": "approve", "run": sys.argv[2], "seen": sys.argv[3]}).encode() + b"\n")
print(s.makefile().readline())
END
says '"exit":13' 'has changed'
expect 0 'what it is now is approved' as $BOB approve "$run"
policy '' ''
expect 0 'the approval does not outlive the change back' at brent failover show "$run"
says 'does not count\|0 of 1'

# --- of another council
policy '' 'from_other_council = true;'
ask 'of another council' 'councils'
expect 0 'one of the same approves' as $BOB approve "$run"; says 'council'
grep -q 'next: bascule failover start' .out && not_ok 'that suffices'
expect 0 'one of the other does' as $CAROL approve "$run"; says 'next: bascule failover start'

# --- time
policy '' 'expire = "1s";'
ask 'for a second' 'short'
sleep 1.2
expect 13 'what expired is not approved' as $BOB approve "$run"; says 'expired'
expect 0 'and is listed so' at brent failover list; says 'EXPIRED'

# --- a no
policy '' ''
ask 'one more' 'to be refused'
expect 0 'a no' as $BOB refuse "$run" --reason 'not before the election'
expect 13 'ends it' as $CAROL approve "$run"
expect 0 'and says why' at brent failover show "$run"; says 'not before the election'

# --- keys
expect 0 'a key of her own' "$B" key person carol.key
fingerprint=$(cat .out)
expect 0 'and another' "$B" key person other.key
chown mail carol.key; cp other.key bob.key; chown mail other.key; chown man bob.key
PEOPLE="people = ( { name = \"mail\"; council = \"southwark\"; key = \"$fingerprint\"; } );"
policy '' ''
ask 'with keys' 'signed'
expect 13 'who has a key signs' as $CAROL approve "$run"; says 'key FILE'
expect 13 'with that one' as $CAROL approve "$run" --key other.key; says 'another key'
expect 13 'who has none does not' as $BOB approve "$run" --key bob.key
first=$run
expect 0 'signed' as $CAROL approve "$run" --key carol.key; says 'signed'
ask 'another run' 'replay'
python3 - "$WORK" "$first" "$run" "$(seen_of "$run")" <<'END' >.answers
import json, os, socket, subprocess, sys, time
work, first, run, seen = sys.argv[1:]
b, sock = os.environ["B"], work + "/brent/socket"
sig = {}
for line in subprocess.run([b, "--socket", sock, "--json", "events", "--type", "approval"],
        capture_output=True, text=True).stdout.splitlines():
    v = json.loads(line)
    if v.get("run") == first:
        for f in v["fields"]:
            sig[f["name"]] = f.get("value")
os.setgroups([]); os.setgid(8); os.setuid(8)
s = socket.socket(socket.AF_UNIX); s.connect(sock)
f = s.makefile()
said = int(sig["said_ns"])
def at(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + ".%09dZ" % (ns % 10**9)
def again(run, seen, **more):
    s.sendall(json.dumps(dict({"cmd": "approve", "run": run, "seen": seen, "signature":
        sig["signature"], "signer": sig["signer"], "said": at(said)}, **more)).encode() + b"\n")
    print(f.readline(), end="")
again(run, seen)
again(run, seen, said=at(said - 600 * 10**9))
again(run, seen, said=None)
again(first, sig["seen"])
again(first, sig["seen"], reason="because")
END
answer() { sed -n "$1p" .answers >.out; }
answer 1; says '"exit":13' "not of this word about run $run"
answer 2; says '"exit":13' "signed at .* by the signer's clock, and it is .* by the clock of this daemon: 10m.* apart" 'set the clock that is wrong'
answer 3; says '"exit":2' 'says no time'
answer 4; says '"exit":13' "'mail' has signed 'approve' at .*, which is not before this word" 'a signature that was used is used up'
answer 5; says '"exit":13' "not of this word about run $first"
expect 0 'what was signed is taken back' as $CAROL approve "$first" --key carol.key --withdraw
is '... and counts no more' "$(at brent --json failover show "$first" | sed -n 's/.*"verdict":"\([0-9]* of [0-9]*\).*/\1/p')" '0 of 1'
expect 0 'who attests signs the method' as $CAROL approve "$run" --key carol.key --attest 'power is off'
says 'signed' 'attest by mail'
expect 0 'the beginning of an id is signed as the whole' as $CAROL approve "${run%????}" --key carol.key

# --- starting
PEOPLE=
policy '' ''
ask 'to be started' 'start'
expect 2 'without the site, and no terminal to ask at' as $ALICE failover start "$run"; says 'confirm SITE'
expect 13 'with another site' as $ALICE failover start "$run" --confirm brent
expect 13 'by an approver' as $BOB failover start "$run" --confirm southwark
expect 15 'before anybody approved' as $ALICE failover start "$run" --confirm southwark
says 'G04' 'hint'
as $BOB approve "$run" >.out
expect 15 'the other site does not answer' as $ALICE failover start "$run" --confirm southwark
says 'G02\|G06\|G07\|G08\|G09'
for g in 01 03 14 18; do
	expect 15 "G$g has no override" as $ALICE failover start "$run" --confirm southwark --override "G$g=because"
	says "G$g"
done
expect 13 'an operator overrides nothing' as $DAN failover start "$run" --confirm southwark --override G05=because
expect 2 'nor anybody without a reason' as $ALICE failover start "$run" --confirm southwark --override G05=
daemon_stop brent; rm brent/pid

# --- brent is gone: southwark has its copy
cp -a brent/repository brent/key southwark/
(umask 077; sed 's/"brent"/"southwark"/; s|/brent/|/southwark/|g' brent/bascule.conf >southwark/bascule.conf)
policy '' 'second_within = "1m";'
holds 'southwark alone' daemon_start southwark || finish
chmod 711 southwark; chmod 666 southwark/socket
as() { person_at southwark "$@"; } # UID COMMAND...
wait_for 20 sh -c "'$B' --socket southwark/socket --json points pages | grep -q '\"complete\":true'"
expect 0 'every point with what it loses' at southwark failover plan pages --to southwark --mode unplanned
says 'loses at most .*bytes unknown' '\* [0-9a-f]* .*complete' 'G11'
expect 0 'a disaster' as $ALICE failover request pages --to southwark --mode unplanned --reason fire --accept-loss 'all since the last point'
run=$(cat .out)
expect 15 'two have to approve' as $ALICE failover start "$run" --confirm southwark
says 'G04 fail' '0 of 2' "passes when more people approve: bascule approve $run" 'G09 fail'
expect 2 'a glass is broken with a reason' as $ALICE failover start "$run" --confirm southwark --break-glass
expect 13 'nobody is the second before it is broken' as $BOB approve "$run" --second
expect 2 'who attests names a method' as $BOB approve "$run" --attest ''
expect 0 'one attests' as $BOB approve "$run" --attest 'power of the hall is off'
over() { as $ALICE failover start "$run" --confirm southwark --break-glass --reason 'nobody answers' \
    --override G06='no test yet' --override G08='it is what it is' "$@"; }
expect 15 'one is not enough' over; says 'G09'
expect 0 'a second attests the same' as $CAROL approve "$run" --attest 'Power of the hall is off.'
expect 0 'the glass is broken' over
expect 0 'which everybody sees' at southwark --json failover list; says '"break_glass":true'
expect 13 'who broke it is not the second' as $ALICE approve "$run" --second; says 'G03'
expect 13 'approvals come too late' as $BOB approve "$run"; says 'started already'
expect 0 'the second is another' as $BOB approve "$run" --second
expect 0 'and is on record' at southwark failover show "$run"; says 'second by man' 'attest by mail'
# Until it has moved its run is in the way, and then it is there.
as $ALICE failover plan pages --to southwark --mode unplanned >.out 2>&1
says "G01 fail\|runs at 'southwark' already"
daemon_stop southwark
finish
