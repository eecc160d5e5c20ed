#!/bin/sh
# SIGKILL just before each call that changes a repository: init, pin, first backup, backup
# of changed files, one that merges segments, forget, both phases of prune, heal, key
# rotate and add-recipient, the far end of a replication; and key files, whose calls
# fail as well.
# MOST calls of each, spread evenly; 0 (make crash): every one, and torn writes.
IN_MEMORY=1
. "$(dirname "$0")/../support/crash.sh"
. "$TOP/tests/support/sshd.sh"
unset SSH_AUTH_SOCK
MOST=${MOST:-5}
[ "$MOST" = 0 ] && torn=--torn || torn=
# shellcheck disable=SC2086
campaign kill_each.py --most "$MOST" $torn \
    --acts init,pin,first,changed,merge,forget,condemn,free,heal-pack,heal-index,heal-format,rotate,recipient
if [ "$MOST" = 0 ]; then
	campaign keys.py
else
	campaign keys.py --most 3 --acts split,role,add --faults kill,eio
fi
if sshd_start "$PWD/ssh"; then
	# shellcheck disable=SC2086
	campaign kill_each.py --most "$MOST" $torn --acts serve --ssh "$PWD/ssh"
	sshd_stop "$PWD/ssh"
else
	not_ok 'sshd does not start'
fi
finish
