#!/bin/sh
# kill -9 of workers and of the daemon: nothing acknowledged is lost, what was
# interrupted is said, and the next run succeeds.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data && echo one >data/a
site_new brent
(umask 077; { shared_policy; service_policy files 3s 5m; } >shared.conf)
worker_of() {
	at brent --json jobs 2>/dev/null | grep '"state":"running"' |
	    grep -o '"pid":[0-9]*' | tail -n 1 | cut -d: -f2
}
running() { [ -n "$(worker_of)" ]; }

mkfifo hold # the dump waits here
holds 'it starts' daemon_start brent || finish
wait_for 20 running
worker=$(worker_of)
job=$(at brent --json jobs | grep '"state":"running"' | tail -n 1 |
    grep -o '"job":"[^"]*"' | cut -d'"' -f4)
wait_for 10 pgrep -f "cat $WORK/hold"
dump=$(pgrep -f "cat $WORK/hold" | tr '\n' ' ')
kill -9 "$worker"
wait_for 20 jobs_have brent "\"job\":\"$job\".*\"attempt\":2"
holds 'a scheduled job whose worker dies is tried again' \
    jobs_have brent "\"job\":\"$job\".*\"attempt\":2"
at brent --json events --run "$job" >.out
says 'interrupted: the worker was ended by signal 9'
holds 'it had started a dump' [ -n "$dump" ]
fails 'which is gone, too' ps -o pid= -p "$(echo $dump | tr ' ' ,)"
rm hold # a dump that is waiting goes on waiting: kill that attempt, too
kill -9 "$(worker_of)" 2>/dev/null
wait_for 30 jobs_have brent "\"job\":\"$job\".*\"state\":\"succeeded\""
holds 'and succeeds' jobs_have brent "\"job\":\"$job\".*\"state\":\"succeeded\""

# The daemon dies with a job in flight.
mkfifo hold
wait_for 20 running
worker=$(worker_of)
job=$(at brent --json jobs | grep '"state":"running"' | tail -n 1 |
    grep -o '"job":"[^"]*"' | cut -d'"' -f4)
daemon_stop brent KILL
"$B" evidence export --ledger brent/state/ledger.db -o heads >.out
says '[1-9][0-9]* heads'
gone() { ! kill -0 "$worker" 2>/dev/null; }
wait_for 20 gone
holds 'the worker dies with its daemon' gone
rm hold
holds 'it starts' daemon_start brent || finish
at brent --json jobs >.out
grep "\"job\":\"$job\"" .out >one && mv one .out
is 'the job is unknown' "$(field state)" unknown
says 'interrupted' 'no recovery point came of it'
expect 0 'the next run succeeds' at brent run files --wait

# ... again and again, at moments of its own choosing
acknowledged=$(at brent --json points files | grep -c '"type":"point"')
i=0
while [ $i -lt 8 ]; do
	at brent run files >/dev/null 2>&1
	sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) % 9 + 1))
	daemon_stop brent KILL
	daemon_start brent || not_ok "start after kill $i: $(tail -1 brent/log)"
	i=$((i + 1))
done
ok 'eight kills at random moments'
expect 0 'then a run succeeds' at brent run files --wait
points=$(at brent --json points files | grep -c '"type":"point"')
holds 'no acknowledged point is lost' [ "$points" -gt "$acknowledged" ]
here=$(find brent/repository/points/files -type f | wc -l)
holds 'and the ledger knows all that are there' [ "$points" -ge "$here" ]
fails 'no intent is left open' sh -c \
    "'$B' --socket brent/socket --json jobs -n 500 | grep -v '\"ended\"' | grep '\"state\":\"running\"' | grep -v '\"pid\"'"
daemon_stop brent
is 'it ends cleanly' "$ended" 0
expect 0 'the repository is whole' env BASCULE_KEY_FILE=brent/key \
    "$B" -r brent/repository check --read
if "$B" evidence export --help >/dev/null 2>&1; then
	expect 0 'the ledger is exported' "$B" evidence export \
	    --ledger brent/state/ledger.db -o pack
	expect 0 'and its chain verifies' "$B" evidence verify pack
fi
finish
