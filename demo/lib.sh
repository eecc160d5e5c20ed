# What the demo's story is told with: chapters, waiting, and an end that leaves
# nothing behind, whenever it comes.

say() { printf '%s\n' "$*"; }
chapter() {
	part=$1
	printf '\n--- %s  [%ds]\n' "$1" $(($(date +%s) - began))
}
fail() {
	failed=$*
	exit 1
}

# A command that may take long, in the background: a signal to this shell is
# heeded at once and not at the command's end.
run() {
	"$@" &
	running=$!
	run_status=0
	wait $running || run_status=$?
	running=
	return $run_status
}

# show COMMAND...: as a person would type it, and what it says.
show() {
	show_line=
	for word; do
		case $word in
		"$bascule") word=bascule ;;
		"$work"/*) word="\$WORK${word#"$work"}" ;;
		esac
		show_line="$show_line $word"
	done
	printf '\n$%s\n' "$show_line"
	run "$@"
}

# wait_until SECONDS WHAT COMMAND...
wait_until() {
	wait_for=$(($(date +%s) + $1))
	wait_what=$2
	shift 2
	until "$@"; do
		[ -z "$writer" ] || kill -0 "$writer" 2>/dev/null ||
		    fail 'nobody moves money any more'
		[ "$(date +%s)" -lt $wait_for ] || fail "no $wait_what in time"
		pause 0.3
	done
}
pause() { run sleep "$1" || :; }

# json NAME: the values of a field, one a line, of JSON lines.
json() {
	grep -o "\"$1\": *\\(\"[^\"]*\"\\|[-0-9.]*\\)" |
	    sed -e 's/^[^:]*: *//' -e 's/^"//' -e 's/"$//'
}

# In libconfig's strings.
quoted() { printf %s "$1" | sed 's/[\\"]/\\&/g'; }

# fill FILE.in FILE NAME VALUE...: every @NAME@ becomes the value, quoted.
fill() {
	fill_in=$1 fill_out=$2
	shift 2
	: >"$work/fill.sed"
	while [ $# -gt 0 ]; do
		printf 's|@%s@|%s|g\n' "$1" \
		    "$(printf %s "$2" | sed 's/[\\&|]/\\&/g')" >>"$work/fill.sed"
		shift 2
	done
	sed -f "$work/fill.sed" "$fill_in" >"$fill_out"
}

# --- the end ----------------------------------------------------------------

# Processes that are ours: by their arguments, environment or directory.
# $mark, the folder's name, is in all of them and nowhere else.
leftovers() {
	{
		printf %s "$mark" | env -i PATH="$PATH" grep -lsF -f - \
		    /proc/[0-9]*/cmdline /proc/[0-9]*/environ
		ls -ld /proc/[0-9]*/cwd 2>/dev/null |
		    sed -n "s|.* \\(/proc/[0-9]*/cwd\\) -> .*$mark.*|\\1|p"
	} | cut -d/ -f3 | sort -u | grep -vx "$$" || :
}

# stop PID SECONDS: ask it to end, and wait.
stop() {
	kill "$1" 2>/dev/null || return 0
	stop_left=$(($2 * 10))
	while kill -0 "$1" 2>/dev/null && [ $stop_left -gt 0 ]; do
		sleep 0.1
		stop_left=$((stop_left - 1))
	done
	[ $stop_left -gt 0 ] || kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null || :
}

# Everything ends in the reverse of the order in which it began.
close_down() {
	[ -z "$running" ] || { kill "$running"; wait "$running"; } 2>/dev/null
	running=
	[ -z "$writer" ] || stop "$writer" 5
	writer=
	for site in southwark brent; do
		eval "pid=\$daemon_$site; daemon_$site="
		[ -z "$pid" ] || stop "$pid" 40
	done
	bank_stop
	sshd_stop "$work/brent/ssh"
	sshd_stop "$work/southwark/ssh"
	[ -z "$made_run_sshd" ] || rmdir /run/sshd 2>/dev/null
	made_run_sshd=
}

# Is anything left?  What is is ended, and is a failure all the same.
check_left() {
	unset BASCULE_DEMO BASCULE_STATE_DIR PGPASSFILE # or we find ourselves
	HOME=/
	left_tries=20
	left=$(leftovers)
	while [ -n "$left" ] && [ $left_tries -gt 0 ]; do
		sleep 0.1
		left=$(leftovers)
		left_tries=$((left_tries - 1))
	done
	mounts=$(grep -F "$mark" /proc/self/mounts)
	[ -n "$left$mounts" ] || return 0
	for pid in $left; do
		say "left: process $pid: $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
		kill -9 "$pid" 2>/dev/null
	done
	[ -z "$mounts" ] || say "left: $mounts"
	return 1
}

# However it ends.
finish() {
	status=$?
	trap '' INT TERM HUP
	trap - EXIT
	set +e
	[ -n "$work" ] || { say "DEMO FAILED: ${failed:-$part}"; exit 1; }
	if [ $status != 0 ] && [ -z "$signalled" ]; then
		failed=${failed:-"$part ended unexpectedly"}
		tell_logs
	fi
	close_down
	check_left || failed=${failed:-'it left something behind'}
	rm -rf "$work"
	[ ! -e "$work" ] || failed=${failed:-"$work cannot be removed"}
	[ -z "$failed" ] || { say; say "DEMO FAILED: $failed"; exit 1; }
	[ -z "$signalled" ] || { say; say 'DEMO INTERRUPTED: cleaned up'
		exit "$signalled"; }
	tell_summary
	say 'DEMO PASSED'
}

tell_logs() {
	for log in "$work"/*/log "$work"/*.err; do
		[ -s "$log" ] || continue
		say "--- the end of ${log#"$work/"}"
		tail -n 15 "$log"
	done
}
