#!/bin/sh
# A move whose register is in etcd, with a member on each of three hosts: the swap
# comes first; a member lost changes nothing; without a quorum nothing moves, and
# what runs goes on; the move goes on when the quorum is back.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

if ! command -v etcd >/dev/null || ! command -v etcdctl >/dev/null; then
	skip 'a move with etcd' 'no etcd is installed (etcd-server, etcd-client)'
	finish
fi
if [ "$LAB" != namespaces ] || ! lab_up; then
	skip 'a move with etcd' 'hosts of their own need root'
	finish
fi

# --- a network of its own, and a member on each host ------------------------------
member() { echo "10.9.$(lab_number "$1").10"; }
url() { echo "http://$(member "$1"):$2"; }
wired() { # HOST
	net=10.9.$(lab_number "$1")
	ip link add "e-$1" type veth peer name etcd netns "$(cat "lab/$1.pid")" &&
	    ip addr add "$net.1/24" dev "e-$1" && ip link set "e-$1" up &&
	    lab_on "$1" ip addr add "$net.10/24" dev etcd &&
	    lab_on "$1" ip link set etcd up &&
	    lab_on "$1" ip route add 10.9.0.0/16 via "$net.1"
}
cluster=
for host in $LAB_HOSTS; do
	cluster=$cluster${cluster:+,}$host=$(url "$host" 2380)
done
begin() { # HOST: its member
	(lab_in "$1" etcd --name "$1" --data-dir "$WORK/$1/etcd" \
	    --listen-client-urls "$(url "$1" 2379)" --advertise-client-urls "$(url "$1" 2379)" \
	    --listen-peer-urls "$(url "$1" 2380)" --initial-advertise-peer-urls "$(url "$1" 2380)" \
	    --initial-cluster "$cluster" --initial-cluster-token "$WORK" \
	    --heartbeat-interval 50 --election-timeout 500 --logger zap \
	    >>"$WORK/$1/etcd.log" 2>&1 </dev/null) &
	echo $! >"$1/etcd.pid"
	remember $!
}
end() { # HOST
	kill -KILL "$(cat "$1/etcd.pid")"
	wait "$(cat "$1/etcd.pid")" 2>/dev/null
}
ctl_at() { # HOST WORDS...
	ctl_host=$1; shift
	lab_on "$ctl_host" env ETCDCTL_API=3 etcdctl --command-timeout 2s \
	    --endpoints "$(url "$ctl_host" 2379)" "$@" 2>/dev/null
}
register() { # at HOST: owner and epoch
	ctl_at "$1" get --print-value-only /bascule/authority/counter |
	    python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["owner"], r["epoch"])'
}
registered() { [ "$(register "$1")" = "$2" ]; }
echo 1 >/proc/sys/net/ipv4/ip_forward
for host in $LAB_HOSTS; do
	wired "$host" && begin "$host"
done
holds 'three members answer' wait_for 30 ctl_at brent endpoint health || finish

EVERY_TALK=5s
move_sites
urls="\"$(url brent 2379)\", \"$(url southwark 2379)\", \"$(url lewisham 2379)\""
for site in brent southwark; do
	sed -i "s|authority = \"manual\";|authority = \"etcd\"; etcd = { endpoints = [ $urls ]; lease = \"4s\"; timeout = \"2s\"; };|" \
	    $site/bascule.conf
done
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
holds 'brent is heard to be where it was' wait_for 20 at brent permit counter
holds 'and writes it down' wait_for 20 registered lewisham 'brent 1'
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
	is '... and etcd says so' "$(register "$2")" "$2 $3"
	nothing_lost "from $1 to $2"
	move_say "$2" commit "$run" "$2" >/dev/null
	holds 'committed' phase_is "$2" "$run" COMMITTED 20
}
go brent southwark 2
if [ -n "${EVERY:-}" ]; then
	holds 'protected again' phase_is southwark "$run" REPROTECTED 60
	end lewisham
	go southwark brent 3
	holds 'protected as before' phase_is brent "$run" REPROTECTED 60

	# --- no quorum ---------------------------------------------------------------
	end southwark
	holds 'a lost quorum is seen' wait_for 20 sh -c \
	    "'$B' --socket brent/socket alarms | grep -q 'no move can begin'"
	run=$(move_request brent southwark planned)
	move_start brent "$run" southwark >.out 2>.err
	fails 'without a quorum nothing moves' phase_is southwark "$run" TAKEN 8
	holds '... what runs goes on' runs_at brent
	expect 0 '... and may' at brent permit counter
	nothing_lost 'without a quorum'
	begin southwark
	wait_for 20 registered southwark 'brent 3'
	is 'etcd has what it had' "$(register southwark)" 'brent 3'
	if ! has_phase southwark "$run" READY && ! has_phase brent "$run" STARTED; then
		expect 0 'it may start now' move_start brent "$run" southwark
	fi
	holds 'and goes on' phase_is southwark "$run" RAN 60
	holds 'it runs there' runs_at southwark
	is '... as etcd says' "$(register southwark)" 'southwark 4'
	nothing_lost 'after a quorum was lost'
fi

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
