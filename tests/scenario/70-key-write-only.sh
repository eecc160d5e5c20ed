#!/bin/sh
# A key that writes and reads nothing: it backs up, deduplicates against what
# others wrote, its snapshots are taken here and elsewhere, and every command
# that would read refuses; and what a key file in a bad state is met with.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

mkdir src && seq 300000 >src/numbers && head -c 3000000 /dev/urandom >src/noise
"$B" -r repo init >.out 2>&1
"$B" -r repo backup src >.out

expect 0 'a write key' "$B" -r repo key new --role write host.key
says '^roles *write$' 'bascule-writer-' 'not protected'
is '... is private' "$(stat -c %a host.key)" 600
expect 1 '... never written over' "$B" -r repo key new --role write host.key
expect 0 '... shown' "$B" key show host.key
says '^roles *write$'
fails '... opens for nobody itself' grep -q 'this key' .out
is '... nothing secret is in it' "$(python3 - <<'EOF'
import struct
b = open('host.key', 'rb').read()
at, end, types = 104, 104 + struct.unpack_from('<I', b, 100)[0], []
while at < end:
    t, n = struct.unpack_from('<HH', b, at)
    types.append(t)
    at += 4 + n
print(*types)
EOF
)" '1 2 2 3 6'

# --- it backs up, and deduplicates against what the operations key wrote
cp -a src more && cp more/noise more/again
export BASCULE_KEY_FILE=host.key BASCULE_STATE_DIR="$WORK/host"
expect 0 'it backs up' "$B" -r repo --json backup more
is '... of which nothing was new but pages' "$(python3 -c '
import json, sys
for l in open(".out"):
    v = json.loads(l)
    if v["type"] == "summary": print(v["bytes"] > 6000000, v["new_bytes"] < 5000)
')" 'True True'
expect 0 '... again, of its own' "$B" -r repo backup more
expect 0 '... a command' "$B" -r repo backup --command -- echo secret
expect 0 'it lists' "$B" -r repo snapshots
expect 0 'it checks what needs no key' "$B" -r repo check --read

# --- every command that reads
mkdir mnt
reads() {
	expect 12 "it refuses: $*" "$B" -r repo "$@" && says 'host.key' 'reads'
}
for c in $(sed -n 's/^COMMAND(\(.*\))$/\1/p' "$TOP/cli/commands.def"); do
	case $c in
	ls) reads ls latest ;;
	cat) reads cat latest "$PWD/more/noise" ;;
	restore) reads restore latest --to out ;;
	check) reads check --open ;;
	find) reads find noise ;;
	diff) reads diff latest latest ;;
	export) reads export latest -o out.tar ;;
	mount) reads mount latest mnt ;;
	esac
done
is '... and leaves nothing' "$(ls -d out out.tar 2>/dev/null)" ''
expect 0 'heal heals what needs no key' "$B" -r repo heal
expect 0 'prune forgets and frees' "$B" -r repo prune --keep-last 9
unset BASCULE_KEY_FILE BASCULE_STATE_DIR

# --- who reads, reads it; and it is taken elsewhere
expect 0 'the operations key reads it' "$B" -r repo restore latest:local/more --to out
expect 0 'all of it opens' "$B" -r repo check --open

# --- roles that are none
expect 2 'a role that is none' "$B" -r repo key new --role write,root x
expect 2 'a key from nowhere' "$B" key new --from repo.key x
expect 2 'from no key at all' "$B" key new --role write x; says '\-\-from'
expect 13 'admin is handed on by an admin' "$B" key new --role admin --from host.key x
expect 10 'no repository to pin in' "$B" -r nowhere key new --role write --from repo.key x
fails '... nothing is left' test -e x
expect 2 'a mistyped writer' "$B" -r repo key pin bascule-writer-00

# --- a key file lost, cut short, swapped, foreign, open to others, wrapped
use() { BASCULE_KEY_FILE=$1 expect 12 "$2" "$B" -r repo ls latest; }
use nowhere 'a lost key'; says 'nowhere' 'escrow'
for n in 0 1 31 104 200 303; do
	head -c $n repo.key >short && chmod 600 short
	use short "cut short to $n"; says 'short'
done
for at in 3 8 10 33 45 110 300; do
	cp repo.key flipped
	printf '\377' | dd of=flipped bs=1 seek=$at conv=notrunc 2>/dev/null
	use flipped "a byte changed at $at"
done
"$B" -r other init >.out 2>&1
use other.key 'a foreign one'; says 'family'
use repo 'a directory'
chmod 644 other.key; use other.key 'one open to others'; says 'chmod 600'
BASCULE_KEY_FILE=repo.key.escrow expect 12 'the escrow key in its place writes nothing' "$B" -r repo backup src
(umask 077; echo one >pass; echo two >other.pass; : >empty.pass)
BASCULE_PASSPHRASE_FILE=pass "$B" key new --role write,read --from repo.key wrapped >/dev/null 2>&1
use wrapped 'a wrapped one without its passphrase'; says 'BASCULE_PASSPHRASE_FILE'
export BASCULE_PASSPHRASE_FILE
BASCULE_PASSPHRASE_FILE=other.pass; use wrapped '... with another'; says 'wrong passphrase'
BASCULE_PASSPHRASE_FILE=empty.pass; use wrapped '... with an empty one'
BASCULE_PASSPHRASE_FILE=none.pass; use wrapped '... with a file that is not there'; says 'none.pass'
unset BASCULE_PASSPHRASE_FILE
mkdir credentials && cp pass credentials/bascule.passphrase
CREDENTIALS_DIRECTORY=$WORK/credentials expect 0 'a credential opens it' "$B" key show wrapped
CREDENTIALS_DIRECTORY=$WORK/src expect 12 '... if it is there' "$B" key show wrapped
expect 0 'a passphrase of its own' "$B" key new --role write --from repo.key --passphrase-file pass second
BASCULE_PASSPHRASE_FILE=pass expect 0 '... opens it' "$B" key show second
says 'by a passphrase'

# --- killed at each call that writes: whole, old or new, or not there
killed=0
calls=write,fsync,fchmod,rename,renameat,renameat2,linkat
at_call() { # N command...
	n=$1; shift
	strace -qq -o trace -e trace=$calls \
	    -e inject=$calls:signal=SIGKILL:when="$n" "$@" >.out 2>.err
	[ $? = 137 ]
}
if command -v strace >/dev/null && strace -o trace true 2>/dev/null; then
	"$B" key new --role read --from repo.key more.key >.out 2>&1
	cp -p repo.key change.key
	export BASCULE_KEY_FILE=change.key
	for n in 1 2 3 4 5 6 7 8; do
		rm -f made.key
		at_call $n "$B" key new --role write made.key && killed=$((killed + 1))
		[ ! -e made.key ] || "$B" key show made.key >.out 2>&1 ||
			not_ok "killed at call $n: made.key is half there"
		cp -p repo.key change.key
		at_call $n "$B" key add-recipient more.key && killed=$((killed + 1))
		"$B" key show change.key >.out 2>&1 ||
			not_ok "killed at call $n: change.key is half there"
	done
	unset BASCULE_KEY_FILE
	is 'killed at each call, no key file was half-written' "$((killed >= 6))" 1
fi
finish
