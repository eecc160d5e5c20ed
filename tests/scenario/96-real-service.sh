#!/bin/sh
# A real service moves: PostgreSQL and a web application on it, under constant
# writes.  A test under load touches nothing; planned there and back no
# acknowledged write is lost.  EVERY=1: and protected again at home; then brent is
# cut off, and what is lost is what the point said, kept at brent, whose fence shuts
# the database down, and no more.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"
. "$TOP/tests/support/realservice.sh"

if ! real_find; then
	skip 'a real service' 'no PostgreSQL is installed'
	finish
fi
lab_apart 'a real service'
real_stop() {
	for site in brent southwark; do
		real_ctl $site end
	done 2>/dev/null
	scenario_end
}
trap real_stop EXIT
[ -z "${EVERY:-}" ] || EVERY_TALK=2s SILENT=8s
real_sites 'roles = ( { role = "approver"; users = [ "man", "mail" ]; council = "brent"; } );'
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
tested=$(at southwark --json exercise list | grep -o '"run":"[^"]*"' | head -n 1 | cut -d'"' -f4)
at southwark exercise show "$tested" >.out 2>&1
says 'PASS'
report_forms southwark "$tested"
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
	[ "$2" = brent ] && [ -z "${EVERY:-}" ] && return
	holds 'it is protected again' phase_is "$2" "$run" REPROTECTED 40
	report_knows "$2" "$run" $REPORT_MOVE last_write
}
move brent southwark
move southwark brent

# --- brent is cut off, and people there go on writing --------------------------------
lost_of() { comm -23 "$1" "$2" | wc -l; }
knows() { at "$1" --json points repairs | grep "$2" | grep -q '"complete":true'; }
unplanned() {
	touch shuts
	sort acks >acked.before
	expect 0 'one more point' at brent run repairs --wait
	sort acks >acked.after
	point=$(real_newest brent)
	holds 'which comes over' wait_for 40 knows southwark "$point"
	holds 'people go on writing' real_writing
	lab_cut virgin
	lab_cut bt
	holds 'brent falls silent' wait_for 40 sh -c \
	    "'$B' --socket southwark/socket status | grep -q 'IS SILENT'"
	run=$(at southwark failover request repairs --to southwark --mode unplanned \
	    --point "$point" --reason 'brent does not answer' --change C2 \
	    --accept-loss 'what was written since' 2>.err | head -n 1)
	expect 0 'somebody approves' as_person 6 southwark approve "$run" --yes
	says "point.*$point" # what the approver saw
	expect 0 'it starts' at southwark failover start "$run" --confirm southwark \
	    --override G02='it is silent' --override G06='a laboratory' \
	    --override G07='a laboratory' --override G08='a small laboratory' \
	    --override G09='nobody answers' --override G12='a laboratory'
	holds 'the evidence is frozen' phase_is southwark "$run" DECLARED 30
	expect 0 'one attests' as_person 6 southwark approve "$run" --attest 'power is off' --yes
	fails 'one person is not enough' phase_is southwark "$run" FENCED 2
	expect 0 'another one, too' as_person 8 southwark approve "$run" --attest 'power is off' --yes
	holds 'the plan has run' phase_is southwark "$run" RAN 60
	holds 'it runs at southwark' real_ctl southwark runs
	real_ctl southwark names | grep '^brent-\|^southwark-' | sort >had
	is 'all from before the point is there' "$(lost_of acked.before had)" 0
	sort acks >acked
	comm -23 acked acked.after >since
	is '... and nothing of brent from after it' "$(grep '^brent-' since | sort |
	    comm -12 - had | wc -l)" 0
	expect 0 'its owner accepts it' at southwark failover commit "$run" --confirm southwark
	holds 'committed' phase_is southwark "$run" COMMITTED 20
}
returns() {
	daemon_stop brent KILL
	holds 'brent begins again' lab_daemon brent
	expect 11 'and is quarantined' at brent permit repairs
	says quarantined
	lab_mend virgin
	lab_mend bt
	holds 'it fences itself' phase_is brent "$run" STOPPED 60
	holds '... really' real_ctl brent is-stopped
	expect 11 '... and may not start' at brent permit repairs
	holds 'what it wrote is kept' phase_is brent "$run" DIVERGENCE 60
	real_lost southwark >.holds
	holds 'something was written there after the point' test -s lost
	is 'the database was opened for that, and shut again' \
	    "$(tr '\n' ' ' <brent/here/hooks)" 'open close '
	holds '... really' real_ctl brent is-shut
	kept=$(at brent events --type failover --run "$run" | grep ' event=DIVERGENCE ' |
	    grep -o ' point=[0-9a-f]*' | head -n 1 | cut -d= -f2)
	expect 0 'the photographs of it' at brent restore "repairs/photos@$kept" --to "$WORK/brent/kept"
	expect 0 '... and the rows' at brent restore "repairs/database@$kept" --to "$WORK/brent/kept.db"
	(cd brent/kept && find . -name '*.jpg') | sed 's|.*/||; s/\.jpg$//' | sort >kept.photos
	"$real_pg/pg_restore" -a -f - "$(find brent/kept.db -type f | head -n 1)" | sort >kept.rows
	is '... have each that is lost' "$(lost_of lost kept.photos) $(lost_of lost kept.rows)" '0 0'
	sort -u lost given-up >given-up.new && mv given-up.new given-up
	there southwark
	expect 0 'the owner lets it be overwritten' at southwark failover reprotect "$run" --confirm southwark
	holds 'it is protected again' phase_is southwark "$run" REPROTECTED 60
}
if [ -n "${EVERY:-}" ]; then
	unplanned
	returns
	move southwark brent
fi

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
