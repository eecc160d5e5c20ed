#!/bin/sh
# Each call of a worker that makes a move's act, or measures readiness, fails in
# turn: what it says came about has come about, and the next one goes on from it.
# MOST calls that fail (EIO, no memory), spread evenly; 0 (make worker-faults): every
# one, and each kind of fault; WORKERS=capture,plan: of these acts; PART=2/6: every
# sixth from the second.
IN_MEMORY=1
. "$(dirname "$0")/../support/crash.sh"
MOST=${MOST:-4}
[ "$MOST" = 0 ] || set -- --faults eio,nomem --most "$MOST"
set -- "$@" ${WORKERS:+--acts "$WORKERS"} ${PART:+--part "$PART"}
campaign workers.py --daemon "$BUILD/basculed" "$@"
finish
