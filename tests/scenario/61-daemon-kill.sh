#!/bin/sh
# kill -9 of the daemon's worker and of the daemon, at random moments: ROUNDS of
# each (3, or what make torture says).  After each the repository checks clean,
# no acknowledged snapshot is lost or changed, the next run succeeds, what was
# interrupted is reported so; at the end the ledger's chain verifies.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
ROUNDS=${ROUNDS:-3}

mkdir data
head -c 6000000 /dev/urandom >data/big
site_new brent || { not_ok 'a site'; finish; }
(umask 077; { shared_policy; service_policy files 1h 3h; } >shared.conf)
: >acknowledged # "snapshot what-was-in-it"
export BASCULE_KEY_FILE="$WORK/brent/key"
offline() { "$B" -r brent/repository "$@"; }

change() {
	echo "$1" >data/token
	head -c 25000000 /dev/urandom >data/new
}
acknowledge() { # the newest snapshot of the tree holds this
	offline --json snapshots | grep '"dataset":"tree"' | tail -n 1 |
	    sed "s/.*\"snapshot\":\"\([0-9a-f]*\)\".*/\1 $1/" >>acknowledged
}
state_of() { # job
	at brent --json jobs -n 500 | grep "\"job\":\"$1\"" |
	    grep -o '"state":"[a-z]*"' | tail -n 1 | cut -d'"' -f4
}
worker_of() {
	at brent --json jobs 2>/dev/null | grep '"state":"running"' |
	    grep -o '"pid":[0-9]*' | tail -n 1 | cut -d: -f2
}
a_moment() { sleep "0.$(printf %03d $(($(od -An -N2 -tu2 /dev/urandom) % ${1:-400})))"; }
is_over() { case $(state_of "$1") in '' | running | queued | waiting | retrying) false ;; esac; }
lost() { # acknowledged snapshots that are not there or not as they were
	while read -r snapshot token; do
		[ "$(offline cat "$snapshot" "$WORK/data/token" 2>&1)" = "$token" ] ||
		    echo "$snapshot ($token)"
	done <acknowledged
}
after() { # round
	expect 0 "$1: the next run succeeds" at brent run files --wait
	acknowledge "$2"
	expect 0 "$1: every byte is right" offline check --read
	is "$1: nothing acknowledged is lost" "$(lost)" ''
}
start_job() {
	rm -f started # the last one's answer is not this one's
	at brent --json run files --wait >started 2>&1 & # one attempt
	wait_for 20 grep -q '"job":"' started
	job=$(grep -o '"job":"[^"]*"' started | head -n 1 | cut -d'"' -f4)
	[ -n "$job" ] || not_ok "a job is started"
}
await_worker() {
	worker=
	for _ in $(seq 50); do
		worker=$(worker_of)
		[ -z "$worker" ] || break
	done
}

holds 'it starts' daemon_start brent || finish
change 0
expect 0 'a run' at brent run files --wait
acknowledge 0

# A round counts when it was in time to kill; some are always too late.
killed=0 i=0
while [ $killed -lt "$ROUNDS" ] && [ $i -lt $((4 * ROUNDS)) ]; do
	i=$((i + 1))
	change "w$i"
	start_job
	await_worker
	a_moment 150
	if [ -n "$worker" ] && kill -9 "$worker" 2>/dev/null; then
		killed=$((killed + 1))
	fi
	wait_for 60 is_over "$job"
	state=$(state_of "$job")
	case $state in
	succeeded) ok "worker $i: the job was done" ;;
	failed)
		at brent --json events --run "$job" >.out
		ok "worker $i: the job failed"; says 'interrupted: the worker was ended by signal 9' ;;
	*) not_ok "worker $i: its job is '$state'" ;;
	esac
	after "worker $i" "w$i"
done
echo "# $i rounds"
is "$ROUNDS workers were killed" $killed "$ROUNDS"

killed=0 unknown=0 i=0
while [ $killed -lt "$ROUNDS" ] && [ $i -lt $((4 * ROUNDS)) ]; do
	i=$((i + 1))
	change "d$i"
	start_job
	await_worker
	a_moment 150
	kill -0 "${worker:-0}" 2>/dev/null || worker=
	daemon_stop brent KILL
	[ -z "$worker" ] || {
		killed=$((killed + 1))
		gone() { ! kill -0 "$worker" 2>/dev/null; }
		wait_for 20 gone || not_ok "daemon $i: its worker lives on"
	}
	holds "daemon $i: it starts again" daemon_start brent || finish
	wait_for 60 is_over "$job"
	state=$(state_of "$job")
	case $state in
	succeeded) ok "daemon $i: the job was done" ;;
	unknown | interrupted | failed)
		unknown=$((unknown + 1))
		at brent --json jobs -n 500 | grep "\"job\":\"$job\"" >.out
		says interrupted ;;
	*) not_ok "daemon $i: its job is '$state'" ;;
	esac
	after "daemon $i" "d$i"
done
echo "# $i rounds, $unknown jobs were interrupted"
is "$ROUNDS daemons died with a worker running" $killed "$ROUNDS"

daemon_stop brent
is 'it ends cleanly' "$ended" 0
expect 0 'the ledger is exported' "$B" evidence export \
    --ledger brent/state/ledger.db -o pack
expect 0 '... and its chain verifies' "$B" evidence verify pack
expect 0 'every frame opens' offline check --open
is 'no session is left' "$(ls brent/repository/sessions brent/repository/tmp | grep -v :)" ''
finish
