#!/bin/sh
# many.sh: how a daemon answers that has many services.
#
#	SERVICES=500 sh tests/bench/many.sh
#
# Two sites with so many services of four steps each, nine of ten depending on the
# one before, each site with the other's records.  For each command its time, and
# meanwhile how long another client's `ping` took at most: a loop that stands
# shows there.  Last what the daemon itself said of turns that took long.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/pair.sh"
SERVICES=${SERVICES:-500}

mkdir data && echo one >data/a
pair_sshd many
EXTRA="roles = ( { role = \"approver\"; users = [ \"man\" ]; council = \"brent\"; } );
bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"60s\"; };"
pair_sites 's|council = "southwark"|council = "brent"|'
policy() {
	shared_policy >shared.conf
	mkdir services
	for i in $(seq "$SERVICES"); do
		depends=
		[ $((i % 10)) = 1 ] || depends="depends = [ \"s$((i - 1))\" ];"
		cat >services/s$i.conf <<END
service = {
  name = "s$i"; title = "Service $i"; owner = "brent"; tier = $((i % 4 + 1)); home = "brent"; standby = "southwark";
  rpo = "24h"; rto = "4h"; $depends
  datasets = ( { name = "tree"; tree = "$WORK/data"; } );
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  approvals = { planned = 1; unplanned = 2; };
  live_root = "$WORK/live";
  plan = ( { step = "tree"; restore = "tree"; },
    { step = "start"; run = [ "true" ]; undo = [ "true" ]; modes = [ "planned", "unplanned" ]; after = [ "tree" ]; },
    { step = "there"; check = { command = [ "true" ]; }; after = [ "start" ]; },
    { step = "answers"; check = { tcp = "127.0.0.1:1"; }; after = [ "start" ]; } );
};
END
	done
}
(umask 077; policy)
sed -i 's|shared.conf" |shared.conf", "../services" |' brent/bascule.conf southwark/bascule.conf
chmod 711 "$WORK" brent

ms() { date +%s%3N; }
# timed NAME COMMAND...: its time, and the longest that another waited meanwhile
timed() {
	what=$1; shift
	rm -f stop waits
	python3 - "$WORK/brent/socket" "$WORK/stop" "$WORK/waits" >waited <<'END' &
import json, os, socket, sys, time
worst, turns = 0, 0
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile()
while not os.path.exists(sys.argv[2]):
    t = time.monotonic()
    s.sendall(b'{"cmd":"ping"}\n')
    while '"last":true' not in f.readline(): pass
    worst = max(worst, time.monotonic() - t); turns += 1
    if turns == 1: open(sys.argv[3], "w").close(); worst = 0
    time.sleep(0.002)
print(int(worst * 1000), turns)
END
	other=$!
	wait_for 10 test -f waits
	from=$(ms)
	"$@" >"$WORK/.out" 2>"$WORK/.err"
	code=$?
	took=$(($(ms) - from))
	touch stop
	wait $other
	set -- $(cat waited)
	printf '%-28s %6d ms   another waited at most %5d ms   (exit %d)\n' "$what" "$took" "$1" "$code"
}
from=$(ms)
"$B" policy check brent/bascule.conf >.out 2>&1; code=$?
printf "%-28s %6d ms   (exit %d)\n" "policy check" $(($(ms) - from)) $code
tail -n 3 .out
from=$(ms)
daemon_start brent || finish
printf '%-28s %6d ms\n' 'start' $(($(ms) - from))
daemon_start southwark || finish
from=$(ms)
heard() { at brent --json readiness "s$SERVICES" | grep -q '"check":"key".*"source":"record of southwark","at"'; }
wait_for 60 heard || { echo 'not ok southwark is not heard'; exit 1; }
printf '%-28s %6d ms\n' "southwark's records are here" $(($(ms) - from))
chmod 666 brent/socket
timed status at brent status
timed services at brent services
timed 'failover plan --all' at brent failover plan --all --to southwark
timed 'failover plan --json' at brent --json failover plan --all --to southwark
timed 'request' at brent failover request --all --to southwark --reason x
cat .err | head -3
run=$(head -n 1 .out)
timed 'show' at brent failover show "$run"
HOME=/ timed 'approve' setpriv --reuid 6 --regid 6 --clear-groups "$B" --socket brent/socket approve "$run"
head -3 .err
timed 'start, dry' at brent failover start "$run" --confirm southwark --dry-run
head -1 .err
timed 'abort, dry' at brent failover abort "$run" --dry-run
timed 'abort' at brent failover abort "$run"
head -1 .out
timed readiness at brent readiness
timed 'readiness --measure' at brent readiness --measure
timed 'ladder' at brent report ladder

# fifty people who ask at once
fifty() {
	pids=
	for i in $(seq 50); do
		at brent status >/dev/null 2>&1 &
		pids="$pids $!"
	done
	wait $pids
}
timed 'status, 50 at once' fifty
again() {
	was=$(at brent --json events --type policy | grep -c '"loaded"')
	kill -HUP "$(cat brent/pid)"
	while [ "$(at brent --json events --type policy | grep -c '"loaded"')" = "$was" ]; do :; done
}
timed 'reload' again
daemon_stop southwark
daemon_stop brent
from=$(ms)
daemon_start brent || finish
printf '%-28s %6d ms\n' 'start, with its ledger' $(($(ms) - from))

grep -h 'nobody was answered' brent/log southwark/log | sed 's/^[^ ]* basculed: //'
[ -z "${KEEP:-}" ] || sleep "$KEEP"
finished=1
