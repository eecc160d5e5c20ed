#!/bin/sh
# What was approved changes: the policy, the plan, a guard by another run, by a site
# that goes silent, who has room, who is shed.  Each takes the approvals back,
# with words and for good.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/people.sh"

people_needed 'what was approved changes'
as() { person_at southwark "$@"; } # UID COMMAND...
GAMES=5 MAN=6 MAIL=8
chmod 711 "$WORK"
mkdir data && echo one >data/a
EXTRA='roles = ( { role = "dr-lead"; users = [ "games" ]; council = "brent"; },
  { role = "approver"; users = [ "man", "mail" ]; council = "brent"; } );
bridge = { every = "1s"; silent_after = "10s"; };'
site_new brent
service() { # NAME TIER [PLAN]
	cat <<END
service = { name = "$1"; title = "$1"; owner = "brent"; tier = $2; home = "brent"; standby = "southwark";
  rpo = "24h"; rto = "4h"; needs = { memory = "10GiB"; }; live_root = "$WORK/live/$1";
  datasets = ( { name = "tree"; tree = "$WORK/data"; } );
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  approvals = { planned = 1; unplanned = 2; };
  failover = { cooldown = "0s"; hold_down = "0s"; min_proof = "L0"; };
  plan = ( { step = "tree"; restore = "tree"; },
    { step = "there"; check = { command = [ "true" ]; }; after = [ "tree" ]; } ${3:-} ); };
END
}
loads=0
policy() {
	(
		umask 077
		mkdir -p services
		shared_policy | sed 's|role = "datacentre"; failure_domain = "southwark";|& capacity = { memory = "16GiB"; };|' >shared.conf
		service pages 1 "${1:-}" >services/pages.conf
		service ids 1 >services/ids.conf
		service web 2 >services/web.conf
	)
}
policy
sed -i 's|shared.conf" |shared.conf", "../services" |' brent/bascule.conf
holds 'brent' daemon_start brent || finish
for s in pages ids web; do
	expect 0 "a backup of $s" at brent run $s --wait
done
daemon_stop brent; rm brent/pid
mkdir southwark
cp -a brent/repository brent/key southwark/
(umask 077; sed 's/"brent"; state/"southwark"; state/; s|/brent/|/southwark/|g' brent/bascule.conf >southwark/bascule.conf)
holds 'brent is gone, southwark has its copies' daemon_start southwark || finish
chmod 711 southwark; chmod 666 southwark/socket
points() { at southwark --json points "$1" | grep -q '"complete":true'; }
for s in pages ids web; do
	wait_for 20 points $s
done
at southwark readiness --measure >/dev/null

ask() { # SERVICE [OPTION...]
	s=$1; shift
	as $GAMES failover request "$s" --to southwark --mode unplanned --reason fire \
	    --accept-loss 'what came since' "$@" 2>&1 | head -n 1
}
# approved RUN: by two; it counts
approved() {
	for uid in $MAN $MAIL; do
		as $uid approve "$1" >.out 2>.err || return
	done
	[ "$(standing "$1")" = '2 of 2' ]
}
standing() { at southwark --json failover show "$1" | sed -n 's/.*"verdict":"\([0-9]* of [0-9]*\).*/\1/p'; }
recorded() { at southwark failover show "$1" | grep -q "what was approved is no more: .*$2"; }
# void RUN PATTERN WHAT: it is said on record and to whoever looks; and it stays so
void() {
	holds "$3: it is on record" wait_for 40 recorded "$1" "$2"
	at southwark failover show "$1" >.out
	says 'saw something else'
	is "$3: no approval counts" "$(standing "$1")" '0 of 2'
	expect 15 "$3: it does not start" start "$1"
	says 'G04 fail'
}
start() { # RUN [OPTION...]
	r=$1; shift
	as $GAMES failover start "$r" --confirm southwark --override G02=alone --override G06=none \
	    --override G07=old --override G08=alone --override G09='it burns' --override G12=now "$@"
}

# --- the plan, and the policy: by a load
run=$(ask pages)
holds 'a move is approved' approved "$run"
seen=$(at southwark --json failover show "$run" | sed -n 's/.*"seen":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
policy ', { step = "more"; check = { command = [ "true" ]; }; }'
load_policy() {
	loads=$((loads + 1))
	kill -HUP "$(cat southwark/pid)"
	wait_for 20 sh -c "[ \$(grep -c 'loaded again' southwark/log) -ge $loads ]"
	at southwark readiness --measure >/dev/null # then it looks for changes
}
load_policy
void "$run" "'policy 64:" 'another plan'
policy
load_policy
sleep 1
is 'the plan is as it was: for good' "$(standing "$run")" '0 of 2'
expect 13 'what was seen then is not approved now' as $MAN approve "$run" --seen "$seen"
says 'look again'
holds 'it is approved as it is' approved "$run"

# --- a guard that passed, by another run; who has no room; who is shed, and how
ids=$(ask ids)
shed=$(ask web --shed ids)
room=$(ask web)
for r in "$ids" "$shed" "$room"; do
	holds 'one more is approved' approved "$r"
done
at southwark failover show "$shed" >.out
says 'shed  *ids, which does not come'
at southwark failover show "$room" >.out
fails 'there is room for one' grep -q 'NO-ROOM' .out
second=$(ask ids)
holds 'so is another of the same service' approved "$second"
for uid in $MAN $MAIL; do
	expect 0 "$uid attests" as $uid approve "$ids" --attest 'the hall is ash'
done
start "$ids" >.one 2>&1 &
one=$!
start "$ids" >.two 2>&1
wait $one
is 'ids moves: of two starts at once one is' \
    "$(at southwark events --type failover --run "$ids" | grep -c 'event=STARTED')" 1
holds '... and the other is told so' grep -q 'was started already and has come to ' .one .two
void "$second" "'G01 pass' is 'G01 fail' now" 'another run has the service'
moved() { at southwark --json status ids | grep -q '"active_site":"southwark"'; }
holds 'ids is here' wait_for 60 moved
void "$shed" "'shed 3:ids, which does not come' is 'shed 3:ids, which runs there and is stopped first' now" 'who is shed'
void "$room" "is 'NO-ROOM 3:web, and nobody has said so' now" 'who has no room'

holds 'what it is now is approved' approved "$shed"
daemon_stop southwark
never_stumbled ./*/log
finish
