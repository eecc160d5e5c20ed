#!/bin/sh
# Daemons for scenarios; source it after scenario.sh.
#
#	site_new brent			a folder with a repository and a key
#	shared_policy			sites, link, councils: to stdout
#	service_policy NAME EVERY [RPO]	a service of two datasets: to stdout; with
#					REPLICATE a standby and a plan, too
#	daemon_start brent		in the background, until it answers
#	daemon_stop brent [SIGNAL]	and wait for its end; $ended is its status
#	at brent COMMAND...		bascule through that daemon
#	field NAME			of the last command's last JSON line that has it
#	wait_for SECONDS command...	until it is true
#	$RARELY				an EVERY that is not due for ten minutes
# PORT and ADDRESS_OF_southwark: where the other site's sshd is.

: >"$WORK/.err" # for says, before anything was expected

# An interval fires at its multiples since 1970: what nobody waits for must not
# come when a scenario happens to run over the half hour.
for RARELY in 30m 31m 33m 35m 37m; do
	seconds=$((${RARELY%m} * 60))
	[ $((seconds - $(date +%s) % seconds)) -gt 600 ] && break
done

site_new() {
	mkdir -p "$WORK/$1"
	BASCULE_KEY_FILE=$WORK/$1/key "$B" -r "$WORK/$1/repository" init \
	    --key-file "$WORK/$1/key" >/dev/null 2>&1 || return
	(
		umask 077
		cat >"$WORK/$1/bascule.conf" <<END
site = "$1"; state = "$WORK/$1/state"; socket = "$WORK/$1/socket";
sandbox = "$WORK/$1/sandbox"; key_file = "key"; authority = "manual";
identity = "${IDENTITY:-$WORK/$1/key}";
${EXTRA:-}
policy = [ "$WORK/shared.conf" ];
END
	)
}

shared_policy() {
	cat <<END
councils = ( { name = "brent"; title = "Brent"; share = 100; } );
sites = (
  { name = "brent"; title = "Brent"; role = "datacentre"; failure_domain = "brent";
    hosts = ( { name = "b1.brent"; address = "127.0.1.1"; port = ${PORT:-1}; user = "$(id -un)";
      host_keys = [ "${HOST_KEY:-SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}" ]; } );
    repository = "$WORK/brent/repository"; },
  { name = "southwark"; title = "Southwark"; role = "datacentre"; failure_domain = "southwark";
    hosts = ( { name = "s1.southwark"; address = "127.0.2.1"; port = ${PORT:-1}; user = "$(id -un)";
      host_keys = [ "${HOST_KEY:-SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}" ]; } );
    repository = "$WORK/southwark/repository"; } );
links = ( { name = "virgin"; between = [ "brent", "southwark" ]; preference = 1;
  bandwidth = "400Mbit/s"; addresses = { brent = "127.0.1.1"; southwark = "127.0.2.1"; };
  probe = { every = "1s"; timeout = "900ms"; down_after = 2; up_after = 2; }; } );
END
}

service_policy() {
	cat <<END
service = {
  name = "$1"; title = "$1"; owner = "brent"; tier = 1; home = "brent";
  rpo = "${3:-1h}"; rto = "4h";
  datasets = ( { name = "tree"; tree = "$WORK/data"; },
    { name = "dump"; command = [ "sh", "-c", "cat $WORK/hold 2>/dev/null; date" ]; } );
  backup = { every = "$2"; expect = "1s"; timeout = "60s"; retries = 2; };
$(if [ -n "${REPLICATE:-}" ]; then cat <<PLAN
  standby = "southwark"; $REPLICATE
  plan = ( { step = "tree"; restore = "tree"; },
    { step = "there"; check = { command = [ "true" ]; }; after = [ "tree" ]; } );
PLAN
fi)
};
END
}

at() {
	site=$1; shift
	"$B" --socket "$WORK/$site/socket" "$@"
}

daemon_start() {
	"$DAEMON" -c "$WORK/$1/bascule.conf" --foreground \
	    2>>"$WORK/$1/log" </dev/null &
	echo $! >"$WORK/$1/pid"
	remember $!
	wait_for 20 at "$1" status && return
	tail -n 5 "$WORK/$1/log"
	return 1
}

daemon_stop() {
	kill "-${2:-TERM}" "$(cat "$WORK/$1/pid")"
	wait "$(cat "$WORK/$1/pid")" 2>/dev/null
	ended=$?
}

field() {
	grep -o "\"$1\":[^,}]*" "$WORK/.out" | tail -n 1 | cut -d: -f2- |
	    tr -d '"'
}

# Exit codes other than "no daemon" count as an answer, as status may say 6.
wait_for() {
	limit=$(($1 * 10)) waited=0; shift
	while [ $waited -lt $limit ]; do
		"$@" >/dev/null 2>&1
		case $? in 0 | 6) return 0 ;; esac
		# Asking is what costs: what is not there soon takes its time.
		if [ $waited -lt 10 ]; then pause=1; else pause=3; fi
		sleep 0.$pause
		waited=$((waited + pause))
	done
	return 1
}

# jobs_have SITE PATTERN: of the JSON lines of its jobs.
jobs_have() { at "$1" --json jobs 2>/dev/null | grep -q "$2"; }
