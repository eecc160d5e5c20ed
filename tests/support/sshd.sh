#!/bin/sh
# A real sshd for tests, as whoever runs this, on an address of its own, with
# nothing of the system's configuration read or touched.
#
#	. tests/support/sshd.sh			or	sh tests/support/sshd.sh ...
#	sshd_start DIR [ADDRESS [PORT]]			start DIR [ADDRESS [PORT]]
#	sshd_stop DIR					stop DIR
#
#	sshd_cut DIR [SIGNAL]				cut DIR [SIGNAL]
#	sshd_sftp			the program that serves SFTP, or fails
#
# sshd_start makes DIR (absolute) if need be and in it, unless they are there:
#	host_ed25519 host_ecdsa  .pub	its host keys
#	known_hosts			both, for ADDRESS and the port
#	id_ed25519 .pub			a user key
#	authorized_keys			lets that key in; put a line of your own
#					here first for a forced command
#	port log sshd.pid sshd_config
# SSHD_OPTIONS: further lines of configuration, put first so that they win.
# PORT 0 or none: one that is free.  sshd_stop ends it and waits; DIR stays.
# sshd_cut kills whoever serves its connections; it goes on listening.

sshd_sftp() {
	for sshd_p in /usr/lib/openssh/sftp-server \
	    /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server; do
		[ ! -x "$sshd_p" ] || { echo "$sshd_p"; return; }
	done
	return 1
}

sshd_keys() {
	for t in ed25519 ecdsa; do
		[ -f "$1/host_$t" ] ||
		    ssh-keygen -q -t $t -N '' -C host -f "$1/host_$t" || return
	done
	[ -f "$1/id_ed25519" ] ||
	    ssh-keygen -q -t ed25519 -N '' -C user -f "$1/id_ed25519" || return
	[ -f "$1/authorized_keys" ] ||
	    cp "$1/id_ed25519.pub" "$1/authorized_keys"
}

# sshd_config DIR ADDRESS PORT.  (sntrup: what OpenSSH's own client prefers takes
# it most of its time, and nothing of ours speaks it.)
sshd_config() {
	cat >"$1/sshd_config" <<END
${SSHD_OPTIONS:-}
ListenAddress $2:$3
HostKey $1/host_ed25519
HostKey $1/host_ecdsa
AuthorizedKeysFile $1/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
KexAlgorithms -sntrup*
PrintMotd no
PidFile none
MaxStartups 100
Subsystem sftp internal-sftp
END
}

# Run as root sshd wants /run/sshd, which only the system's own start makes:
# give it one in a mount namespace, so that nothing of it is left behind.  Where
# that cannot be, make it; the marks in it say whose tests still need it, and
# the last one's end removes it.
sshd_mark() { echo "/run/sshd/bascule-test-$(echo "$1" | cksum | cut -d' ' -f1)"; }
sshd_exec() { # DIR COMMAND...
	sshd_dir=$1; shift
	if [ "$(id -u)" != 0 ]; then
		exec "$@"
	elif [ ! -d /run/sshd ] && unshare -m true 2>/dev/null &&
	    [ "${SSHD_NO_NAMESPACE:-0}" = 0 ]; then
		exec unshare -m sh -c 'mount -t tmpfs -o mode=755 sshd /run &&
		    mkdir /run/sshd && exec "$@"' sshd "$@"
	elif mkdir -m 755 /run/sshd 2>/dev/null ||
	    ls /run/sshd/bascule-test-* >/dev/null 2>&1; then
		: >"$(sshd_mark "$sshd_dir")"
	fi
	exec "$@"
}
sshd_unmark() { # DIR
	sshd_its=$(sshd_mark "$1")
	[ -e "$sshd_its" ] || return 0
	rm -f "$sshd_its"
	rmdir /run/sshd 2>/dev/null # not while another needs it
	return 0
}

# sshd_try DIR ADDRESS PORT: 0 once it listens.
sshd_try() {
	sshd_config "$@"
	: >"$1/log"
	(sshd_exec "$1" "$(command -v sshd || echo /usr/sbin/sshd)" -D \
	    -f "$1/sshd_config" -E "$1/log") </dev/null >"$1/out" 2>&1 &
	echo $! >"$1/sshd.pid"
	sshd_tries=200
	while [ $sshd_tries -gt 0 ]; do
		grep -q '^Server listening' "$1/log" && return 0
		kill -0 "$(cat "$1/sshd.pid")" 2>/dev/null ||
		    { sshd_unmark "$1"; return 1; }
		sleep 0.05
		sshd_tries=$((sshd_tries - 1))
	done
	sshd_stop "$1"
	return 1
}

sshd_known_hosts() {
	[ -f "$1/known_hosts" ] && return
	for t in ed25519 ecdsa; do
		echo "[$2]:$3 $(cut -d' ' -f1,2 "$1/host_$t.pub")"
	done >"$1/known_hosts"
}

sshd_start() {
	mkdir -p -m 700 "$1" && sshd_keys "$1" || return 1
	sshd_dirs="${sshd_dirs:-} $1" # scenario.sh's end stops them
	sshd_address=${2:-127.0.0.1}
	sshd_left=10
	while [ $sshd_left -gt 0 ]; do
		sshd_port=${3:-0}
		[ "$sshd_port" != 0 ] || sshd_port=$((20000 +
		    $(od -An -N2 -tu2 /dev/urandom) % 12000))
		if sshd_try "$1" "$sshd_address" $sshd_port; then
			echo $sshd_port >"$1/port"
			sshd_known_hosts "$1" "$sshd_address" $sshd_port
			return 0
		fi
		[ "${3:-0}" = 0 ] || break
		sshd_left=$((sshd_left - 1))
	done
	cat "$1/out" "$1/log" >&2
	return 1
}

# Who logs in as anybody but root is served by a process of the connection's.
sshd_below() { # PID: its own kind that it has begun, who began first; no command
	for sshd_p in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		case $(cat "/proc/$sshd_p/comm" 2>/dev/null) in
		sshd*) echo "$sshd_p"; (sshd_below "$sshd_p") ;;
		esac
	done
}
sshd_cut() {
	sshd_served=$(sshd_below "$(cat "$1/sshd.pid")")
	sshd_hit=1 # one that has ended since it was seen is no failure
	for sshd_p in $sshd_served; do
		kill "-${2:-KILL}" "$sshd_p" 2>/dev/null && sshd_hit=0
	done
	return $sshd_hit
}

# Connections that are open have processes of their own: end them too.
sshd_stop() {
	[ -f "$1/sshd.pid" ] || return 0
	sshd_pid=$(cat "$1/sshd.pid")
	sshd_children=$(sshd_below "$sshd_pid")
	# One may end before it is told to: no failure, even under set -e.
	kill $sshd_pid 2>/dev/null || :
	for p in $sshd_children; do
		kill "$p" 2>/dev/null || :
		kill -CONT "$p" 2>/dev/null || : # one a test has stopped
	done
	while kill -0 "$sshd_pid" 2>/dev/null; do
		case $(cut -d' ' -f3 "/proc/$sshd_pid/stat" 2>/dev/null) in
		Z|'') break ;;
		esac
		sleep 0.02
	done
	wait "$sshd_pid" 2>/dev/null || :
	rm -f "$1/sshd.pid"
	sshd_unmark "$1"
	return 0
}

case ${0##*/} in
sshd.sh)
	case $1 in
	start) shift; sshd_start "$@" ;;
	stop) shift; sshd_stop "$@" ;;
	cut) shift; sshd_cut "$@" ;;
	*) sed -n '2,20s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac ;;
esac
