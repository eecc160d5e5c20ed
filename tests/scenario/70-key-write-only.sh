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
is 'a key is shown in its own line and the next' "$(grep -A 1 '^writer key' .out | tail -n 1 | grep -c '^  *bascule-writer-')" 1
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

# --- every command that reads: a new one must say here which it is
mkdir mnt
before=$(print_of repo)
reads() {
	expect 12 "it refuses: $*" "$B" -r repo "$@" &&
		says 'host.key' 'reads\|cannot read' '^hint: '
}
"$B" --help | sed -n '/^commands:/,/^options/s/^  \([a-z].*\)/\1/p' >commands
is 'there are commands' "$(($(wc -l <commands) > 40))" 1
while read -r c; do
	case $c in
	'ls '*) reads ls latest; reads ls "latest:$PWD/more" ;;
	'cat '*) reads cat latest "$PWD/more/noise" ;;
	'restore '*) reads restore latest --to out; reads restore latest --to out --dry-run ;;
	'check '*) reads check --open; reads check --open --sample 2% ;;
	'find '*) reads find noise ;;
	'diff '*) reads diff latest latest ;;
	'export '*) reads export latest -o out.tar ;;
	'mount '*) reads mount latest mnt ;;
	'stats '*) reads stats ;;
	'key canary '*) reads key canary ;;
	'key split '*) reads key split -k 2 -n 3 ;;
	'key add-recipient '*) reads key add-recipient "$WORK/repo.key" ;;
	'key rotate '*) reads key rotate ;;
	# What reads nothing that is sealed, or asks a daemon, which asks for roles.
	init* | backup* | snapshots* | import* | heal* | forget* | prune* | \
	    replicate* | 'store serve'* | status* | services* | site* | links* | \
	    run* | job* | cancel* | points* | schedule* | exercise* | events* | \
	    evidence* | failover* | approve* | refuse* | hold* | permit* | report* | \
	    store\ * | alarms* | bridge* | box* | ledger* | actions* | exceptions* | policy* | \
	    readiness* | scenario* | 'key person'* | \
	    'key new'* | 'key show'* | 'key pin'* | 'key remove-recipient'* | \
	    'key update'* | 'key passphrase'* | 'key combine'* | completion* | version*) ;;
	*) not_ok "does '$c' read? nobody has tried it here" ;;
	esac
done <commands
is '... and leaves nothing' "$(ls -d out out.tar host.key.share-* 2>/dev/null)" ''
is '... nor anything in the repository' "$(print_of repo)" "$before"
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
(umask 077; seq 100 >pass.key)
use() { BASCULE_KEY_FILE=$1 expect 12 "$2" "$B" -r repo ls latest; }
use nowhere 'a lost key'; says 'nowhere' 'escrow'
for n in 0 1 31 104 200 303; do
	head -c $n repo.key >short && chmod 600 short
	use short "cut short to $n"; says 'cut short\|empty'
done
for at in 3 8 10 33 45 110 300; do
	cp repo.key flipped
	printf '\377' | dd of=flipped bs=1 seek=$at conv=notrunc 2>/dev/null
	use flipped "a byte changed at $at"
done
"$B" -r other init >.out 2>&1
use other.key 'a foreign one'; says 'family'
tar -cf t.tar src
for c in 'ls latest' snapshots 'backup src' 'import t.tar' heal 'forget latest' \
    'prune --keep-last 1' 'check --open' 'key split -k 2 -n 3' 'key canary' stats \
    'key new --role write made' 'key add-recipient repo.key' 'key rotate' 'key show'; do
	wrong=
	for k in other.key short nowhere; do
		# shellcheck disable=SC2086
		BASCULE_KEY_FILE=$k "$B" -r repo $c >.out 2>.err </dev/null
		[ $? = 12 ] && grep -q "$k" .err && grep -q '^hint: ' .err ||
			wrong="$wrong $k: $(cat .err)"
	done
	is "$c: a foreign key, one cut short, a lost one" "$wrong" ''
done
is '... which made nothing' "$(ls -d made ./*share-* 2>/dev/null; ls repo/keys | wc -l)" 2
is 'cut to any length it says so' "$(python3 - <<'EOF'
import os, subprocess
step = 1 if os.environ.get('EVERY_LENGTH') else 17
for name in ('repo.key', 'repo.key.escrow'):
    whole = open(name, 'rb').read()
    for n in range(0, len(whole), step):
        with open(os.open('cut', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
            f.write(whole[:n])
        p = subprocess.run([os.environ['B'], 'key', 'show', 'cut'], capture_output=True)
        if p.returncode != 12 or b'cut short' not in p.stderr and n > 0:
            print(n, p.returncode, p.stderr)
EOF
)" ''
use repo 'a directory'
use pass.key 'a passphrase in its place'; says 'not a key file'
"$B" key split -k 2 -n 2 -o shares repo.key.escrow >.out 2>&1
use shares.share-1 'a share in its place'; says 'key combine'
expect 12 'shares of what cannot read' "$B" key split -k 2 -n 3 host.key
chmod 644 other.key; use other.key 'one open to others'; says 'chmod 600'
BASCULE_KEY_FILE=repo.key.escrow expect 12 'the escrow key in its place writes nothing' "$B" -r repo backup src
says 'repo.key.escrow' 'may not write' '^hint: '
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

finish
