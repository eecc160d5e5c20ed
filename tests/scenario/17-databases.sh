#!/bin/sh
# The dataset kinds of databases, each against the real server: saved while it
# is written to, and what was saved starts and answers.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

PATH=$PATH:/usr/sbin # mariadbd
# As root the servers run as somebody else; the tools are told to, too.
account= as=
if [ "$(id -u)" = 0 ]; then
	account='account = "postgres";'
	as='runuser -u postgres --'
fi
for dir in /usr/lib/postgresql/*/bin; do [ ! -x "$dir/initdb" ] || pgbin=$dir; done
port=$((20000 + $$ % 10000))
chmod 755 "$WORK" # others pass, as they would in /var/lib

pg_start() { # FOLDER
	$as "$pgbin/pg_ctl" -D "$1" -l "$1.log" -w -s -t 60 -o "-p $port -k $PWD/pg \
	    -c listen_addresses= -c dynamic_shared_memory_type=mmap \
	    -c fsync=off" start >/dev/null 2>&1 </dev/null
}
pg_stop() { $as "$pgbin/pg_ctl" -D "$1" -m fast -s stop >/dev/null 2>&1; }
sql() { $as "$pgbin/psql" -qAtX -h "$PWD/pg" -p "$port" -U postgres "$@"; }
maria_start() { # FOLDER
	mariadbd --no-defaults --datadir="$1" --socket="$PWD/maria/socket" \
	    --skip-networking --pid-file="$PWD/maria/pid" --user="$(id -un)" \
	    --innodb-flush-log-at-trx-commit=0 >"$PWD/maria/log" 2>&1 &
	maria=$!
	remember $maria
	wait_for 60 mariadb --no-defaults -u root -S maria/socket -e 'SELECT 1'
}
maria_sql() { mariadb --no-defaults -u root -S maria/socket -N "$@"; }
trap 'pg_stop pg/data; pg_stop pg/again; scenario_end' EXIT

# --- three servers with something in them, one of them never at rest

mkdir pg maria
[ -z "$as" ] || chown postgres: pg
$as "$pgbin/initdb" -D pg/data -U postgres -A trust --no-sync >initdb 2>&1
holds 'PostgreSQL' pg_start pg/data || finish
sql -c 'CREATE DATABASE housing'
sql -d housing -c "CREATE TABLE rent (id int PRIMARY KEY, pence int);
    INSERT INTO rent SELECT i, i * 7 FROM generate_series(1, 20000) i;
    CREATE TABLE busy (n int)"
(while sql -d housing -c 'INSERT INTO busy VALUES (1)'; do :; done) >/dev/null 2>&1 &
remember $!
mariadb-install-db --no-defaults --datadir="$PWD/maria/data" --user="$(id -un)" \
    --auth-root-authentication-method=normal --skip-test-db >maria/install 2>&1
holds 'MariaDB' maria_start "$PWD/maria/data" || finish
maria_sql -e "CREATE DATABASE parking; USE parking;
    CREATE TABLE permits (id int PRIMARY KEY, plate varchar(10));
    INSERT INTO permits SELECT seq, CONCAT('LB', seq) FROM seq_1_to_20000;
    CREATE VIEW some AS SELECT * FROM permits WHERE id < 100;
    CREATE TABLE log (n int); CREATE TRIGGER noted AFTER INSERT ON permits
    FOR EACH ROW INSERT INTO log VALUES (NEW.id);
    CREATE FUNCTION tripled(n int) RETURNS int DETERMINISTIC RETURN n * 3"
# Tables that no transaction covers: two counters that go up in turn, and between
# them, in the order of the dump, one that takes its time.
maria_sql -e "CREATE DATABASE leisure; USE leisure;
    CREATE TABLE a (n int) ENGINE=MyISAM; CREATE TABLE z (n int) ENGINE=MyISAM;
    INSERT INTO a VALUES (0); INSERT INTO z VALUES (0);
    CREATE TABLE m (id int, pool varchar(200)) ENGINE=MyISAM;
    INSERT INTO m SELECT seq, REPEAT('pool', 50) FROM seq_1_to_30000"
yes 'UPDATE a SET n = n + 1; UPDATE z SET n = n + 1;' 2>/dev/null |
    maria_sql leisure >/dev/null 2>&1 &
remember $!
sqlite3 bins.db "PRAGMA journal_mode = WAL; CREATE TABLE bins (id INTEGER PRIMARY KEY,
    street TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 20000) INSERT INTO bins SELECT i, 'street ' || i FROM n" >/dev/null
# What was committed last is not in the file yet (its WAL has it), and one
# transaction is open all the time: what is not committed is not kept.
mkfifo held
sqlite3 bins.db <held &
remember $!
exec 9>held
echo "INSERT INTO bins VALUES (20001, 'late'); BEGIN; DELETE FROM bins WHERE id > 10;" >&9

# --- a service of all of them

site_new brent
(umask 077; { shared_policy; cat <<END
service = {
  name = "databases"; title = "Databases"; owner = "brent"; tier = 1; home = "brent";
  rpo = "1h"; rto = "4h"; backup = { every = "30m"; expect = "1m"; timeout = "5m"; };
  datasets = (
    { name = "housing"; min_size = "1KiB"; database = { kind = "postgresql"; name = "housing";
        address = "$PWD/pg"; port = $port; user = "postgres"; $account }; },
    { name = "cluster"; database = { kind = "postgresql-cluster";
        address = "$PWD/pg"; port = $port; user = "postgres"; $account }; },
    { name = "parking"; database = { kind = "mariadb"; name = "parking";
        address = "$PWD/maria/socket"; user = "root"; }; },
    { name = "leisure"; database = { kind = "mariadb"; name = "leisure";
        address = "$PWD/maria/socket"; user = "root"; }; },
    { name = "bins"; chunking = "fixed 16KiB";
      database = { kind = "sqlite"; file = "$PWD/bins.db"; }; } );
};
END
} >shared.conf)
expect 0 'the policy is good' "$DAEMON" -c brent/bascule.conf --check
holds 'a daemon' daemon_start brent || finish
expect 0 'a backup of them all' at brent run databases --wait
at brent points databases --json >.out
is 'one point of five datasets' "$(grep -o '"complete":true' .out)" '"complete":true'
newest_job() { at brent --json jobs -n 1 | grep -o '"job":"[^"]*"' | cut -d'"' -f4; }
at brent job "$(newest_job)" --log >.out 2>&1
says 'no transaction covers.*: 3 leisure.a, MyISAM: .leisure. was locked'
fails '... which is not said of others' grep -q "'parking' was locked" .out

# --- and back, each by its own tool, as docs/DATABASES.md says

export BASCULE_KEY_FILE=$PWD/brent/key
saved() { # DATASET: its content
	"$B" -r brent/repository cat "latest:databases/$1" "$1"
}
want=$(sql -d housing -c 'SELECT count(*), sum(pence) FROM rent')
sql -c 'CREATE DATABASE housing2'
saved housing >dump
holds 'pg_restore takes the dump' \
    $as "$pgbin/pg_restore" -h "$PWD/pg" -p "$port" -U postgres -d housing2 <dump
is 'the database answers as before' \
    "$(sql -d housing2 -c 'SELECT count(*), sum(pence) FROM rent')" "$want"
# While pg_dump waits for a table the server falls.
mkfifo waits
sql -d housing <waits >/dev/null 2>&1 &
remember $!
exec 8>waits
echo 'BEGIN; LOCK TABLE rent IN ACCESS EXCLUSIVE MODE;' >&8
locked() { test "$(sql -c "SELECT count(*) FROM pg_locks WHERE $1")" != 0; }
wait_for 20 locked "mode = 'AccessExclusiveLock' AND granted AND database <> 0"
at brent run databases/housing --wait >ended 2>&1 &
run=$!
wait_for 20 locked 'NOT granted'
$as "$pgbin/pg_ctl" -D pg/data -m immediate -s stop >/dev/null 2>&1
wait $run
is 'a server that falls while it is read from is a failure' $? 1
exec 8>&-
at brent job "$(newest_job)" --log >.out 2>&1
says 'pg_dump: error:' 'server closed the connection\|terminating connection'
$as mkdir -m 700 pg/again
saved cluster | $as tar -x -C pg/again -f -
holds 'the cluster starts from its copy' pg_start pg/again || cat pg/again.log
is '... and answers as before' \
    "$(sql -d housing -c 'SELECT count(*), sum(pence) FROM rent')" "$want"
holds '... with what was written meanwhile' \
    test "$(sql -d housing -c 'SELECT count(*) FROM busy')" -gt 0
pg_stop pg/again

want=$(maria_sql -e 'SELECT count(*), max(plate) FROM parking.permits')
maria_sql -e 'DROP DATABASE parking'
saved parking >dump
holds 'mariadb takes the dump' mariadb --no-defaults -u root -S maria/socket <dump
is 'the database answers as before' \
    "$(maria_sql -e 'SELECT count(*), max(plate) FROM parking.permits')" "$want"
is '... its view, function and trigger too' "$(maria_sql parking -e "SELECT count(*),
    tripled(5) FROM some; INSERT INTO permits VALUES (0, 'new'); SELECT n FROM log" |
    tr '\n\t' '  ')" '99 15 0 '
maria_sql -e 'DROP DATABASE leisure'
saved leisure >dump
holds '... and that of tables without transactions' \
    mariadb --no-defaults -u root -S maria/socket <dump
is '... which are of one moment' "$(maria_sql -e 'SELECT leisure.a.n - leisure.z.n
    IN (0, 1), leisure.a.n > 0 FROM leisure.a, leisure.z' | tr '\t' ' ')" '1 1'

saved bins >again.db
is 'the SQLite file is whole' "$(sqlite3 again.db 'PRAGMA integrity_check')" ok
is '... and answers as before, without what was not committed' \
    "$(sqlite3 again.db 'SELECT count(*), max(street) FROM bins')" '20001|street 9999'

# --- a server that is gone, and a file that is not there, are failures

mv bins.db gone.db
mkfifo holds
maria_sql <holds >/dev/null 2>&1 &
remember $!
exec 7>holds
echo 'LOCK TABLES parking.permits WRITE; SELECT 1;' >&7
at brent run databases --wait >ended 2>&1 &
run=$!
dump_waits() { maria_sql -e 'SHOW PROCESSLIST' | grep -q 'Waiting for table metadata lock'; }
wait_for 20 dump_waits
kill -9 $maria # in the middle of its dump
exec 7>&-
wait $run
is 'servers that are gone or fall, and no file' $? 1
cat ended >.out
says 'no recovery point\|nothing was saved\|failed'
holds 'no empty database was made' test ! -e bins.db
expect 0 'the record says why, in the tools own words' at brent job "$(newest_job)" --log
says 'there is no file' 'connection to server' 'mariadb-dump: .*Lost connection'
is 'no snapshot came of it' "$("$B" -r brent/repository snapshots | grep -c parking)" 1
echo 'this is no database at all, it is only a text of some length' >bins.db
expect 1 'a file that is no database' at brent run databases/bins --wait
at brent job "$(newest_job)" --log >.out 2>&1
says 'not a database'
# The backup API copies damage page by page and says nothing.
cp again.db bins.db
head -c 8192 /dev/zero | tr '\0' '\252' | dd of=bins.db bs=4096 seek=20 conv=notrunc 2>/dev/null
holds '... a damaged one is copied by sqlite3 without a word' sqlite3 bins.db '.backup copied.db'
expect 1 '... and is not saved' at brent run databases/bins --wait
at brent job "$(newest_job)" --log >.out 2>&1
says 'bins.db. is damaged, nothing of it is saved' 'Page 2[12]'
rm bins.db
expect 0 'a program that did its work, and has something to say' "$B" \
    -r brent/repository backup --dataset words --command -- \
    sh -c 'echo rows; echo "two
lines" >&2'
says "'sh' said: two lines"
is 'no copy stays behind' "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'tmp.*' -newer initdb -size +100k)" ''
daemon_stop brent
finish
