#!/bin/sh
# Copies that are fetched: the site that has the service can send nothing, the
# copy's site asks when the other's ledger has a newer point, within the link's
# budget, and goes on over the other link when one breaks.  Both ledgers have the
# receiver's signed word in the end.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

if ! lab_up; then
	skip 'fetching' 'no sshd can be started here'
	finish
fi
mkdir data && head -c 12000000 /dev/urandom >data/noise
ssh-keygen -q -t ed25519 -N '' -f id_bridge
EXTRA="bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"20s\"; };"
lab_site brent "$EXTRA"
lab_site southwark "$EXTRA"
for host in brent southwark; do
	printf 'command="%s --socket %s bridge",restrict %s\n' "$B" \
	    "$WORK/$host/socket" "$(cat id_bridge.pub)" >>"$host/ssh/authorized_keys"
done
# Brent's key opens nothing at southwark.
lab_permit brent southwark "$B -r $WORK/brent/repository store serve --allow get --service files"
REPLICATE='replicate = { to = [ "southwark" ]; pull = true; within = "1m"; };'
VIRGIN=32Mbit/s BT=80Mbit/s # 4 and 10 MB/s
(umask 077; { lab_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
both_up() { [ "$(at southwark links | grep -c ' up ')" = 2 ]; }
wait_for 15 both_up
holds 'both links are up' both_up

expect 0 'a backup at brent' at brent run files --wait
lab_wait virgin 4000000
at southwark links >.out
says 'virgin .* 32Mbit/s  *files'
lab_reset virgin
fetched() { jobs_have southwark '"kind":"replicate".*"state":"succeeded".*"new_bytes":[1-9]'; }
wait_for 30 fetched
holds 'southwark fetches it' fetched
at southwark --json jobs | grep '"new_bytes":[1-9]' | head -n 1 >.out
job=$(field job)
at southwark job "$job" --log >.log
says_confined() { grep -q "confined in: files (Landlock)\|confined in: system calls\|confined in: nothing" .log; }
holds 'whoever fetches is confined' says_confined
at southwark --json job "$job" >.out
says '"carried":\[{"link":"virgin".*{"link":"bt"'
carried=$(grep -o '"link":"[a-z]*","bytes":[0-9]*' .out | cut -d: -f3 | awk '{ n += $1 } END { print n + 0 }')
holds 'all of it went over the links' test "$carried" -ge 12000000
holds 'and little of it twice' test "$carried" -le 14500000
# bytes a second that the first leg had, from its record
at southwark --json events --type link | grep '"name":"bytes","value":"[0-9]\{7\}' | head -n 1 >.out
says '"name":"from_site","value":"brent"},{"name":"to_site","value":"southwark"'
rate=$(awk '{ match($0, /"bytes","value":"[0-9]+/); b = substr($0, RSTART, RLENGTH)
	match($0, /"from_ns","value":"[0-9]+/); f = substr($0, RSTART, RLENGTH)
	match($0, /"until_ns","value":"[0-9]+/); u = substr($0, RSTART, RLENGTH)
	gsub(/[^0-9]/, "", b); gsub(/[^0-9]/, "", f); gsub(/[^0-9]/, "", u)
	printf "%d", b / ((u - f) / 1e9) }' .out)
holds "within its budget ($rate bytes a second)" test "$rate" -le 4200000
holds 'and as a part of it' test "$rate" -ge 1000000

there() { at brent points files | grep -q 'brent southwark\|southwark brent'; }
wait_for 20 there
holds 'brent knows that its point is there' there
at brent --json events --type point | grep '"replicated_site","value":"southwark"' >.out
says '"acknowledgement"'
expect 0 'southwark has it whole' "$B" -r "$WORK/southwark/repository" check --read
at brent --json jobs >.out
fails 'brent sent nothing' grep '"kind":"replicate"' .out
expect 2 'and is told who does' at brent run files --kind replicate
says 'fetched by their sites'
head -c 100000 /dev/urandom >data/more
expect 0 'one more' at brent run files --wait
two() { [ "$(at brent points files | grep -c 'brent southwark\|southwark brent')" = 2 ]; }
wait_for 20 two
holds 'is fetched as well' two

# --- another rate while it fetches: at the first it would take two minutes
budgets() { # VIRGIN'S BT'S
	VIRGIN=$1 BT=$2
	(umask 077; { lab_policy; service_policy files "$RARELY"; } >shared.conf)
	kill -HUP "$(cat southwark/pid)"
}
lab_mend virgin
budgets 800kbit/s 400kbit/s
slow() { at southwark links | grep -q 'virgin .* up .* 800kbit/s'; }
wait_for 15 slow
holds 'another budget is in force' slow
head -c 12000000 /dev/urandom >data/noise
expect 0 'much more' at brent run files --wait
lab_wait virgin 100000
at southwark --json jobs | grep '"state":"running"' >.out
says '"kind":"replicate"'
job=$(field job)
budgets 160Mbit/s 80Mbit/s
all() { [ "$(at brent points files | grep -c 'brent southwark\|southwark brent')" = 3 ]; }
wait_for 30 all
holds 'the new rate counts for what is under way' all
at southwark --json job "$job" >.out
says '"state":"succeeded"' '"attempt":1[,}]'
is 'in one leg' "$(grep -o '"carried":.*' .out | grep -o '"link"' | wc -l)" 1
for host in brent southwark; do
	daemon_stop $host
	is "$host ends cleanly" "$ended" 0
done
never_stumbled */log */state/jobs/*
finish
