#!/bin/sh
# Repositories that somebody forged who has no key, with every hash made right:
# no command that reads one ends by a signal, hangs, or takes more memory than
# it may.  CASES from SEED; MOST=0 (make crash): 1000, under ASan and UBSan.
IN_MEMORY=1
. "$(dirname "$0")/../support/crash.sh"
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
CASES=${CASES:-8} slack=48
if [ "${MOST:-1}" = 0 ]; then
	CASES=1000 slack=400
	B=$TOP/build-address-undefined/bascule
fi
echo "# CASES=$CASES SEED=$SEED"
. "$TOP/tests/support/sshd.sh"
unset SSH_AUTH_SOCK
if sshd_start "$PWD/ssh"; then
	campaign hostile.py --cases "$CASES" --seed "$SEED" --slack "$slack" \
	    --ssh "$PWD/ssh"
	sshd_stop "$PWD/ssh"
else
	not_ok 'sshd does not start'
fi
finish
