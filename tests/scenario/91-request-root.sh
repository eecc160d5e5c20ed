#!/bin/sh
# Root of one site, with its ledger's key and without the keys of other people:
# it makes approvers of its own, starts what nobody approved, overrides what stops
# it, and loads a policy that asks for nothing.  The site that the service is at
# counts for itself, and stops nothing.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/pair.sh"
. "$TOP/tests/support/people.sh"

people_needed 'root of one site'
. "$TOP/tests/support/append.sh"
mkdir data && echo one >data/a
pair_sshd 'root of one site'
EXTRA="bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"10s\"; };
roles = ( { role = \"dr-lead\"; users = [ \"games\", \"nobody\", \"man\" ]; council = \"brent\"; },
  { role = \"approver\"; users = [ \"mail\", \"news\" ]; council = \"brent\"; } );"
as() { person_at "$@"; } # SITE UID COMMAND...
LEAD=5 MAN=6 MAIL=8 NEWS=9 NOBODY=65534
mail=$("$B" key person mail.key) man=$("$B" key person man.key) games=$("$B" key person games.key)
chown mail mail.key; chown man man.key; chown games games.key
chmod 711 "$WORK"
pair_store
pair_sites 's|council = "southwark"|council = "brent"|g'
policy() { # SIGNED PLANNED
	(
		umask 077
		{ shared_policy
		  echo "people = ( { name = \"mail\"; key = \"$mail\"; }, { name = \"man\"; key = \"$man\"; },
		    { name = \"games\"; key = \"$games\"; } );"
		  REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy files "$RARELY" |
		      sed "s/  plan = /  approvals = { planned = $2; unplanned = 2; signed = $1; };&/"
		} >shared.conf
	)
}
policy true 1
start() {
	holds "$1 begins" daemon_start "$1" || finish
	chmod 711 "$1"; chmod 666 "$1/socket"
}
start brent
start southwark
heard() { wait_for 20 sh -c "'$B' --socket $1/socket --json status | grep '\"type\":\"peer\"' | grep -q '\"state\":\"heard\"'"; }
holds 'they hear each other' heard brent
heard southwark
holds 'there is a copy at southwark' at brent run files --kind backup --wait
ready() { at southwark failover plan files --to southwark | grep -q 'G08 pass'; }
holds '... which is ready' wait_for 120 ready

# --- who has no key says nothing, and is told so
expect 15 'who has no key asks for nothing' as southwark $NOBODY failover request files --to southwark --reason 'new roof'
says "the request too, and the policy names no key of 'nobody'"
expect 0 'asked for at southwark, and signed' as southwark $LEAD failover request files --to southwark --reason 'new roof' --key games.key
run=$(cat .out)
is 'its id alone is for scripts' "$(wc -w <.out)" 1
at southwark failover show "$run" >.out
says 'approvals  *signed alone' '0 of 1 signed' "bascule approve $run --key FILE"
expect 13 'who has no key approves nothing' as southwark $NEWS approve "$run"
says "of 'files' only signed words count (approvals.signed), and the policy names no key of 'news'" 'bascule key person FILE'
expect 13 'attests nothing' as southwark $NEWS approve "$run" --attest 'power is off'
expect 0 'but may say no' as southwark $NEWS refuse "$run" --dry-run
expect 15 'and nothing is started' as southwark $LEAD failover start "$run" --confirm southwark --override G06='no test yet'
says 'G04' '0 of 1 signed'

# --- root of southwark writes its ledger
seen=$(at southwark --json failover show "$run" | sed -n 's/.*"seen":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
known() { at brent failover list | grep -q "$run .*REQUESTED"; }
holds 'brent knows of it' wait_for 20 known
begin() { # as root writes it
	append southwark failover @run="$run" @uid=5 @actor=games:brent event=STARTED \
	    mode=planned from_site=brent to_site=southwark confirm=southwark overrides='G02 G04 G06' "$@"
}
daemon_stop southwark
for who in 98:eve:brent 97:fay:southwark 8:mail:brent 6:man:brent; do
	holds "root says that $who approves" append southwark approval @run="$run" \
	    @uid="${who%%:*}" @actor="${who#*:}" verb=approve seen="$seen" roles=approver login_uid="${who%%:*}"
done
holds '... and starts it' begin break_glass=1
start southwark
stands() { at brent --json status files | grep -q "G04 (enough people have approved) fails here, so 'files' is not stopped"; }
holds 'brent lets nothing go' wait_for 30 stands
at brent status files >.out
says '0 of 1 signed' "bascule failover abort $run, and ask anew; or, by a dr-lead of this site"
at brent failover show "$run" >.out
says 'READY *southwark' 'approve by eve of brent at southwark.* is not signed'
fails '... the names with keys said nothing' grep -q 'approve by ma' .out
waits() { at southwark --json status files | grep -q 'G04 (enough people'; }
holds 'southwark says whose no it is' wait_for 20 waits
is 'brent has begun nothing' "$(at brent events --type failover --run "$run" | grep -c 'event=quiesce')" 0
expect 0 'and backs up as before' at brent run files --kind backup --wait
holds 'people are told' wait_for 20 sh -c "'$B' --socket brent/socket alarms | grep -q G04"
expect 13 'it has started: who approves now is late' as brent $MAIL approve "$run" --key mail.key
expect 0 'an abort ends it' as brent $LEAD failover abort "$run"
over() { at brent --json status files | grep -q "\"authority\":\"PROTECTED\"" && ended brent && ended southwark; }
ended() { at "$1" failover list | grep -q "$run .*ABORTED"; }
holds 'it is over' wait_for 20 over

# --- and says that somebody else has asked than did: mail asks, and approves
expect 0 'asked for, and not signed' as southwark $LEAD failover request files --to southwark --reason 'new roof'
says "next: bascule failover sign .* --key FILE (by games)"
run=$(cat .out)
expect 0 'mail approves' as southwark $MAIL approve "$run" --key mail.key
says '0 of 1 signed; the request is not signed by games'
expect 13 'nobody else signs what games has asked' as southwark $MAN failover sign "$run" --key man.key
says "'games' asked for run $run, and 'man' cannot sign that"
expect 15 'nothing is started' as southwark $LEAD failover start "$run" --confirm southwark --override G06='no test yet'
says 'G04' 'not signed by games'
holds 'brent knows of it' wait_for 20 known
daemon_stop southwark
holds 'root writes that games has signed it' append southwark approval @run="$run" @uid=5 @actor=games:brent \
    verb=request seen="$seen" roles=dr-lead login_uid=5
holds '... and starts it' begin
start southwark
holds 'brent lets nothing go' wait_for 30 stands
at brent status files >.out
says '0 of 1 signed; the request is not signed by games'
is 'brent has begun nothing' "$(at brent events --type failover --run "$run" | grep -c 'event=quiesce')" 0
expect 0 'an abort ends it' as brent $LEAD failover abort "$run"
holds 'it is over' wait_for 20 over

# --- root of southwark loads a policy that asks for nobody's word
daemon_stop southwark
cp shared.conf honest.conf
policy false 0
(umask 077; sed "s|shared.conf|own.conf|" southwark/bascule.conf >southwark/own && mv southwark/own southwark/bascule.conf; mv shared.conf own.conf; mv honest.conf shared.conf)
start southwark
heard southwark
expect 0 'asked for at southwark, by its own policy' as southwark $LEAD failover request files --to southwark --reason 'new roof'
run=$(cat .out)
wait_for 60 ready
expect 0 '... started, by its own policy' as southwark $LEAD failover start "$run" --confirm southwark \
    --override G02=mine --override G06='no test yet' --override G08=mine --override G12=now
holds 'brent lets nothing go' wait_for 30 stands
expect 0 '... unless its own dr-lead says so' as brent $LEAD failover abort "$run"
holds 'it is over' wait_for 20 over

# --- signed, it goes: from southwark's own request, by brent's count
daemon_stop southwark
sed -i 's|own.conf|shared.conf|' southwark/bascule.conf
start southwark
heard southwark
wait_for 60 ready
expect 0 'asked for at southwark' as southwark $LEAD failover request files --to southwark --reason 'new roof'
run=$(cat .out)
expect 0 'signed' as southwark $MAIL approve "$run" --key mail.key
expect 2 'who asked signs with a key' as southwark $LEAD failover sign "$run"
expect 0 'who asked signs' as southwark $LEAD failover sign "$run" --key games.key
says '1 of 1 signed: mail' "next: bascule failover start $run"
expect 0 'started' as southwark $LEAD failover start "$run" --confirm southwark --override G06='no test yet' --override G12=now
goes() { at brent events --type failover --run "$run" | grep -q 'event=quiesce'; }
holds 'brent begins to let go' wait_for 30 goes
for site in brent southwark; do
	daemon_stop $site
done
never_stumbled brent/log
finish
