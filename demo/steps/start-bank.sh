#!/bin/sh
# start-bank.sh SANDBOX PGBIN: an empty PostgreSQL in the sandbox, running.
set -eu
. "${0%/*}/postgres.sh"

mkdir -m 700 "$pg"
[ "$(id -u)" != 0 ] || chown postgres: "$pg"
cd /
as_postgres "$pgbin/initdb" -D "$pg/data" -U bank -E UTF8 --locale=C \
    -A trust --no-sync >"$sandbox/initdb.log" 2>&1 || {
	cat "$sandbox/initdb.log" >&2
	exit 1
}
as_postgres tee -a "$pg/data/postgresql.conf" >/dev/null <<END
listen_addresses = ''
unix_socket_directories = '$(printf %s "$pg" | sed "s/'/''/g")'
unix_socket_permissions = 0700
dynamic_shared_memory_type = mmap
fsync = off
END
as_postgres "$pgbin/pg_ctl" -D "$pg/data" -l "$pg/log" -w -t 60 -s start || {
	cat "$pg/log" >&2
	exit 1
}
"$pgbin/psql" -X -At -c 'SELECT version()'
