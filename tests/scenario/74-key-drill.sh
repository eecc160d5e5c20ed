#!/bin/sh
# The escrow drill.  On a machine that has two shares, the repository and the
# program, and neither network, state, /proc nor anything else: all is restored;
# one share gives nothing.  And its outcome is on record: in the ledger, in the
# status, in the evidence.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data && seq 100000 >data/numbers && head -c 300000 /dev/urandom >data/noise
ln data/numbers data/again; ln -s nowhere data/link
site_new brent
(umask 077; { shared_policy; service_policy housing "$RARELY"; } >shared.conf)
holds 'a daemon' daemon_start brent || finish
expect 0 'a backup' at brent run housing --wait
repo=$WORK/brent/repository

# --- nobody has tried the escrow key yet
at brent status >.out 2>&1
says 'never tried'
export BASCULE_KEY_FILE=$WORK/brent/key BASCULE_SOCKET=$WORK/brent/socket
expect 0 'split' "$B" -r "$repo" key split -k 2 -n 3
share=$WORK/brent/key.escrow.share

# --- the drill, and its record
expect 0 'two shares open it' "$B" -r "$repo" key canary $share-1 $share-3
says '^proved' 'recorded in the ledger of site brent'
at brent status >.out 2>&1
says 'the escrow key was tried .* ago: proved'
at brent --json status >.out 2>&1
is '... for whoever counts its age' "$(field escrow_proved)" true
expect 0 'the ledger has it' at brent --json events --type canary
says '"result","value":"PROVED"' '"shares","value":"2"' '"name":"opened"' "\"uid\":\"$(id -u)\""
"$B" -r "$repo" key new --role read late.key >.out 2>&1
expect 12 'a key it is closed to' "$B" -r "$repo" key canary --key-file late.key
at brent status >.out 2>&1
says 'NOT PROVED'
expect 0 '... is on record, too' at brent --json events --type canary
says '"NOT PROVED"'
at brent --json status >.out 2>&1; keep_lines .out
expect 0 'evidence has it' at brent evidence export -o pack
zstd -dqc pack | tar -xO >unpacked 2>/dev/null
holds '... in the records' grep -aq 'NOT PROVED' unpacked

# --- of somebody else's repository this site's ledger keeps nothing
BASCULE_KEY_FILE=other.key "$B" -r other init >.out 2>&1
BASCULE_KEY_FILE=other.key "$B" -r other backup data >.out 2>&1
BASCULE_KEY_FILE=other.key expect 0 'a drill of another family' "$B" -r other key canary
says 'has not recorded it' 'family'
is '... is not in it' "$(at brent --json events --type canary | grep -c '"canary"')" 2
daemon_stop brent
expect 0 'without a daemon it is told' "$B" -r "$repo" key canary --key-file "$WORK/brent/key.escrow"
says 'no ledger knows'
unset BASCULE_SOCKET BASCULE_KEY_FILE

# --- a machine of its own: root of a new file system, no network
mkdir jail && cp "$B" jail/bascule && cp -a "$repo" jail/store
for l in $(ldd "$B" | grep -o '/[^ ]*'); do
	mkdir -p "jail$(dirname "$l")" && cp -L "$l" "jail$l"
done
PATH=$PATH:/usr/sbin
alone() { # VARIABLE=VALUE command...
	variable=$1; shift
	[ "$(id -u)" = 0 ] && how=-n || how=-rn
	env "$variable" env -u HOME -u BASCULE_STATE_DIR unshare $how \
	    chroot "$WORK/jail" /bascule "$@"
}
if alone A=b version >.out 2>&1; then
	cp $share-2 jail
	expect 12 'one share gives nothing' alone A=b key combine -o key key.escrow.share-2
	fails '... no key' test -e jail/key
	expect 12 '... proves nothing' alone A=b -r store key canary key.escrow.share-2
	expect 12 '... restores nothing' alone BASCULE_KEY_FILE=key.escrow.share-2 \
	    -r store restore latest --to out
	expect 12 'nor does none' alone A=b -r store restore latest --to out
	is '... and nothing was made' "$(ls jail | tr '\n' ' ' | sed 's/lib[^ ]* //g')" \
	    'bascule key.escrow.share-2 store '
	cp $share-1 jail
	expect 0 'two are the key' alone A=b key combine -o key key.escrow.share-1 key.escrow.share-2
	expect 0 'it opens everything' alone BASCULE_KEY_FILE=key -r store check --open
	expect 0 'all is restored' alone BASCULE_KEY_FILE=key -r store restore \
	    latest:housing/tree --to out --verify
	same '... as it was' data "jail/out$WORK/data"
	expect 0 'the drill is held there' alone BASCULE_KEY_FILE=key -r store key canary \
	    key.escrow.share-1 key.escrow.share-2
	says '^proved'
else
	skip 'a machine of its own' "$(head -n 1 .out)"
fi
finish
