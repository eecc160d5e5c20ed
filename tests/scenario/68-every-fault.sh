#!/bin/sh
# Each system call of a run fails in turn, each allocation is refused: it ends
# with a clear error or with all done, and the repository is whole.
# MOST calls of each kind of fault, spread evenly; 0 (make crash): every one.
IN_MEMORY=1
. "$(dirname "$0")/../support/crash.sh"
MOST=${MOST:-7}
if [ "$MOST" = 0 ]; then
	campaign faults.py --acts init,pin,first,changed,condemn,free,heal-pack
else
	campaign faults.py --most "$MOST" --acts changed
	campaign faults.py --most 4 --acts condemn --faults eio,full,nomem,lost
fi
finish
