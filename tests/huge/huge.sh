#!/bin/sh
# huge.sh PROGRAM: FILES files (ten million) backed up within LIMIT_MIB (256) of
# memory, page cache and all, where a control group can be had.
# DIR is where repository and state go: some 4 GB for ten million.
set -u
program=$1
FILES=${FILES:-10000000} LIMIT_MIB=${LIMIT_MIB:-256}
work=$(mktemp -d "${DIR:-${TMPDIR:-/var/tmp}}/bascule-huge-XXXXXX") || exit 1
group=
end() {
	rm -rf "$work"
	[ -z "$group" ] || rmdir "$group" 2>/dev/null
}
trap end EXIT
trap 'exit 1' INT TERM HUP

# in_group COMMAND...: in a control group of version 2 or 1.
make_group() {
	for top in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		grep -qw memory "$top/cgroup.subtree_control" 2>/dev/null || continue
		group=$top/bascule-huge.$$
		mkdir "$group" 2>/dev/null && how='cgroup 2' &&
		    echo "${LIMIT_MIB}M" >"$group/memory.max" && return
	done
	group=/sys/fs/cgroup/memory/bascule-huge.$$
	mkdir "$group" 2>/dev/null && how='cgroup 1' &&
	    echo "${LIMIT_MIB}M" >"$group/memory.limit_in_bytes" && return
	group=
	return 1
}
mkdir "$work/run"
if make_group; then
	# shellcheck disable=SC2016
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' in_group \
	    "$group" "$program" "$work/run" "$FILES"
elif systemd-run --scope -q -p "MemoryMax=${LIMIT_MIB}M" true 2>/dev/null; then
	how='scope of systemd'
	systemd-run --scope -q -p "MemoryMax=${LIMIT_MIB}M" -p MemorySwapMax=0 \
	    "$program" "$work/run" "$FILES"
else
	how='watched only: no control group can be had here, its peak is compared'
	"$program" "$work/run" "$FILES" | tee "$work/said"
	peak=$(sed -n 's/.*peak \([0-9]*\) MiB/\1/p' "$work/said" | tail -n 1)
	[ -n "$peak" ] && [ "$peak" -le "$LIMIT_MIB" ]
fi
status=$?
du -sm "$work/run/repository" "$work/run/state" | sed "s|$work/run/||"
if [ $status -eq 0 ]; then
	echo "ok $FILES files within $LIMIT_MIB MiB ($how)"
	echo '1 passed, 0 failed'
else
	echo "not ok $FILES files within $LIMIT_MIB MiB ($how): ended with $status"
	echo '0 passed, 1 failed'
	exit 1
fi
