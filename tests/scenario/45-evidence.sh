#!/bin/sh
# A ledger and a pack of version 1, read by this version and by a second reader
# that was written from the documents alone.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
bascule=$PWD/$BUILD/bascule
reread="python3 $PWD/tests/tools/reread_evidence.py"
golden=$PWD/tests/golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
fail() { echo "45-evidence: $*" >&2; exit 1; }
status() { got=0; "$@" >out 2>err || got=$?; }
cd "$work"
umask 077
zstd -dqo ledger.db "$golden/ledger-v1.db.zst"

# The old pack is good, with its key and no other; both readers say so.
"$bascule" evidence verify "$golden/evidence-v1.tar.zst" \
    --key "$golden/evidence-v1.key" >out || fail "golden: $(cat out)"
grep -q '^GOOD' out || fail "golden is not good: $(cat out)"
grep -q '^manifest  *signed by SHA256:' out || fail "who signed: $(cat out)"
$reread "$golden/evidence-v1.tar.zst" >out || fail "reread: $(cat out)"
status "$bascule" evidence verify "$golden/evidence-v1.tar.zst" \
    --key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
[ $got -eq 4 ] || fail "another key: exit $got"

# The old ledger's records, and packs of it: whole, limited, redacted.
lines=$("$bascule" events --ledger ledger.db | wc -l)
[ "$lines" -eq 12 ] || fail "$lines records"
"$bascule" --json events --ledger ledger.db --limit 2 | tail -n 1 |
    grep -q '"type":"summary"' || fail "no summary"
for limits in '' '--service housing' '--council lewisham' \
    '--redact @host --redact @actor.name'; do
	# shellcheck disable=SC2086
	"$bascule" evidence export --ledger ledger.db -o pack $limits >out ||
	    fail "export $limits: $(cat out)"
	status "$bascule" evidence verify pack --key "$golden/evidence-v1.key"
	[ $got -eq 3 ] || fail "verify $limits: $got $(cat out)"
	"$bascule" evidence verify pack >out || fail "verify $limits: $(cat out)"
	$reread pack >out || fail "reread $limits: $(cat out)"
done
zstd -dcq pack | grep -qa amara && fail "a redacted name is in the pack"
"$bascule" evidence export --ledger ledger.db -o pack --council lewisham >out
zstd -dcq pack | grep -qa housing && fail "another council's service"

# A copy of a ledger has no key: its pack says that nobody signed the manifest.
"$bascule" evidence export --ledger ledger.db -o pack >out
grep -q 'NOT SIGNED' out || fail "unsigned, unsaid: $(cat out)"
# Whoever asks for a key is told that it did not sign all of it (3).
status "$bascule" evidence verify pack --key "$golden/evidence-v1.key"
grep -q '^RECORDS GOOD, MANIFEST NOT SIGNED' out || fail "unsigned: $(cat out)"
[ $got -eq 3 ] || fail "unsigned, with a key: exit $got"
status "$bascule" evidence export --ledger ledger.db -o signed --sign-key none
[ $got -ne 0 ] && [ ! -e signed ] || fail "no such key: exit $got"

# tar reads it too.
tar --zstd -tf pack | grep -q '^manifest.json$' || fail "tar cannot read it"

# A bit flipped anywhere in a record of the database: the pack says so.
rowid=$(sqlite3 ledger.db 'SELECT max(row) FROM records')
size=$(sqlite3 ledger.db "SELECT length(bytes) FROM records WHERE row=$rowid")
for at in 0 4 9 40 $((size / 2)) $((size - 1)); do
	cp ledger.db hurt.db
	sqlite3 hurt.db 'DROP TRIGGER records_stay' \
	    "UPDATE records SET bytes = CAST(substr(bytes, 1, $at) ||
	     CAST(char((unicode(substr(hex(bytes), $((at * 2 + 2)), 1)) + 1)
	     % 64 + 33) AS BLOB) || substr(bytes, $((at + 2))) AS BLOB)
	     WHERE row = $rowid"
	"$bascule" evidence export --ledger hurt.db -o pack >out 2>&1 ||
	    fail "export at $at: $(cat out)"
	status "$bascule" evidence verify pack
	[ $got -eq 4 ] || fail "byte $at of row $rowid: exit $got: $(cat out)"
done

# What is not there, no ledger, no pack, too new.
status "$bascule" evidence export --ledger none.db -o pack
[ $got -eq 1 ] || fail "no ledger: exit $got"
echo nonsense >text.db
status "$bascule" events --ledger text.db
[ $got -eq 4 ] || fail "nonsense: exit $got: $(cat err)"
sqlite3 ledger.db 'PRAGMA user_version = 7'
sum=$(sha256sum <ledger.db)
status "$bascule" events --ledger ledger.db
[ $got -eq 16 ] || fail "too new: exit $got"
[ "$sum" = "$(sha256sum <ledger.db)" ] || fail "a newer ledger was touched"
status "$bascule" --socket "$work/none" events
[ $got -eq 1 ] || fail "no daemon: exit $got"
echo "1 passed, 0 failed"
