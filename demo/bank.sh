# The bank: a PostgreSQL of our own at Brent, and somebody who moves money all
# the time.

as_postgres() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=postgres --regid=postgres --init-groups "$@"
	else
		"$@"
	fi
}

bank_find() {
	for dir in /usr/lib/postgresql/*/bin; do
		[ ! -x "$dir/initdb" ] || pgbin=$dir
	done
	[ -n "$pgbin" ] || fail "no PostgreSQL in /usr/lib/postgresql"
}

# A port nobody listens on: the server itself says whether it is one.
bank_listen() {
	for try in 1 2 3 4 5; do
		pg_port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
		run as_postgres "$pgbin/pg_ctl" -D "$pg/data" -l "$pg/log" -w -s \
		    -t 60 -o "-p $pg_port" start 2>"$work/pg.err" && return 0
	done
	fail 'PostgreSQL does not start'
}

bank_start() {
	pg=$work/pg
	mkdir -m 700 "$pg"
	[ "$(id -u)" != 0 ] || chown postgres: "$pg"
	run as_postgres "$pgbin/initdb" -D "$pg/data" -U bank -E UTF8 \
	    --locale=C -A trust --no-sync >"$work/initdb.log" 2>&1 || {
		cat "$work/initdb.log"
		fail 'initdb'
	}
	# Whatever /dev/shm is like.
	as_postgres tee -a "$pg/data/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.1.1'
unix_socket_directories = '$(printf %s "$pg" | sed "s/'/''/g")'
unix_socket_permissions = 0700
dynamic_shared_memory_type = mmap
END
	# The socket's folder lets only us in; the network needs a password.
	as_postgres tee "$pg/data/pg_hba.conf" >/dev/null <<END
local all all trust
host  all all 127.0.0.0/8 scram-sha-256
END
	bank_listen
	password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	export PGPASSFILE="$work/pgpass"
	(umask 077; echo "127.0.1.1:$pg_port:*:bank:$password" >"$PGPASSFILE")
	{
		echo "ALTER ROLE bank PASSWORD '$password';"
		echo 'CREATE DATABASE bank TEMPLATE template0;'
	} | bank_psql -h "$pg" postgres
	run bank_psql -h "$pg" -f "$top/demo/bank.sql" bank
}

bank_psql() { "$pgbin/psql" -X -q -At -v ON_ERROR_STOP=1 -U bank -p "$pg_port" "$@"; }
# Over the network, as its customers do.
bank_ask() { bank_psql -h 127.0.1.1 -c "$1" bank; }

bank_write() {
	echo 'SELECT move_money() \watch 0.02' >"$work/writer.sql"
	setsid "$pgbin/psql" -X -q -At -U bank -p "$pg_port" -h 127.0.1.1 \
	    -f "$work/writer.sql" bank >/dev/null 2>"$work/writer.err" &
	writer=$!
}

bank_stop() {
	[ -f "$work/pg/data/postmaster.pid" ] || return 0
	as_postgres "$pgbin/pg_ctl" -D "$work/pg/data" -w -t 30 -s -m fast stop
}
