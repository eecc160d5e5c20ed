#!/bin/sh
# stop-bank.sh SANDBOX PGBIN: its PostgreSQL is stopped, if it was ever there.
set -eu
. "${0%/*}/postgres.sh"

cd /
[ ! -f "$pg/data/postmaster.pid" ] ||
    as_postgres "$pgbin/pg_ctl" -D "$pg/data" -w -t 30 -s -m fast stop
echo stopped
