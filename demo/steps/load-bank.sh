#!/bin/sh
# load-bank.sh SANDBOX PGBIN: the restored dump into the empty PostgreSQL.
set -eu
. "${0%/*}/postgres.sh"

"$pgbin/createdb" -T template0 bank
"$pgbin/pg_restore" --exit-on-error -d bank "$sandbox/bank.dump"
echo loaded
