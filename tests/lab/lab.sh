#!/bin/sh
# A laboratory of three hosts, brent, southwark and lewisham, each with a real
# sshd of its own, and two links between the datacentres, virgin and bt, that
# can be cut, slowed and delayed.  Source it FIRST, as it begins the script
# again in namespaces of its own; then scenario.sh, then daemon.sh if wanted:
#
#	. "$(dirname "$0")/../lab/lab.sh"
#	. "$(dirname "$0")/../support/scenario.sh"
#	lab_up				hosts, sshds and both links
#	lab_apart WHAT			the same, but each host apart; where that
#					cannot be, WHAT is skipped
#	lab_link NAME A B		one more link
#	lab_on HOST CMD...		runs it on that host, where it is cut off
#					from what lies in the others' folders
#	lab_address HOST [LINK]		its address (at that link)
#	lab_print HOST			its host key's fingerprint
#	lab_permit HOST FROM [CMD]	FROM's key may log in to HOST (for CMD only)
#
#	lab_cut LINK			silently: what is on the way is lost
#	lab_reset LINK			every connection is reset, new ones refused
#	lab_drop LINK			every connection is reset, once
#	lab_mend LINK
#	lab_slow LINK RATE		400Mbit, 50KB, or bytes a second; 0: no limit
#	lab_delay LINK MS		there and back
#	lab_carried LINK		bytes so far, both ways
#	lab_wait LINK BYTES		until so many more were carried
#	lab_at LINK BYTES COMMAND	then COMMAND of the relay: freeze, reset, drop
#
#	lab_site HOST [LINE]		a repository, a key, a bascule.conf there
#	lab_bridged [LINE]		both datacentres as lab_site makes them: they
#					talk, copy to each other, and see at
#					$WORK/here what is their own here/
#	lab_policy			sites, links, councils: to stdout; LIMITS:
#					windows of both links
#	lab_daemon HOST			basculed there, until it answers
#
# What is a host's lies in $WORK/HOST, its sshd in ssh/ therein (its port:
# $LAB_PORT).  Links are tests/tools/relay.c, as few kernels have netem: a relay
# of connections, so packets are neither lost nor reordered one by one.
#
# As root, hosts are network, mount and UTS namespaces below a PID namespace:
# whatever ends the script, kill -9 included, ends everything in it, and what
# it wrote was in a memory of its own (LAB_DISK=1: on the disk).  An ordinary
# user, or LAB_LOOPBACK=1, gets addresses 127.x.y.z, where nothing keeps hosts
# from each other but good manners.

if [ -z "${LAB:-}" ] && [ "$(id -u)" = 0 ] && [ -z "${LAB_LOOPBACK:-}" ] &&
    unshare --pid --fork --mount-proc --net --uts true 2>/dev/null; then
	export LAB=namespaces
	exec unshare --pid --fork --kill-child --mount-proc --net "$0" "$@"
fi
if [ -z "${LAB:-}" ]; then
	LAB=loopback
	echo "# the laboratory needs root for hosts of its own:" \
	    "these are loopback addresses"
elif [ -z "${LAB_DISK:-}" ]; then
	mount -t tmpfs -o mode=1777 lab /dev/shm && IN_MEMORY=1
fi
LAB_HOSTS='brent southwark lewisham'

lab_relay() { # LINK COMMAND...
	lab_control=$WORK/lab/$1; shift
	"$LAB_RELAY" -t "$lab_control" "$@"
}

lab_tool() {
	LAB_RELAY=$WORK/lab/relay.tool
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -o "$LAB_RELAY" \
	    "$TOP/tests/tools/relay.c"
}

# --- names ----------------------------------------------------------------------
lab_number() {
	case $1 in
	brent) echo 10 ;; southwark) echo 20 ;; lewisham) echo 30 ;;
	virgin) echo 1 ;; bt) echo 2 ;;
	*) grep -nx "$1" "$WORK/lab/links" | cut -d: -f1 ;;
	esac
}
lab_address() {
	lab_net=10
	[ "$LAB" = namespaces ] || lab_net=127
	lab_of=0
	[ $# = 1 ] || lab_of=$(lab_number "$2")
	echo "$lab_net.$(lab_number "$1").$lab_of.10"
}
lab_print() {
	ssh-keygen -lf "$WORK/$1/ssh/host_ed25519.pub" | cut -d' ' -f2
}

# --- hosts ----------------------------------------------------------------------
# A host, or with "out" what stands around it and plays all the others: begun,
# its process id to $WORK/lab/NAME.pid.
lab_room() { # NAME [HOST]
	unshare --net --mount --uts sh -c '
		name=$1 host=${2:-} work=$3; shift 3
		ip link set lo up
		echo 4096 131072 524288 >/proc/sys/net/ipv4/tcp_rmem
		if [ -n "$host" ]; then
			echo "$host" >/proc/sys/kernel/hostname
			for other; do
				[ "$other" = "$host" ] || mount -t tmpfs \
				    -o mode=0,ro hidden "$work/$other"
			done
		fi
		# what the account runs when it logs in is not of this laboratory
		home=$(getent passwd "$(id -u)" | cut -d: -f6)
		[ ! -e "$home/.bashrc" ] || mount --bind /dev/null "$home/.bashrc"
		echo $$ >"$work/lab/$name.new"
		mv "$work/lab/$name.new" "$work/lab/$name.pid"
		exec sleep infinity
	' room "$1" "${2:-}" "$WORK" $LAB_HOSTS </dev/null >/dev/null 2>&1 &
	remember $!
}
lab_room_wait() {
	while [ ! -s "$WORK/lab/$1.pid" ]; do sleep 0.01; done
}
lab_in() { # NAME CMD...
	lab_pid=$(cat "$WORK/lab/$1.pid"); shift
	exec nsenter -t "$lab_pid" -n -m -u sh -c 'cd "$0" && exec "$@"' \
	    "$PWD" "$@"
}
# Begun in the background it is the command's own process.
lab_on() {
	case $LAB in
	namespaces) (lab_in "$@") ;;
	*) shift; "$@" ;;
	esac
}

lab_sshd() { # HOST
	lab_listen=$(lab_address "$1")
	[ "$LAB" != namespaces ] || lab_listen=0.0.0.0
	lab_on "$1" sh "$TOP/tests/support/sshd.sh" start "$WORK/$1/ssh" \
	    "$lab_listen" "$LAB_PORT" || return
	remember "$(cat "$WORK/$1/ssh/sshd.pid")"
}

# FROM's key; what is not for a command is for everything.
lab_permit() {
	lab_key=$(cat "$WORK/$2/ssh/id_ed25519.pub")
	if [ $# -gt 2 ]; then
		lab_key="command=\"$3\",restrict $lab_key"
	fi
	echo "$lab_key" >>"$WORK/$1/ssh/authorized_keys"
}

lab_up() {
	mkdir -p "$WORK/lab"
	: >"$WORK/lab/links"
	lab_tool || return
	LAB_PORT=22
	[ "$LAB" = namespaces ] ||
	    LAB_PORT=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
	for lab_host in $LAB_HOSTS; do
		mkdir -p -m 700 "$WORK/$lab_host/ssh"
		(. "$TOP/tests/support/sshd.sh" && sshd_keys "$WORK/$lab_host/ssh")
		: >"$WORK/$lab_host/ssh/authorized_keys"
		[ "$LAB" = namespaces ] || continue
		lab_room "$lab_host" "$lab_host"
		lab_room "$lab_host.out"
	done
	for lab_host in $LAB_HOSTS; do
		if [ "$LAB" = namespaces ]; then
			lab_room_wait "$lab_host"
			lab_room_wait "$lab_host.out"
			lab_on "$lab_host" ip addr add \
			    "$(lab_address "$lab_host")" dev lo
		fi
		lab_sshd "$lab_host" || return
	done
	lab_link virgin brent southwark && lab_link bt brent southwark
}
lab_apart() {
	[ "$LAB" = namespaces ] && lab_up && return
	skip "$1" 'hosts of their own need root'
	finish
}

# --- links ----------------------------------------------------------------------
# HOST's end of a link to OTHER: the host has its own address there, and what
# is around it the other's.
lab_wire() { # LINK HOST OTHER
	lab_own=$(lab_address "$2" "$1") lab_far=$(lab_address "$3" "$1")
	lab_pid=$(cat "$WORK/lab/$2.pid") lab_out=$(cat "$WORK/lab/$2.out.pid")
	ip link add "$1" netns "$lab_pid" type veth peer name "$1" \
	    netns "$lab_out" || return
	printf 'addr add %s peer %s dev %s\nlink set %s up\n' "$lab_own" \
	    "$lab_far" "$1" "$1" | nsenter -t "$lab_pid" -n ip -batch - || return
	printf 'addr add %s peer %s dev %s\nlink set %s up\n' "$lab_far" \
	    "$lab_own" "$1" "$1" | nsenter -t "$lab_out" -n ip -batch -
}

# What END's host is to say to the relay: where it listens for it, and where it
# then goes, and as whom.
lab_way() { # LINK END HOST OTHER
	lab_at=$(lab_address "$4" "$1"):$LAB_PORT
	if [ "$LAB" = namespaces ]; then
		printf '%s,%s@%s,%s@%s,%s' "$2" \
		    "/proc/$(cat "$WORK/lab/$3.out.pid")/ns/net" "$lab_at" \
		    "/proc/$(cat "$WORK/lab/$4.out.pid")/ns/net" "$lab_at" \
		    "$(lab_address "$3" "$1")"
	else
		printf '%s,%s,%s:%s,%s' "$2" "$lab_at" "$(lab_address "$4")" \
		    "$LAB_PORT" "$(lab_address "$3" "$1")"
	fi
}

lab_link() { # NAME A B
	echo "$1" >>"$WORK/lab/links"
	echo "$2 $3" >"$WORK/lab/$1.ends"
	if [ "$LAB" = namespaces ]; then
		lab_wire "$1" "$2" "$3" && lab_wire "$1" "$3" "$2" || return
	fi
	"$LAB_RELAY" "$WORK/lab/$1" "$(lab_way "$1" 0 "$2" "$3")" \
	    "$(lab_way "$1" 1 "$3" "$2")" </dev/null 2>"$WORK/lab/$1.log" &
	lab_relay_pid=$!
	remember $lab_relay_pid
	while ! lab_relay "$1" show >/dev/null 2>&1; do
		kill -0 $lab_relay_pid 2>/dev/null ||
		    { cat "$WORK/lab/$1.log" >&2; return 1; }
		sleep 0.01
	done
	{
		for lab_t in ed25519 ecdsa; do
			for lab_h in "$2" "$3"; do
				lab_name=$(lab_address "$lab_h" "$1")
				[ "$LAB_PORT" = 22 ] ||
				    lab_name="[$lab_name]:$LAB_PORT"
				echo "$lab_name $(cut -d' ' -f1,2 \
				    "$WORK/$lab_h/ssh/host_$lab_t.pub")"
			done
		done
	} >>"$WORK/known_hosts"
}

# What the host and what is around it say to each other there is thrown away by
# the kernel, from the next packet on.
lab_blackhole() { # add|del LINK
	[ "$LAB" = namespaces ] || return 0
	for lab_h in $(cat "$WORK/lab/$2.ends"); do
		lab_own=$(lab_address "$lab_h" "$2")
		{
			# The local table is asked second then.
			if [ ! -e "$WORK/lab/$lab_h.ruled" ]; then
				echo rule add pref 20 lookup local
				echo rule del pref 0
				: >"$WORK/lab/$lab_h.ruled"
			fi
			echo rule "$1" pref 10 from "$lab_own" blackhole
			echo rule "$1" pref 10 to "$lab_own" blackhole
		} | nsenter -t "$(cat "$WORK/lab/$lab_h.out.pid")" -n ip -batch -
	done
}
lab_cut() {
	[ ! -e "$WORK/lab/$1.cut" ] || return 0
	: >"$WORK/lab/$1.cut"
	lab_relay "$1" freeze && lab_blackhole add "$1"
}
lab_mend() {
	if [ -e "$WORK/lab/$1.cut" ]; then
		rm "$WORK/lab/$1.cut"
		lab_blackhole del "$1"
	fi
	lab_relay "$1" mend
}
lab_reset() { lab_relay "$1" reset; }
lab_drop() { lab_relay "$1" drop; }
lab_slow() {
	lab_rate=$2
	case $2 in
	*Gbit) lab_rate=$((${2%Gbit} * 125000000)) ;;
	*Mbit) lab_rate=$((${2%Mbit} * 125000)) ;;
	*Kbit) lab_rate=$((${2%Kbit} * 125)) ;;
	*MB) lab_rate=$((${2%MB} * 1000000)) ;;
	*KB) lab_rate=$((${2%KB} * 1000)) ;;
	esac
	lab_relay "$1" rate "$lab_rate"
}
lab_delay() { lab_relay "$1" delay $(($2 * 500)); }
lab_carried() { lab_relay "$1" show | awk '{ printf "%.0f", $7 + $9 }'; }
lab_wait() { lab_relay "$1" wait "$2" >/dev/null; }
lab_at() {
	lab_link_name=$1 lab_after=$2; shift 2
	lab_relay "$lab_link_name" at "$lab_after" "$@"
}

# --- two daemons ----------------------------------------------------------------
# lab_site HOST: $WORK/HOST with a key and, unless it is to be a replica (it is
# made by the first push then), a repository.  The first is the family's; the
# others have its key.
lab_site() {
	if [ ! -e "$WORK/family.key" ]; then
		BASCULE_KEY_FILE=$WORK/$1/key "$B" -r "$WORK/$1/repository" init \
		    --key-file "$WORK/$1/key" >/dev/null 2>&1 || return
		cp "$WORK/$1/key" "$WORK/family.key"
	else
		cp "$WORK/family.key" "$WORK/$1/key"
	fi
	(
		umask 077
		cat >"$WORK/$1/bascule.conf" <<END
site = "$1"; state = "$WORK/$1/state"; socket = "$WORK/$1/socket";
sandbox = "$WORK/$1/sandbox"; key_file = "key"; authority = "manual";
identity = "$WORK/$1/ssh/id_ed25519";
${2:-}
policy = [ "$WORK/shared.conf" ];
END
	)
}

lab_bridged() {
	mkdir -p "$WORK/here"
	for lab_host in brent southwark; do
		lab_key=$WORK/$lab_host/ssh/id_bridge
		ssh-keygen -q -t ed25519 -N '' -f "$lab_key"
		lab_site $lab_host "bridge = { identity = \"$lab_key\";
		    every = \"${EVERY_TALK:-10s}\"; silent_after = \"${SILENT:-20s}\"; };
		    ${1:-}" || return
		mkdir -p "$WORK/$lab_host/here"
		lab_on $lab_host mount --bind "$WORK/$lab_host/here" "$WORK/here"
	done
	lab_talks brent southwark
	lab_talks southwark brent
}
lab_talks() { # FROM TO
	lab_permit "$2" "$1" "$B -r $WORK/$2/repository store serve --allow put"
	printf 'command="%s --socket %s bridge",restrict %s\n' "$B" "$WORK/$2/socket" \
	    "$(cat "$WORK/$1/ssh/id_bridge.pub")" >>"$WORK/$2/ssh/authorized_keys"
}

lab_policy_host() { # NAME ADDRESS, and the HOST that it is
	cat <<END
{ name = "$1"; address = "$2"; port = $LAB_PORT;
      user = "$(id -un)"; host_keys = [ "$(lab_print "$3")" ]; }
END
}
lab_policy_site() { # NAME ROLE [MORE-HOSTS]
	cat <<END
  { name = "$1"; title = "$1"; role = "$2"; failure_domain = "$1";
    hosts = ( $(lab_policy_host "bascule1.$1" "$(lab_address "$1")" "$1")${3:+, $3} );
$([ "$2" = witness ] || echo "repository = \"$WORK/$1/repository\";") }
END
}
lab_policy_link() { # NAME PREFERENCE BANDWIDTH
	cat <<END
  { name = "$1"; between = [ "brent", "southwark" ]; preference = $2;
    bandwidth = "$3"; ${LIMITS:+limits = ( $LIMITS );} addresses = { brent = "$(lab_address brent "$1")";
      southwark = "$(lab_address southwark "$1")"; };
    probe = { every = "${PROBE:-1s}"; timeout = "900ms"; down_after = 2; up_after = 2; }; }
END
}
lab_policy() {
	echo 'councils = ( { name = "brent"; title = "Brent"; share = 100; } );'
	echo 'sites = ('
	lab_policy_site brent datacentre; echo ','
	lab_policy_site southwark datacentre "${HOSTS:-}"; echo ','
	lab_policy_site lewisham witness
	echo '); links = ('
	lab_policy_link virgin 1 "${VIRGIN:-400Mbit/s}"; echo ','
	lab_policy_link bt 2 "${BT:-100Mbit/s}"
	echo ');'
}

lab_answers() { # HOST: other than "no daemon", as status may say 6
	"$B" --socket "$WORK/$1/socket" status >/dev/null 2>&1
	case $? in 0 | 6) ;; *) false ;; esac
}
lab_daemon() {
	case $LAB in
	namespaces) (lab_in "$1" "$DAEMON" -c "$WORK/$1/bascule.conf" --foreground \
	    2>>"$WORK/$1/log" </dev/null) & ;;
	*) "$DAEMON" -c "$WORK/$1/bascule.conf" --foreground \
	    2>>"$WORK/$1/log" </dev/null & ;;
	esac
	lab_its=$!
	echo $lab_its >"$WORK/$1/pid"
	remember $lab_its
	while ! lab_answers "$1"; do
		if ! kill -0 $lab_its 2>/dev/null; then
			tail -n 5 "$WORK/$1/log"
			return 1
		fi
		sleep 0.05
	done
}
