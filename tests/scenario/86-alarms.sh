#!/bin/sh
# An alarm's life: raised, told by a program that fails at first, shown first,
# told again until somebody says to have seen it, over when its condition is.
# It survives the daemon.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

cat >page <<'END'
#!/bin/sh
cat >"$0.heard"
[ ! -e "$0.broken" ] || { echo "no line to the pager" >&2; exit 3; }
cat "$0.heard" >>"$0.told"
END
: >page.broken
chmod +x page
mkdir data && echo one >data/a
EXTRA="alerts = ( { on = [ \"rpo\", \"backup\" ]; run = [ \"$WORK/page\" ]; retries = 0; repeat = \"2s\"; } ); watch = { space_free = \"0%\"; space_for = \"0s\"; };"
site_new brent
{ shared_policy | sed '/^links/,$d'; service_policy files "$RARELY"; } >shared.conf
id_of() { at brent --json alarms | sed -n "s/.*\"alarm\":\"\(A[0-9]*\)\",\"on\":\"$1\".*/\1/p"; }

rm -r data # its backup fails
holds 'it starts' daemon_start brent || finish
at brent run files --wait >.out 2>&1
wait_for 10 sh -c "'$B' --socket brent/socket --json alarms | grep -q undelivered"
expect 6 'a failed backup is an alarm' at brent status
is 'which stands first' "$(sed -n '1s/^ALARM A[0-9]* .*/ALARM/p' .out)" ALARM
says 'COULD NOT BE DELIVERED' 'ALARMS FAIL.*page.*no line to the pager'
expect 0 'that it could not be told is recorded' at brent events --type alarm
says 'alarm undelivered.*program=.*page.*reason=exit 3: no line'
rm page.broken
wait_for 15 grep -q '"on":"backup"' page.told
holds 'the program works again and is told' grep -q '"raised":true' page.told
expect 0 'who heard of it is recorded' at brent events --type alarm
says 'alarm raised.*on=backup' 'alarm told.*said=raised'
wait_for 10 sh -c '[ "$(grep -c "\"on\":\"backup\".*\"raised\":true" page.told)" -ge 2 ]'
holds 'and told again, for nobody has seen it' \
    test "$(grep -c '"on":"backup".*"raised":true' page.told)" -ge 2
at brent --json status >.out
is 'nothing is the matter with the telling any more' "$(grep -c alarm_trouble .out)" 0

id=$(id_of backup)
expect 1 'one that is not there' at brent alarms ack A99
says 'no alarm A99'
expect 2 'what is no id' at brent alarms ack backup
expect 0 'somebody says to have seen it' at brent alarms ack "$id" --reason 'the disk is being mounted'
says "$id is acknowledged by $(id -un)"
expect 1 'once' at brent alarms ack "$id"
expect 0 'who it was is recorded' at brent events --type alarm
says "alarm acknowledged.*by $(id -un).*the disk is being mounted"

# --- the daemon is killed: the next one knows
daemon_stop brent KILL
before=$(grep -c '"on":"backup"' page.told)
holds 'it starts again' daemon_start brent
expect 0 'the alarm is still there, and was seen' at brent alarms
says "$id .*backup.*stands, seen"
mkdir data && echo one >data/a
expect 0 'the backup works' at brent run files --wait
wait_for 10 sh -c 'grep "\"on\":\"backup\"" page.told | grep -q "\"raised\":false"'
holds 'its end is told' sh -c 'grep "\"on\":\"backup\"" page.told | grep -q "\"raised\":false"'
is 'and nothing else was since' "$(($(grep -c '"on":"backup"' page.told) - before))" 1
wait_for 10 sh -c "! '$B' --socket brent/socket --json alarms | grep -q '\"on\":\"backup\"'"
is 'it is gone' "$(at brent --json alarms | grep -c '"on":"backup"')" 0
expect 0 'but not forgotten' at brent alarms --all
says "$id .*over, seen"

# --- one that ended and that nobody saw stays
wait_for 5 sh -c "'$B' --socket brent/socket alarms | grep -q 'rpo.* over'"
expect 0 'a posture that is well again' at brent alarms
says 'rpo.*files.*over'
expect 0 'is seen' at brent alarms ack "$(id_of rpo)"
wait_for 5 sh -c "! '$B' --socket brent/socket --json alarms | grep -q '\"on\":\"rpo\"'"
is 'and gone' "$(at brent --json alarms | grep -c '"on":"rpo"')" 0
expect 0 'nothing is wrong' at brent status
is 'and no alarm shown' "$(grep -c ALARM .out)" 0
at brent --json status >.out
says '"alarms":0'

daemon_stop brent
is 'it ends cleanly' "$ended" 0
never_stumbled brent/log brent/state/jobs/*
finish
