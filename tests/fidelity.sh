#!/bin/sh
# make fidelity: the system's own trees, saved, restored, and compared by a
# walker that knows nothing of Bascule and by rsync.  DIRS, TMPDIR: which, where.
. "$(dirname "$0")/support/scenario.sh"
DIRS=${DIRS:-/usr/share /usr/lib /usr/include}

step() { begun=$(date +%s); "$@"; echo "# $(($(date +%s) - begun)) s: $*" | cut -c1-150; }
expect 0 'init' "$B" -r repo init
# shellcheck disable=SC2086
step expect 0 'a backup' "$B" -r repo backup $DIRS
sed 's/^/# /' .out
step expect 0 'check --read' "$B" -r repo check --read
step expect 0 'a restore' "$B" -r repo restore latest --to out
sed 's/^/# /' .out .err
for dir in $DIRS; do
	step same "$dir, by an independent walk" "$dir" "out$dir" --summary
	sed 's/^/# /' .holds
	rsync -naHAXi --checksum --delete "$dir/" "out$dir/" >rsync 2>&1
	is "... and by rsync -aHAX --checksum" "$(head -n 5 rsync)" ''
done
finish
