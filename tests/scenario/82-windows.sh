#!/bin/sh
# Budgets by windows, as the policy writes them: an edge falls into a transfer that
# runs.  It counts from within a second, on the same connections, and what is
# carried is what the window allows, by the bytes and instants of the job itself.
# LONG=1: two windows of a minute each, down and up again; WAY=pull: fetched.
IN_MEMORY=1
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

WAY=${WAY:-push}
if ! lab_up; then
	skip 'windows' 'no sshd can be started here'
	finish
fi
if [ "$WAY" = push ]; then
	who=brent
	lab_site brent
	lab_site southwark
	lab_permit southwark brent "$B -r $WORK/southwark/repository store serve --allow put"
	REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
else
	who=southwark
	EVERY_TALK=1s lab_bridged
	sed -i 's/--allow put/--allow get --service files/' brent/ssh/authorized_keys
	REPLICATE='replicate = { to = [ "southwark" ]; pull = true; within = "1m"; };'
fi
FULL=8Mbit/s LOW=2Mbit/s MIDDLE=6Mbit/s # 1,000,000, 250,000 and 750,000 bytes a second
mkdir data && head -c "${LONG:+1}40000000" /dev/urandom >data/noise

# --- the next minute but for what it takes to begin
now=$(date +%s)
edge=$(((now + 25 + 59) / 60 * 60))
sleep $((edge - now - 25))
clock() { date -u -d "@$1" +%H:%M; }
LIMITS="{ during = \"$(clock $edge)-$(clock $((edge + 60))) UTC\"; rate = \"$LOW\"; },
  { during = \"$(clock $((edge + 60)))-$(clock $((edge + 120))) UTC\"; rate = \"$MIDDLE\"; }"
if [ -n "${LONG:-}" ]; then
	budgets="$edge:250000 $((edge + 60)):750000 $((edge + 120)):1000000 $((edge + 130)):0"
	last=$((edge + 130)) least=0.95
else
	budgets="$((edge - 8)):1000000 $edge:250000 $((edge + 10)):0"
	last=$((edge + 10)) least=0.5
fi
VIRGIN=$FULL BT=$FULL
(umask 077; { lab_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
up() { at $who links | grep -q 'virgin .* up '; }
wait_for 15 up
expect 0 'a backup' at brent run files --wait
lab_wait virgin 300000
at $who --json jobs | grep '"kind":"replicate"' | grep '"state":"running"' >.out
job=$(field job)
holds 'it is sent' test -n "$job"
now=$(date +%s)
echo "# $WAY: it began $((edge - now)) s before the edge"

# --- what it says of itself while the edges pass
while [ "$(date +%s)" -lt $((last + 1)) ]; do
	at $who --json job "$job" >.out
	sed -n 's/.*"carried":.*"bytes":\([0-9]*\),.*"heard":"\([^"]*\)".*/\2 \1/p' \
	    .out >>samples
	sleep 0.3
done
keep_lines .out
holds 'as much as the windows allow, and no more' python3 -SE \
    "$TOOLS/budget_judge.py" samples "$least" $budgets && cat .holds
for host in brent southwark; do
	daemon_stop $host
	is "$host ends cleanly" "$ended" 0
done
never_stumbled */log */state/jobs/*
finish
