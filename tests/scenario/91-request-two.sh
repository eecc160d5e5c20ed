#!/bin/sh
# A move asked for at one site is approved at the other: what is approved is the
# asked site's word, the person the same at both, the signature proved at both.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/pair.sh"
. "$TOP/tests/support/people.sh"

people_needed 'requests at two sites'
mkdir data && echo one >data/a
pair_sshd 'requests at two sites'
EXTRA="bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"10s\"; };
roles = ( { role = \"dr-lead\"; users = [ \"games\" ]; council = \"brent\"; },
  { role = \"approver\"; users = [ \"man\", \"mail\" ]; council = \"brent\"; } );"
as() { person_at "$@"; } # SITE UID COMMAND...
LEAD=5 MAN=6 MAIL=8
fingerprint=$("$B" key person mine.key)
chown mail mine.key
chmod 711 "$WORK"
pair_store
pair_sites 's|council = "southwark"|council = "brent"|g'
sed -i 's|shared.conf" |shared.conf", "../web.conf", "../desk.conf" |' brent/bascule.conf southwark/bascule.conf
(
	umask 077
	{ shared_policy
	  echo "people = ( { name = \"mail\"; key = \"$fingerprint\"; } );"
	  REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy files "$RARELY"
	} | sed 's|role = "datacentre"; failure_domain = "southwark";|& capacity = { memory = "16GiB"; };|' >shared.conf
	export REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; }; needs = { memory = "10GiB"; };'
	service_policy web "$RARELY" >web.conf
	service_policy desk "$RARELY" |
	    sed 's/home = "brent"/home = "southwark"/; s/\(standby = "\|to = \[ "\)southwark/\1brent/g; s/tier = 1/tier = 2/' >desk.conf
)
holds 'brent begins' daemon_start brent || finish
holds 'southwark begins' daemon_start southwark || finish
chmod 711 brent southwark; chmod 666 brent/socket southwark/socket
heard() { wait_for 20 sh -c "'$B' --socket $1/socket --json status | grep '\"type\":\"peer\"' | grep -q '\"state\":\"heard\"'"; }
holds 'they hear each other' heard brent
heard southwark
holds 'there is a copy at southwark' at brent run files --kind backup --wait
ready() { at brent failover plan files --to southwark | grep -q 'G08 pass'; }
holds '... which is ready' wait_for 120 ready

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

# --- a start is refused while somebody has no room and is not named
holds 'there is a copy of another' at brent run web --kind backup --wait
copied() { at southwark points web | grep -q complete; }
holds '... at southwark' wait_for 60 copied
at southwark readiness --measure >/dev/null
ready_web() { at brent failover plan web --to southwark | grep -q 'G08 pass'; }
holds '... which can take it' wait_for 60 ready_web
lead() { as brent $LEAD failover "$@"; }
start() { lead start "$run" --confirm southwark --override G06='no test yet' "$@"; }
was=$run
run=$(lead request web --to southwark --reason 'new roof' 2>&1 | head -n 1)
expect 0 'it is approved, though there is no room for who runs there' as brent $MAN approve "$run"
says 'NO-ROOM *desk'
expect 15 'and not started' start
says "G08: there is no room at 'southwark' for 1 of those that would run there: desk" \
    'ask anew with --shed, or a dr-lead overrides G08' "failover show $run. names who has none"
expect 0 'unless a dr-lead overrides that' start --dry-run --override G08='desk sleeps'
run=$(lead request web --to southwark --reason 'new roof' --shed desk 2>&1 | head -n 1)
expect 0 'or who is shed was named' as brent $MAN approve "$run"
says 'shed *desk'
expect 0 'which may be started' start --dry-run
says 'STARTED: nothing was recorded'
run=$was

# --- what is only late, or not known yet, takes no approval back
kill -STOP "$(cat southwark/pid)"
answers() { at brent failover plan files --to southwark | grep -q 'G09 pass'; }
silent() { ! answers; }
holds 'southwark does not answer for some seconds' wait_for 20 silent
is 'which the what-if says' "$(at brent failover plan files --to southwark | grep -c 'G09 fail')" 1
is '... and what was approved is the same' "$(at brent --json failover show "$run" | sed -n 's/.*"approved":\([a-z]*\).*/\1/p')" true
kill -CONT "$(cat southwark/pid)"
daemon_stop brent
sleep 11
holds 'brent starts again after it heard nothing for longer than a silence' daemon_start brent
chmod 666 brent/socket
holds 'it hears southwark' wait_for 20 ready
at brent readiness --measure >/dev/null
sleep 1
expect 0 'the approval counts as before' at brent failover show "$run"
says '1 of 1: mail'

# --- a site that was silent for so long that it counts: void for good, and that alone
kill -STOP "$(cat southwark/pid)"
void() { at brent failover show "$run" | grep -q "what was approved is no more: .*'G09 pass' is 'G09 fail' now"; }
holds 'southwark is silent for longer than silent_after: what was approved is no more' wait_for 60 void
approved() { at brent --json failover show "$run" | sed -n 's/.*"verdict":"\([0-9]* of [0-9]*\).*/\1/p'; }
is '... and no approval counts' "$(approved)" '0 of 1'
kill -CONT "$(cat southwark/pid)"
holds 'southwark is back' wait_for 60 answers
sleep 16 # it is looked at every 15 s
is 'what is void stays so, though it is as it was' "$(approved)" '0 of 1'
expect 15 'and starts nothing' start --dry-run
says 'G04' '0 of 1'
expect 13 'nor is the old digest approved' as brent $MAN approve "$run" --seen "$(printf %064d 1)"
anew() { as southwark $MAIL approve "$run" --key mine.key; }
holds 'who has approved approves anew, what is shown now' wait_for 30 anew
counts() { [ "$(approved)" = '1 of 1' ]; }
holds '... which counts' wait_for 20 counts

# --- what it is has changed at brent: approvals given elsewhere are void, too
sed -i 's/title = "files"/title = "Files"/' shared.conf
kill -HUP "$(cat brent/pid)"
holds 'brent says what changed' wait_for 30 sh -c "'$B' --socket brent/socket failover show $run | grep -q 'what was approved is no more'"
expect 0 'the approval counts no more' at brent failover show "$run"
says '0 of 1' 'saw something else'
gone() { as southwark $MAN approve "$run" 2>&1 | grep -q 'under another policy'; }
holds 'and none is given where the policy is another' wait_for 20 gone

# --- ... nor does what a start has not measured yet
kill -HUP "$(cat southwark/pid)"
there() { at southwark failover plan files --to southwark --mode unplanned | grep -q 'G08 pass'; }
holds 'southwark is ready' wait_for 60 there
expect 0 'asked for at southwark' as southwark $LEAD failover request files --to southwark \
    --mode unplanned --reason fire --accept-loss 'what came since'
run=$(cat .out)
expect 0 'one has seen it' as southwark $MAN approve "$run"
says '1 of 2'
daemon_stop southwark
holds 'southwark starts again' daemon_start southwark
holds '... and is ready' wait_for 60 there
at southwark readiness --measure >/dev/null
sleep 1
expect 0 'that still counts' at southwark failover show "$run"
says '1 of 2'
fails 'and nothing has changed' grep -q approval-needed .out
for site in brent southwark; do
	daemon_stop $site
done
finish
