#!/bin/sh
# kill -9 at random moments of a backup, of a restore, of the far end of a
# replication.  ROUNDS of each that were in time to kill: 5, or what make
# torture says; SEED repeats one.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/sshd.sh"
ROUNDS=${ROUNDS:-5} SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "# ROUNDS=$ROUNDS SEED=$SEED"
unset SSH_AUTH_SOCK

campaign() { # what [folder of sshd]
	what=$1; shift
	python3 "$TOOLS/kill.py" "$what" "$B" "$PWD/$what" "$ROUNDS" "$SEED" "$@" \
	    >"$what.log" 2>&1
	status=$?
	grep -E '^(ok|not ok) ' "$what.log"
	count=$(grep -E '^[0-9]+ passed, ' "$what.log") || count='0 passed, 1 failed'
	[ $status -le 1 ] && grep -q ' passed, ' "$what.log" || tail -n 5 "$what.log"
	passed=$((passed + ${count%% *}))
	count=${count#*, }
	failed=$((failed + ${count%% *}))
	chmod -R u+w "$what"
	rm -rf "$what"
}
campaign backup
campaign restore
if sshd_start "$PWD/ssh"; then
	campaign serve "$PWD/ssh"
	sshd_stop "$PWD/ssh"
else
	not_ok 'sshd does not start'
fi
finish
