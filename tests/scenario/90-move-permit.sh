#!/bin/sh
# A service's own unit (ExecStartPre=bascule permit; Restart=always) amid the plan
# that restores its data: it starts when they are whole, and not before.  A plan that
# people stopped goes on, and what they said of its steps is on record.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'moves'
move_sites
# A step before the restore, which fails until there is a file "room".
room="{ step = \"room\"; run = [ \"test\", \"-e\", \"$WORK/room\" ]; undo = \"none\"; modes = [ \"planned\", \"unplanned\" ]; }"
sed -i "s|plan = ( { step = \"data\"; |plan = ( $room, { step = \"data\"; after = [ \"room\" ]; |" "$WORK/shared.conf"
mkdir brent/here/data/many
(cd brent/here/data/many && seq 12000 | split -l 1 -a 5 -d - m)
moves_begin
wait_for 20 copied southwark

below() { # PID: it and all that it has begun
	echo "$1"
	for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do below "$child"; done
}
unit() { lab_on southwark "$WORK/ctl" start; }
typed_is() { at southwark status | grep -qF "      type: $1"; }
refused() { at southwark permit counter 2>&1 | grep -q "$1"; }

# --- before the restore
run=$(move_request brent southwark planned)
expect 0 'a move' move_start brent "$run" southwark
holds 'its first step fails' wait_for 40 typed_is "bascule failover answer $run room retry"
expect 11 'the unit may not start it' at southwark permit counter
says "run $run brings it up here and has not restored all of its data: step 'data' is to come; the run's own plan starts it after that" \
    "hint: how far it is, .* bascule failover show $run"
fails '... and does not' unit
expect 0 'what the worker is at is told' at southwark jobs
says "  move plan  *counter  *waiting"
at southwark job "$(sed -n 's/^\([^ ]*\)  *move plan .*/\1/p' .out)" >.out
says '^act  *plan' '^at  *room: '
expect 13 'started again' move_start brent "$run" southwark
says 'the run was started already and has come to PROVISIONAL' 'hint: .*southwark'
expect 0 'somebody stops the plan' at southwark failover answer "$run" room abort
holds 'it is to be tried again' wait_for 20 typed_is "bascule failover retry $run"
expect 11 '... and the data are still to come' at southwark permit counter
says "step 'data' is to come"
fails '... to the unit as well' unit

# --- amid the restore
: >room
expect 0 'there is room now' at southwark failover retry "$run"
holds 'the step that failed is asked about' wait_for 20 typed_is "bascule failover answer $run room retry"
# Who stops the worker and its children is there before they go on, and begins no
# program then.
workers=$(below "$(cat southwark/pid)" | tail -n +2)
stop_amid() {
	until [ -e southwark/here/data/many ]; do :; done
	for w in $workers; do
		for list in "/proc/$w/task/"*/children; do
			begun=
			read -r begun <"$list"
			kill -STOP $begun
		done
	done
	kill -STOP $workers
	: >stopped
}
stop_amid 2>/dev/null &
remember $!
expect 0 'somebody looks, and skips it' at southwark failover answer "$run" room skip --reason 'there is room'
said() { at southwark events --type step --run "$run" | grep -q "step $1 .*$2"; }
wait_for 20 test -e stopped
kill -STOP $(below "$(cat southwark/pid)" | tail -n +2)
holds 'what was said is on record' said skipped 'there is room'
holds 'it stands amid the restore' test "$(find southwark/here/data/many | wc -l)" -lt 12001
expect 11 'the unit may not start it' at southwark permit counter
says "step 'data' has begun and not ended"
fails '... and does not' unit

# --- a reboot there
kill -KILL $(below "$(cat southwark/pid)")
holds "the machine's daemon begins" lab_daemon southwark
(while [ ! -e enough ]; do unit; sleep 0.02; done) >/dev/null 2>&1 &
remember $!
holds 'quarantine is over' wait_for 20 refused "step 'data' "
holds 'the plan has run' phase_is southwark "$run" RAN 60
: >enough
holds 'it runs at southwark' runs_at southwark
holds '... and takes writes' wait_for 20 sh -c 'tail -n 1 acks | grep -q southwark'
is 'all of it is there' "$(ls southwark/here/data/many | wc -l)" 12000
nothing_lost 'a reboot amid the plan'
expect 0 'the unit may start it now' at southwark permit counter

daemon_stop southwark
daemon_stop brent
never_stumbled ./*/log ./*/state/jobs/*
finish
