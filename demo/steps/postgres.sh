# Sourced by the steps: the PostgreSQL of this test, in its sandbox.  It listens
# on a Unix socket there and nowhere else.

sandbox=$1 pgbin=$2
pg=$sandbox/pg
PGHOST=$pg PGPORT=5432 PGUSER=bank PGDATABASE=postgres
export PGHOST PGPORT PGUSER PGDATABASE
unset PGSERVICE PGOPTIONS PGPASSFILE 2>/dev/null || :

# PostgreSQL does not run as root.
as_postgres() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=postgres --regid=postgres --init-groups "$@"
	else
		"$@"
	fi
}
