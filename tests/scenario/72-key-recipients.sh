#!/bin/sh
# Recipients come and go without data being written again; a new generation
# ends deduplication and nothing else; what is closed to somebody is listed.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

packs() { print_of repo/packs; }
new_bytes() { # of the last backup in JSON
	sed -n 's/.*"new_bytes":\([0-9]*\).*/\1/p' .out
}
with() { BASCULE_KEY_FILE=$1 BASCULE_STATE_DIR=$WORK/none; shift
	export BASCULE_KEY_FILE BASCULE_STATE_DIR
	expect "$@"; unset BASCULE_KEY_FILE; export BASCULE_STATE_DIR="$WORK/state"; }

mkdir src && seq 200000 >src/numbers && head -c 2000000 /dev/urandom >src/noise
"$B" -r repo init >.out 2>&1
"$B" -r repo backup src >.out
cp repo.key old.key && cp repo.key.escrow safe.key
"$B" -r repo key new --role write host.key >.out 2>&1
"$B" key new --role read --from repo.key third.key >.out 2>&1
third=$(sed -n 's/^recipient *//p' .out)

# --- added: all that was sealed before opens, and nothing was written again
with third.key 12 'before, a third reads nothing' "$B" -r repo ls latest
before=$(packs)
with host.key 12 'who cannot read cannot grant' "$B" -r repo key add-recipient "$third"
is '... and changed nothing' "$(cmp repo.key old.key && ls repo/grants | wc -l)" 0
expect 0 'added' "$B" -r repo key add-recipient "$third"
says '1 key file changed' '1 of 1 sessions'
is '... no data was written' "$(packs)" "$before"
with third.key 0 'now it reads' "$B" -r repo restore latest --to out
same '... everything' src "out$PWD/src"
with third.key 0 '... and opens every frame' "$B" -r repo check --open
expect 0 'again there is nothing to do' "$B" -r repo key add-recipient third.key
says '0 key files changed' '0 of 1'
is '... one file of grants' "$(ls repo/grants | wc -l)" 1
expect 0 'what is sealed from now on is for it too' "$B" -r repo --json backup src
is '... and deduplicates' "$([ "$(new_bytes)" -lt 5000 ] && echo little)" little
with third.key 0 '... it reads that' "$B" -r repo cat latest "$PWD/src/numbers"

# --- a writer that does not know of it yet
echo more >src/more
BASCULE_KEY_FILE=host.key expect 0 'the host writes as before' "$B" -r repo backup src
expect 0 'check lists what is closed to somebody' "$B" -r repo check --open
says '^closed  *session' 'add-recipient'
with third.key 12 '... to whom it is closed' "$B" -r repo check --open
BASCULE_KEY_FILE=repo.key expect 0 'the host is told' "$B" key update --from repo.key host.key
expect 0 '... what it wrote is opened' "$B" -r repo key add-recipient "$third"
says '1 of 3 sessions'
BASCULE_KEY_FILE=host.key expect 0 '... it deduplicates onto all of it' "$B" -r repo --json backup src
is '... of which nothing was new but pages' "$([ "$(new_bytes)" -lt 5000 ] && echo little)" little
with third.key 0 'all of it opens to the third' "$B" -r repo check --open
fails '... nothing is closed' grep -q closed .out

# --- a writer deduplicates only onto what all its recipients open
"$B" key new --role read --from repo.key fourth.key >.out 2>&1
expect 0 'a fourth, in the key file only' "$B" key add-recipient fourth.key host.key
BASCULE_KEY_FILE=host.key expect 0 'a host with a fourth recipient' "$B" -r repo --json backup src
is '... stores all of it again' "$([ "$(new_bytes)" -gt 3000000 ] && echo much)" much
with fourth.key 0 '... which the fourth reads' "$B" -r repo restore latest --to fourth
same '... everything' src "fourth$PWD/src"

# --- removed: for the future only
fourth=$(BASCULE_KEY_FILE=host.key "$B" key show fourth.key | sed -n 's/^recipient *\([0-9a-f]*\)  (this.*/\1/p')
expect 0 'removed' "$B" key remove-recipient "$fourth" host.key
says 'revokes nothing'
expect 1 '... it is none any more' "$B" key remove-recipient "$fourth" host.key
BASCULE_KEY_FILE=host.key expect 0 'the next backup is not for it' "$B" -r repo backup src
with fourth.key 12 '... it does not open' "$B" -r repo ls latest
own=$("$B" key show repo.key | sed -n 's/^recipient *\([0-9a-f]*\)  (this.*/\1/p')
expect 13 'a key stays its own recipient' "$B" -r repo key remove-recipient "$own"
escrow=$("$B" key show safe.key | sed -n 's/^recipient *\([0-9a-f]*\)  (this.*/\1/p')
with old.key 13 'two must stay' "$B" key remove-recipient "$escrow"

# --- rotation: old and new are read by all, also by the key in the safe
"$B" -r repo key add-recipient "$third" >.out
expect 0 'rotated' "$B" -r repo key rotate; says 'generation 2' 'deduplicates'
expect 0 'shown' "$B" key show repo.key; says '^generation *2$'
expect 0 'a backup after it' "$B" -r repo --json backup src
is '... deduplicates with nothing' "$([ "$(new_bytes)" -gt 3000000 ] && echo much)" much
expect 0 '... and the next with that' "$B" -r repo --json backup src
is '... of which nothing was new' "$([ "$(new_bytes)" -lt 5000 ] && echo little)" little
for k in repo.key safe.key third.key old.key; do
	with $k 0 "$k reads both" "$B" -r repo check --open
	with $k 0 '... and restores' "$B" -r repo restore latest --to "r-$k"
	same '... everything' src "r-$k$PWD/src"
done
expect 0 'the host follows' "$B" key update --from repo.key host.key
BASCULE_KEY_FILE=host.key expect 0 '... and deduplicates' "$B" -r repo --json backup src
is '... of which nothing was new' "$([ "$(new_bytes)" -lt 5000 ] && echo little)" little
expect 13 'not the other way round' "$B" key update --from old.key repo.key
expect 12 'nor between families' sh -c "'$B' key new else && '$B' key update --from else repo.key"
with safe.key 12 'a key that writes nothing turns nothing' "$B" -r repo key rotate

# --- grants that are damaged
g=$(ls -d repo/grants/* | head -n 1)
bend "$g" 80
expect 4 'a damaged grant is damage' "$B" -r repo check; says "grants/"
expect 5 'heal takes it away' "$B" -r repo heal; says 'add-recipient'
expect 0 '... and it is granted again' "$B" -r repo key add-recipient "$third"
with third.key 0 '... to read everything' "$B" -r repo check --open

# --- who opens what, and whose snapshots are taken: with a key, and without
expect 0 'the repository is shown' "$B" -r repo key show
says '^generation *1: ' '^generation *2: ' "^recipient *$escrow" 'met in local'
own=$("$B" key show repo.key | sed -n 's/^ *\(bascule-writer-.*\)/\1/p')
says "$own"
BASCULE_KEY_FILE= expect 0 'in JSON' "$B" -r repo --json key show
is '... all that is sealed opens to the key in the safe' "$(python3 -c '
import json
lines = [json.loads(l) for l in open(".out")]
all = [l for l in lines if l["type"] == "summary"][0]["sessions"]
print(*[l["sessions"] == all for l in lines if l["type"] == "recipient" and l["id"] == "'"$escrow"'"])')" True
pin=$(ls repo/keys/writer-* | head -n 1)
bend "$pin" 80
expect 0 'a damaged pin is shown' "$B" -r repo key show; says DAMAGED heal
expect 4 '... is not used' "$B" -r repo key pin "$("$B" -r repo key show |
    grep -B 1 DAMAGED | sed -n 's/^ *\(bascule-writer\)/\1/p')"
says 'heal'
expect 5 '... and healed' "$B" -r repo heal
expect 0 '... all is well' "$B" -r repo check

# --- wrapped key files stay wrapped, their owner and mode stay
(umask 077; echo passphrase >pass)
export BASCULE_PASSPHRASE_FILE=pass
"$B" key new wrapped >.out 2>&1; chmod 640 wrapped
ln -s wrapped link
BASCULE_KEY_FILE=link expect 0 'a wrapped one' "$B" key add-recipient "$third"
unset BASCULE_PASSPHRASE_FILE
is '... of its mode, behind its link' "$(stat -c '%a %F' wrapped link)" '640 regular file
777 symbolic link'
expect 12 '... stays wrapped' "$B" key show wrapped
# --- another passphrase, and none
(umask 077; echo another >pass2)
cp wrapped before
BASCULE_PASSPHRASE_FILE=pass2 expect 12 'not without the one it has' "$B" key passphrase --passphrase-file pass2 wrapped
expect 2 'which?' "$B" key passphrase wrapped
is '... nothing was changed' "$(cmp wrapped before && echo same)" same
BASCULE_PASSPHRASE_FILE=pass expect 0 'another passphrase' "$B" key passphrase --passphrase-file pass2 wrapped
BASCULE_PASSPHRASE_FILE=pass expect 12 '... the old one opens it no more' "$B" key show wrapped
BASCULE_PASSPHRASE_FILE=pass2 expect 0 '... the new one does' "$B" key show wrapped
shown=$(grep -v '^wrapped' .out)
BASCULE_PASSPHRASE_FILE=pass2 expect 0 'none' "$B" key passphrase --remove wrapped
says 'no passphrase'
expect 0 '... it is open' "$B" key show wrapped
is '... and the key it was' "$(grep -v '^wrapped' .out)" "$shown"
is '... of its mode' "$(stat -c %a wrapped)" 640
expect 0 'one again' "$B" key passphrase --passphrase-file pass wrapped
expect 12 '... closed' "$B" key show wrapped

is 'nothing is left half-written' "$(ls -A | grep -c '^\.key')" 0
finish
