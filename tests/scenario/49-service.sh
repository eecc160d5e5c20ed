#!/bin/sh
# A service of systemd: what it is told of readiness, reloads, life and the end;
# units that systemd has nothing to say against, installed with the paths of
# this installation.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

# What comes to the service manager's socket, a line each.
cat >manager.py <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listens", flush=True)
while True:
    print(s.recv(4096).decode(), flush=True)
EOF
python3 manager.py "$WORK/notify" >told &
remember $!
wait_for 10 grep -q listens told
told() { # WORD TIMES
	[ "$(grep -c "^$1$" told)" -ge "$2" ]
}

mkdir data && echo one >data/a
site_new brent
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)
export NOTIFY_SOCKET="$WORK/notify"
holds 'it starts' daemon_start brent || finish
unset NOTIFY_SOCKET
holds 'it is ready, and says so' wait_for 10 told READY=1 1
holds 'it shows that it lives' wait_for 20 told WATCHDOG=1 2
kill -HUP "$(cat brent/pid)"
holds 'a reload has a beginning' wait_for 10 told RELOADING=1 1
holds '... and an end' wait_for 10 told READY=1 2
kill -STOP "$(cat brent/pid)"
sleep 1 # what it said before is told
before=$(grep -c WATCHDOG told)
sleep 3 # a tick and a half
is 'one that hangs shows nothing' "$(grep -c WATCHDOG told)" "$before"
kill -CONT "$(cat brent/pid)"
daemon_stop brent
is 'it ends in order' "$ended" 0
holds '... and says when that begins' wait_for 10 told STOPPING=1 1

expect 0 'an installation' make -s -C "$TOP" install DESTDIR="$WORK/root" PREFIX=/usr/local
units=root/usr/local/lib/systemd/system
is 'has its units' "$(ls $units | tr '\n' ' ')" 'bascule-restore@.service basculed.service '
is '... with its paths' "$(cat $units/* | grep -c '^Exec.*=/usr/local/s*bin/basculed* ')" 3
is '... and no other' "$(grep -c @.*BINDIR@ $units/*.service | grep -cv ':0')" 0
if command -v systemd-analyze >/dev/null; then
	# It looks for what the unit starts: the paths of here, then.
	sed -i "s,=/usr/local/,=$WORK/root/usr/local/," $units/*.service
	cp "$units/bascule-restore@.service" "$units/bascule-restore@one.service"
	expect 0 'systemd has nothing against them' systemd-analyze verify \
	    --man=no --recursive-errors=no \
	    "$WORK/$units/basculed.service" "$WORK/$units/bascule-restore@one.service"
	is '... not a word' "$(grep -c 'bascule' .err)" 0
else
	skip 'systemd has nothing against them' 'no systemd-analyze'
fi
finish
