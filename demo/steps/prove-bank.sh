#!/bin/sh
# prove-bank.sh SANDBOX PGBIN FACTS: the books balance, and what was loaded is
# what was saved.  A backup taken in the middle of a transfer would show here:
# each takes from one account, gives to another and writes itself down.
set -eu
. "${0%/*}/postgres.sh"

ask() { "$pgbin/psql" -X -At -d bank -c "$1"; }

accounts=$(ask 'SELECT count(*) FROM accounts')
transfers=$(ask 'SELECT count(*) FROM transfers')
newest=$(ask "SELECT extract(epoch FROM max(made))::bigint FROM transfers")
off_by=$(ask 'SELECT sum(balance) - sum(opened_with) FROM accounts')
wrong=$(ask 'SELECT count(*) FROM accounts a WHERE balance <> opened_with
    - coalesce((SELECT sum(amount) FROM transfers WHERE payer = a.id), 0)
    + coalesce((SELECT sum(amount) FROM transfers WHERE payee = a.id), 0)')

echo "$accounts accounts, $transfers transfers"
[ "$accounts" -gt 0 ] && [ "$transfers" -gt 0 ] || { echo 'it is empty'; exit 1; }
[ "$off_by" = 0 ] || { echo "$off_by pence came from nowhere"; exit 1; }
[ "$wrong" = 0 ] || { echo "$wrong balances do not follow"; exit 1; }

# As text, without what pg_dump says of itself.
plain() { grep -v -e '^--' -e '^\\restrict ' -e '^\\unrestrict ' -e '^$'; }
"$pgbin/pg_restore" -f - "$sandbox/bank.dump" | plain >"$sandbox/saved.sql"
"$pgbin/pg_dump" bank | plain >"$sandbox/loaded.sql"
[ -s "$sandbox/saved.sql" ] || { echo 'the dump holds nothing'; exit 1; }
cmp "$sandbox/saved.sql" "$sandbox/loaded.sql"

cat >"$3" <<END
accounts=$accounts
transfers=$transfers
newest=$newest
lines=$(wc -l <"$sandbox/saved.sql" | tr -d ' ')
END
echo "every account is right"
