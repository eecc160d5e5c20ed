#!/bin/sh
# A move whose register is in etcd, with a member on each of three hosts: the swap
# comes first; a member lost changes nothing; without a quorum nothing moves, and
# what runs goes on; the move goes on when the quorum is back.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

if ! command -v etcd >/dev/null; then
	skip 'a move with etcd' 'no etcd is installed (etcd-server)'
	finish
fi
lab_apart 'a move with etcd'

. "$TOP/tests/support/etcdlab.sh"
holds 'three members answer' etcd_up || finish

EVERY_TALK=5s
move_sites
etcd_policies
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
holds 'brent is heard to be where it was' wait_for 20 at brent permit counter
holds 'and writes it down' wait_for 20 etcd_registered lewisham 'brent 1'
lab_on brent "$WORK/ctl" start
expect 0 'a point is made' at brent run counter --wait
wait_for 20 copied southwark
holds 'and copied' copied southwark

# --- there, and back with a member less ---------------------------------------------
go() { # FROM TO EPOCH
	run=$(move_request "$1" "$2" planned)
	expect 0 "from $1 to $2" move_start "$1" "$run" "$2"
	holds 'the plan has run there' phase_is "$2" "$run" RAN 60
	holds 'it runs there' runs_at "$2"
	fails '... and not where it was' runs_at "$1"
	is '... and etcd says so' "$(etcd_register "$2")" "$2 $3"
	nothing_lost "from $1 to $2"
	move_say "$2" commit "$run" "$2" >/dev/null
	holds 'committed' phase_is "$2" "$run" COMMITTED 20
}
go brent southwark 2
if [ -n "${EVERY:-}" ]; then
	holds 'protected again' phase_is southwark "$run" REPROTECTED 60
	etcd_end lewisham
	go southwark brent 3
	holds 'protected as before' phase_is brent "$run" REPROTECTED 60

	# --- no quorum ---------------------------------------------------------------
	etcd_end southwark
	holds 'a lost quorum is seen' wait_for 20 sh -c \
	    "'$B' --socket brent/socket alarms | grep -q 'no move can begin'"
	run=$(move_request brent southwark planned)
	move_start brent "$run" southwark >.out 2>.err
	fails 'without a quorum nothing moves' phase_is southwark "$run" TAKEN 8
	holds '... what runs goes on' runs_at brent
	expect 0 '... and may' at brent permit counter
	nothing_lost 'without a quorum'
	etcd_begin southwark
	remember "$(cat southwark/etcd.pid)"
	wait_for 20 etcd_registered southwark 'brent 3'
	is 'etcd has what it had' "$(etcd_register southwark)" 'brent 3'
	if ! has_phase southwark "$run" READY && ! has_phase brent "$run" STARTED; then
		expect 0 'it may start now' move_start brent "$run" southwark
	fi
	holds 'and goes on' phase_is southwark "$run" RAN 60
	holds 'it runs there' runs_at southwark
	is '... as etcd says' "$(etcd_register southwark)" 'southwark 4'
	nothing_lost 'after a quorum was lost'
fi

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
