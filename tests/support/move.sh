# A service that is moved, for scenarios; source it after daemon.sh, with a
# laboratory in namespaces.  Each host sees its own $WORK/HOST/here at $WORK/here.
#
#	move_sites		policies, keys, both daemons may be started
#	ctl VERB		of the service at the host where it is called
#	runs_at HOST		does a writer run there?
#	nothing_lost WHAT	every acknowledged number is in the live data
#	move_request FROM TO MODE	asked at FROM; the run's id
#	move_start AT RUN TO	move_say AT WORD RUN SITE
#	phase_is AT RUN PHASE SECONDS
#	REPORT_RUN REPORT_DECIDED REPORT_MOVE	what a move's report knows (report.sh)
. "$TOP/tests/support/people.sh"
. "$TOP/tests/support/report.sh"

move_app() {
	cat >"$WORK/app.py" <<'END2'
# Appends the next number to data/log, makes it durable, then acknowledges it.
import fcntl, os, sys, time

here, acks = sys.argv[1:3]
log = os.path.join(here, "data/log")
with open(os.path.join(here, "lock"), "a") as lock:
    while True:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(here, "paused")):
            with open(log, "a+") as f:
                f.seek(max(0, f.tell() - 20))
                last = f.read().split()
                n = int(last[-1]) + 1 if last else 1
                f.write("%d\n" % n)
                f.flush()
                os.fsync(f.fileno())
            with open(acks, "a") as f:
                f.write("%d %s\n" % (n, os.uname().nodename))
        fcntl.flock(lock, fcntl.LOCK_UN)
        time.sleep(0.02)
END2
	cat >"$WORK/ctl" <<END2
#!/bin/sh
# start, stop, is-stopped, unfence, pause, resume: at the host where it is called.
cd "$WORK/here" || exit 3
# A service whose fence shuts its data away, if there is a file "shuts": as a database
# that is stopped.  A capture opens it, and shuts it again.
shut() { [ ! -e shuts ] || [ ! -d data ] || mv data shut; }
running() { [ -s pid ] && kill -0 "\$(cat pid)" 2>/dev/null; }
case \$1 in
let-start) rm -f fenced; exec "\$0" start ;;
start)
	[ ! -e fenced ] || exit 1
	running && exit 0
	"$B" --socket "$WORK/\$(hostname)/socket" permit counter || exit
	mkdir -p data
	rm -f paused pid
	# Whoever starts it may be killed at any moment: it says itself who it is.
	setsid sh -c 'echo \$\$ >pid; exec python3 "\$@"' sh \
	    "$WORK/app.py" "$WORK/here" "$WORK/acks" </dev/null >/dev/null 2>&1 &
	until [ -s pid ]; do sleep 0.01; done ;;
stop)
	touch fenced
	running && kill -9 "\$(cat pid)"
	rm -f pid
	shut ;;
open)
	echo open >>hooks
	[ -d data ] || mv shut data ;;
close)
	echo close >>hooks
	shut ;;
is-stopped) [ -e fenced ] && ! running ;;
unfence) rm -f fenced ;;
pause) flock lock touch paused ;;
resume)
	rm -f paused
	running || exec "\$0" start ;;
esac
END2
	chmod +x "$WORK/ctl"
}

move_service() { # [MORE]
	cat <<END2
service = {
  name = "counter"; title = "A counter"; owner = "brent"; tier = 1;
  home = "brent"; standby = "southwark"; rpo = "1h"; rto = "4h";
  live_root = "$WORK/here";
  datasets = ( { name = "data"; tree = "$WORK/here/data";
      count = [ "sh", "-c", "cat $WORK/here/data/log 2>/dev/null | wc -l" ]; } );
  quiesce = { before = [ "$WORK/ctl", "pause" ]; after = [ "$WORK/ctl", "resume" ]; timeout = "20s"; };
  backup = { every = "30m"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; ${PULL:+pull = true;} };
  plan = ( { step = "data"; restore = "data"; to = "\${sandbox}/data"; },
    { step = "start"; after = [ "data" ]; run = [ "$WORK/ctl", "let-start" ]; undo = [ "$WORK/ctl", "stop" ];
      modes = [ "planned", "unplanned" ]; },
    { step = "runs"; after = [ "start" ]; check = { command = [ "sh", "-c", "! $WORK/ctl is-stopped" ]; };
      modes = [ "planned", "unplanned" ]; } );
  fence = ( { run = [ "$WORK/ctl", "stop" ]; prove = [ "$WORK/ctl", "is-stopped" ];
      ${NO_UNDO:+# }undo = [ "$WORK/ctl", "unfence" ];
      timeout = "${FENCE_TIMEOUT:-20s}"; },
    { attest = "The machine is off"; people = 2; } );
  approvals = { planned = 0; unplanned = 1; };
  failover = { patience = "${PATIENCE:-1m}"; cooldown = "0s"; hold_down = "2s"; min_proof = "L0";
    commit_reminder = "${REMINDER:-1h}"; };
  ${1:-}
};
END2
}

move_sites() {
	move_app
	: >"$WORK/acks"
	lab_bridged "${ALERTS:-}
	    roles = ( { role = \"approver\"; users = [ \"man\", \"mail\" ]; council = \"brent\"; } );"
	mkdir -p "$WORK/brent/here/data" "$WORK/southwark/here/data"
	(umask 077; { lab_policy; move_service "$@"; } >"$WORK/shared.conf")
}

copied() { at $1 --json points counter | grep -q '"type":"point"'; }
runs_at() { lab_on "$1" sh -c "[ -s $WORK/here/pid ] && kill -0 \$(cat $WORK/here/pid)"; }

# Who wrote last has all that was acknowledged, each number once, in order.
nothing_lost() {
	move_last=$(tail -n 1 "$WORK/acks") # once: another site may write on
	move_site=${move_last#* } move_acked=${move_last% *}
	is "$1: every acknowledged write is at $move_site" "$(head -n "$move_acked" \
	    "$WORK/$move_site/here/data/log" | cksum)" "$(seq "$move_acked" | cksum)"
}

move_request() { # FROM TO MODE [OPTION...]
	move_at=$1 move_to=$2 move_mode=$3; shift 3
	at "$move_at" failover request counter --to "$move_to" --mode "$move_mode" \
	    --reason "a test" --change C1 "$@" 2>"$WORK/.err" | head -n 1
}
move_start() { # AT RUN TO [OPTION...]
	move_at=$1 move_run=$2 move_to=$3; shift 3
	at "$move_at" failover start "$move_run" --confirm "$move_to" \
	    --override G08="a small laboratory" "$@"
}
move_say() { at "$1" failover "$2" "$3" --confirm "$4"; }
# People: accounts that every Debian has; 6 and 8 may approve.
as_person() { # UID AT COMMAND...
	move_uid=$1 move_at=$2; shift 2
	chmod 711 "$WORK" "$WORK/$move_at"
	chmod 666 "$WORK/$move_at/socket"
	person_at "$move_at" "$move_uid" "$@"
}
has_phase() { at "$1" events --type failover --run "$2" | grep -q " event=$3 "; }
phase_is() { wait_for "$4" has_phase "$1" "$2" "$3"; has_phase "$1" "$2" "$3"; }
# Of any run; of one that people decided; of one that stayed where it went.
REPORT_RUN='run state direction councils change range head purpose criteria scope
    exclusions simulated trigger why requester role approvals separation break_glass
    freeze_override director operators precondition capacity dns_ttl clock_offset
    escrow_drill exception known_issue point point_at point_age point_why consistency
    point_tags point_proof point_sites integrity loss accepted_loss divergence
    authority_before authority_after epoch fence witness overrides split_brain pinned
    decision production_impact deviation comparison limitation next_due rta_technical'
REPORT_DECIDED="$REPORT_RUN notified accepted control signed_off_by"
REPORT_MOVE="$REPORT_DECIDED reprotected unprotected failback rta_declared outage exposure"

# Both daemons, and a first point of the service, which runs at brent.
moves_begin() {
	holds 'brent begins' lab_daemon brent || finish
	holds 'southwark begins' lab_daemon southwark || finish
	holds 'brent is heard to be where it was' wait_for 20 at brent permit counter
	lab_on brent "$WORK/ctl" start
	expect 0 'a point is made' at brent run counter --wait
}
