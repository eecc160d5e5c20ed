#!/bin/sh
# A move asked for at one site is approved at the other: what is approved is the
# asked site's word, the person the same at both, the signature proved at both.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/pair.sh"

if [ "$(id -u)" != 0 ] || ! setpriv --reuid 5 --clear-groups true 2>/dev/null; then
	skip 'requests at two sites' 'being several people takes root'
	finish
fi
mkdir data && echo one >data/a
pair_sshd 'requests at two sites'
EXTRA="bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"10s\"; };
roles = ( { role = \"dr-lead\"; users = [ \"games\" ]; council = \"brent\"; },
  { role = \"approver\"; users = [ \"man\", \"mail\" ]; council = \"brent\"; } );"
as() { # SITE UID COMMAND...
	site=$1 uid=$2; shift 2
	HOME=/ setpriv --reuid "$uid" --regid "$uid" --clear-groups \
	    "$B" --socket "$WORK/$site/socket" "$@" </dev/null
}
LEAD=5 MAN=6 MAIL=8
fingerprint=$("$B" key person mine.key)
chown mail mine.key
chmod 711 "$WORK"
pair_sites 's|council = "southwark"|council = "brent"|g'
(
	umask 077
	{ shared_policy
	  echo "people = ( { name = \"mail\"; key = \"$fingerprint\"; } );"
	  REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy files 30m
	} >shared.conf
)
holds 'brent begins' daemon_start brent || finish
holds 'southwark begins' daemon_start southwark || finish
chmod 711 brent southwark; chmod 666 brent/socket southwark/socket
heard() { wait_for 20 sh -c "'$B' --socket $1/socket --json status | grep '\"type\":\"peer\"' | grep -q '\"state\":\"heard\"'"; }
holds 'they hear each other' heard brent
heard southwark
sleep 1

expect 0 'asked for at brent' as brent $LEAD failover request files --to southwark --reason 'new roof'
run=$(cat .out)
holds 'southwark knows of it' wait_for 20 sh -c "'$B' --socket southwark/socket failover list | grep -q $run"
seen() { at "$1" --json failover show "$run" | sed -n 's/.*"seen":"\([0-9a-f]*\)".*/\1/p' | head -n 1; }
is 'both show the same' "$(seen southwark)" "$(seen brent)"
expect 13 'who asked there cannot approve here' as southwark $LEAD approve "$run"
says 'G03'
expect 13 'without her key she cannot' as southwark $MAIL approve "$run"
expect 0 'signed she can' as southwark $MAIL approve "$run" --key mine.key
says 'signed' '1 of'
approved() { at brent failover show "$run" | grep -q "approve by mail.* at southwark, signed"; }
holds 'brent hears of it, and proves the signature' wait_for 20 approved
expect 0 'it counts' at brent failover show "$run"
says '1 of 1: mail' "next: bascule failover start $run --confirm southwark"
expect 1 'the same person does not count at brent again' as brent $MAIL approve "$run" --key mine.key
says 'a person counts once'

# --- what it is has changed at brent: approvals given elsewhere are void, too
sed -i 's/title = "files"/title = "Files"/' shared.conf
kill -HUP "$(cat brent/pid)"
holds 'brent says what changed' wait_for 30 sh -c "'$B' --socket brent/socket failover show $run | grep -q 'what was approved is no more'"
expect 0 'the approval counts no more' at brent failover show "$run"
says '0 of 1' 'saw something else'
gone() { as southwark $MAN approve "$run" 2>&1 | grep -q 'under another policy'; }
holds 'and none is given where the policy is another' wait_for 20 gone
for site in brent southwark; do
	daemon_stop $site
done
finish
