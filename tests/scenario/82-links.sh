#!/bin/sh
# Two links in the laboratory: a transfer whose link breaks goes on over the
# other one and comes back later; budgets; with both down it waits; and the
# records say which link carried what.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

if ! lab_up; then
	skip 'links' 'no sshd can be started here'
	finish
fi
mkdir data && head -c 12000000 /dev/urandom >data/noise
lab_site brent
lab_site southwark
lab_permit southwark brent "$B -r $WORK/southwark/repository store serve --allow put"
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
VIRGIN=32Mbit/s BT=80Mbit/s # 4 and 10 MB/s
(umask 077; { lab_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'brent begins' lab_daemon brent || finish
both_up() { [ "$(at brent links | grep -c ' up ')" = 2 ]; }
wait_for 15 both_up
holds 'both links are up' both_up
at brent --json links >.out
says '"link":"virgin".*"budget_bytes_per_second":4000000' \
    '"link":"virgin".*"round_trip_ns":[1-9]'

# --- a link breaks under a transfer
expect 0 'a backup' at brent run files --wait
lab_wait virgin 2000000
at brent links >.out
says 'virgin .* 32Mbit/s  *files'
lab_mend bt
lab_reset virgin
wait_for 30 jobs_have brent '"kind":"replicate".*"state":"succeeded"'
holds 'it goes on over the other' \
    jobs_have brent '"kind":"replicate".*"state":"succeeded".*"attempt":1'
at brent --json jobs | grep '"kind":"replicate"' >.out
job=$(field job)
at brent --json job "$job" >.out
says '"carried":\[{"link":"virgin".*{"link":"bt"'
of_link() { # NAME: bytes it carried
	grep -o "\"link\":\"$1\",\"bytes\":[0-9]*" .out | cut -d: -f3 |
	    awk '{ n += $1 } END { print n + 0 }'
}
holds 'virgin carried some' test "$(of_link virgin)" -ge 1000000
holds 'bt the rest' test "$(of_link bt)" -ge 1000000
holds 'and little of it twice' \
    test $(($(of_link virgin) + $(of_link bt))) -le 14000000
expect 0 'the job says so' at brent job "$job"
says '^carried .* by virgin' '  by bt\|by bt, '
at brent --json events --type job >.out
says '"carried.bt"'
wait_for 10 sh -c "'$B' --socket brent/socket links | grep -q 'virgin .* down '"
expect 0 'its state is seen' at brent links
says 'virgin .* down .*' 'bt .* up '

# --- both
lab_reset bt
wait_for 10 sh -c "'$B' --socket brent/socket links | grep -q 'bt .* down '"
head -c 3000000 /dev/urandom >data/more
expect 0 'a backup without links' at brent run files --wait
wait_for 10 jobs_have brent '"state":"waiting"'
at brent --json jobs | grep '"state":"waiting"' >.out
says "'virgin' is down since" "'bt' is down since" \
    'MiB to send: about .* from when a link is up'
at brent --json status >.out
says '"link_up":false' '"pending_bytes":[1-9]' '"well_at"'
lab_mend bt
wait_for 20 jobs_have brent '"kind":"replicate".*"attempt":1.*"new_bytes":[3-9]'
is 'it goes on with the first that is up' \
    "$(at brent --json jobs | grep -c '"kind":"replicate".*"state":"succeeded".*"attempt":1')" 2
lab_mend virgin
wait_for 15 both_up
daemon_stop brent
is 'brent ends cleanly' "$ended" 0
never_stumbled */log */state/jobs/*
finish
