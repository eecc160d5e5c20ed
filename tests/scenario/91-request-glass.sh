#!/bin/sh
# A glass is broken and nobody stands by it: past `second_within` an alarm, again
# and again, and never a stop.  Who comes late is heard.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/people.sh"

people_needed 'a broken glass'
as() { person_at southwark "$@"; } # UID COMMAND...
GAMES=5 MAN=6 MAIL=8 NEWS=9
chmod 711 "$WORK"
mkdir data && echo one >data/a
EXTRA='roles = ( { role = "dr-lead"; users = [ "games" ]; council = "brent"; },
  { role = "approver"; users = [ "man", "mail" ]; council = "brent"; },
  { role = "operator"; users = [ "news" ]; council = "brent"; } );
bridge = { every = "1s"; silent_after = "10s"; };'
site_new brent
(umask 077
 { shared_policy
   REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy pages "$RARELY" |
       sed 's/  plan = /  live_root = "LIVE"; failover = { cooldown = "0s"; hold_down = "0s"; min_proof = "L0"; };\n  approvals = { planned = 1; unplanned = 2; second_within = "1m"; };&/' |
       sed "s|LIVE|$WORK/live|"
 } >shared.conf)
holds 'brent' daemon_start brent || finish
expect 0 'a backup' at brent run pages --wait
daemon_stop brent; rm brent/pid
mkdir southwark
cp -a brent/repository brent/key southwark/
(umask 077; sed 's/"brent"; state/"southwark"; state/; s|/brent/|/southwark/|g' brent/bascule.conf >southwark/bascule.conf)
holds 'brent is gone, southwark has its copy' daemon_start southwark || finish
chmod 711 southwark; chmod 666 southwark/socket
points() { at southwark --json points pages | grep -q '"complete":true'; }
wait_for 20 points
at southwark readiness --measure >/dev/null
expect 0 'asked for' as $GAMES failover request pages --to southwark --mode unplanned --reason fire \
    --accept-loss 'what came since'
run=$(head -n 1 .out)
for uid in $MAN $MAIL; do
	expect 0 "$uid attests" as $uid approve "$run" --attest 'the hall is ash'
done
expect 0 'the glass is broken' as $GAMES failover start "$run" --confirm southwark --break-glass --reason 'nobody answers' \
    --override G02=alone --override G06=none --override G07=old --override G08=alone --override G09='it burns' --override G12=now
moved() { at southwark --json status pages | grep -q '"active_site":"southwark"'; }
holds 'it moves' wait_for 60 moved
expect 13 'who broke it is no second' as $GAMES approve "$run" --second
expect 13 'nor who is no approver' as $NEWS approve "$run" --second
overdue() { at southwark alarms | grep -q "broke the glass of run $run and no second person has agreed"; }
fails 'within its minute nobody is alarmed' overdue
holds 'past it somebody is' wait_for 90 overdue
at southwark alarms >.out
says "'games' broke the glass of run $run" "bascule approve $run --second"
ran() { at southwark failover show "$run" | grep -q '  RAN  *southwark'; }
holds 'it was never stopped' wait_for 60 ran
fails '... and is not held' sh -c "'$B' --socket southwark/socket status | grep -q HELD"
expect 0 'a second comes late' as $MAN approve "$run" --second
holds 'and the alarm is over, or waits to be seen' wait_for 40 sh -c "! '$B' --socket southwark/socket --json alarms | grep 'second person of' | grep -q '\"raised\":true'"
at southwark failover show "$run" >.out
says 'second by man'
daemon_stop southwark
never_stumbled southwark/log
finish
