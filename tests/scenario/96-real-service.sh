#!/bin/sh
# A real service moves: PostgreSQL and a web application on it, under constant
# writes.  A test under load touches nothing; planned there and back no
# acknowledged write is lost.  EVERY=1: and protected again at home.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/realservice.sh"

if ! real_find; then
	skip 'a real service' 'no PostgreSQL is installed'
	finish
fi
if [ "$LAB" != namespaces ] || ! lab_up; then
	skip 'a real service' 'hosts of their own need root'
	finish
fi
real_stop() {
	for site in brent southwark; do
		real_ctl $site stop
	done 2>/dev/null
	scenario_end
}
trap real_stop EXIT
real_sites
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
holds 'the service runs at brent, and people write to it' real_begin || finish
expect 0 'a point of both datasets' at brent run repairs --wait
copied() { at $1 --json points repairs | grep -q '"complete":true'; }
wait_for 20 copied southwark
holds 'and it is at southwark' copied southwark

# --- an isolated test, while people write ---------------------------------------
tested() { at southwark --json exercise list | sed -n 1p | grep -q "\"result\":\"$1"; }
real_before=$(wc -l <acks)
expect 0 'a test at southwark' at southwark exercise start repairs --mode test --wait
at southwark exercise show "$(at southwark --json exercise list |
    grep -o '"run":"[^"]*"' | head -n 1 | cut -d'"' -f4)" >.out 2>&1
says 'PASS'
is 'production was written to all the while' \
    "$([ "$(wc -l <acks)" -gt "$real_before" ] && echo yes)" yes
is 'nothing of it is left' "$(ls southwark/sandbox 2>/dev/null | wc -l)" 0
is 'nothing runs at southwark' "$(real_count southwark)" ''
is 'and nothing is lost' "$(real_lost brent)" ''

# --- planned, and back ------------------------------------------------------------
request() { # FROM TO MODE: at FROM; the run's id
	at "$1" failover request repairs --to "$2" --mode "$3" --reason 'a rehearsal' \
	    --change C1 2>.err | head -n 1
}
start() { # AT RUN TO
	at "$1" failover start "$2" --confirm "$3" --override G08='a small laboratory'
}
has_phase() { at "$1" events --type failover --run "$2" | grep -q " event=$3 "; }
phase_is() { wait_for "$4" has_phase "$1" "$2" "$3"; has_phase "$1" "$2" "$3"; }
there() { # HOST: it runs there, and nowhere else, and nothing is lost
	holds "it runs at $1" real_ctl "$1" runs
	for host in brent southwark; do
		[ "$host" = "$1" ] || holds "... and not at $host" real_ctl "$host" is-stopped
	done
	holds '... people write to it' real_writing
	is '... and no acknowledged write is lost' "$(real_lost "$1")" ''
}
move() { # FROM TO
	run=$(request "$1" "$2" planned)
	expect 0 "from $1 to $2, planned" start "$1" "$run" "$2"
	holds 'the plan has run there' phase_is "$2" "$run" RAN 40
	there "$2"
	expect 0 'its owner accepts it' at "$2" failover commit "$run" --confirm "$2"
	[ "$2" = brent ] && [ -z "${EVERY:-}" ] ||
	    holds 'it is protected again' phase_is "$2" "$run" REPROTECTED 40
}
move brent southwark
move southwark brent

for site in brent southwark; do
	daemon_stop $site
done
is 'they never stumbled' "$(cat ./*/log ./*/state/jobs/* |
    grep -c 'AddressSanitizer\|runtime error\|bug:')" 0
finish
