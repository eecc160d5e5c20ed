#!/bin/sh
# What a power cut leaves: what was not flushed is lost, torn, or in any order.
# MOST states of each act, by SEED; 0 (make crash): every one.
IN_MEMORY=1
. "$(dirname "$0")/../support/crash.sh"
. "$TOP/tests/support/sshd.sh"
unset SSH_AUTH_SOCK
MOST=${MOST:-5} SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "# MOST=$MOST SEED=$SEED"
campaign states.py --most "$MOST" --seed "$SEED" \
    --acts pin,first,changed,merge,forget,condemn,free,heal-pack,heal-index,heal-format,rotate,recipient
if sshd_start "$PWD/ssh"; then
	campaign states.py --most "$MOST" --seed "$SEED" --acts serve --ssh "$PWD/ssh"
	sshd_stop "$PWD/ssh"
else
	not_ok 'sshd does not start'
fi
finish
