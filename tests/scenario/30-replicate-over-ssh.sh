#!/bin/sh
# A repository's copy at another host, over a real sshd: made, brought up to
# date, nothing to do, restored from; and everything that may be in the way.
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
BUILD=${BUILD:-build}
bascule=$top/$BUILD/bascule
work=$(mktemp -d)
. tests/support/sshd.sh
finish() {
	sshd_stop "$work/ssh"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

export BASCULE_STATE_DIR="$work/state" HOME="$work"
unset SSH_AUTH_SOCK 2>/dev/null || :
fail() { echo "$*" >&2; cat "$work/out" "$work/err" >&2; exit 1; }
# expect CODE TEXT COMMAND...: how it ends, and what it says somewhere
expect() {
	code=$1 text=$2; shift 2
	set +e
	"$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	set -e
	[ $got = "$code" ] || fail "'$*' ended with $got, not $code"
	grep -q -- "$text" "$work/out" "$work/err" ||
	    fail "'$*' did not say '$text'"
}

mkdir "$work/src"
cp lib/replicate/*.c lib/ssh/*.c "$work/src"
dd if=/dev/urandom of="$work/src/noise" bs=1M count=6 2>/dev/null
repo=$work/repo copy=$work/copy
expect 0 '' "$bascule" -r "$repo" init
export BASCULE_KEY_FILE="$repo.key"
expect 0 '' "$bascule" -r "$repo" backup "$work/src"

sshd_start "$work/ssh"
port=$(cat "$work/ssh/port")
url=ssh://$(id -un)@127.0.0.1:$port$copy
push() {
	"$bascule" -r "$repo" replicate --to "$url" \
	    --known-hosts "$work/ssh/known_hosts" \
	    --identity "$work/ssh/id_ed25519" --remote-bascule "$bascule" "$@"
}

# --- made, brought up to date, nothing to do
expect 0 'made the copy' push
grep -q 'sent 1 of 1 snapshots' "$work/out" || fail 'the tally'
expect 0 'nothing to do: all 1 snapshots are there' push
echo changed >>"$work/src/rlink.c"
expect 0 '' "$bascule" -r "$repo" backup "$work/src"
expect 0 '"packs_sent"' push --json
sent=$(sed -n 's/.*"pack_bytes": *\([0-9]*\).*/\1/p' "$work/out")
[ "$sent" -gt 0 ] && [ "$sent" -lt 1000000 ] ||
    fail "one changed file cost $sent bytes"

# --- the copy is whole, needs no key to be, and restores byte for byte
expect 0 '' "$bascule" -r "$copy" check --read
expect 0 '' "$bascule" -r "$copy" restore latest --to "$work/back"
diff -r "$work/src" "$work/back$work/src" || fail 'the restored tree differs'
for f in "$repo".key "$repo".key.escrow; do
	! grep -rqF "$(sha256sum <"$f" | cut -c1-64)" "$copy" || fail 'a key'
done

# --- whoever is let in at home is let in at the copy
third() { BASCULE_KEY_FILE=$work/third.key "$bascule" -r "$copy" "$@"; }
expect 0 '' "$bascule" key new --role read --from "$repo.key" "$work/third.key"
expect 12 '' third ls latest
expect 0 '' "$bascule" -r "$repo" key add-recipient "$work/third.key"
expect 0 'nothing to do' push
expect 0 'rlink.c' third ls latest
expect 0 '' third check --open

# --- a collection at home packs anew what is there already: it is not sent again
dd if=/dev/urandom of="$work/src/more" bs=1M count=3 2>/dev/null
expect 0 '' "$bascule" -r "$repo" backup "$work/src"
expect 0 '' push --connections 2
rm "$work/src/more"
expect 0 '' "$bascule" -r "$repo" backup "$work/src"
expect 0 '' push
expect 0 '' "$bascule" -r "$repo" prune --keep-last 1 --max-unused 0 \
    --undelete-age 0
echo changed again >>"$work/src/rlink.c"
expect 0 '' "$bascule" -r "$repo" backup "$work/src"
expect 0 'composed_bytes' push --json
sent=$(sed -n 's/.*"pack_bytes": *\([0-9]*\).*/\1/p' "$work/out")
[ "$sent" -gt 0 ] && [ "$sent" -lt 1000000 ] ||
    fail "after a collection one changed file cost $sent bytes"

# --- as a forced command, which alone decides what runs and where
key=$(cat "$work/ssh/id_ed25519.pub")
forced() {
	echo "command=\"$1\",restrict $key" >"$work/ssh/authorized_keys"
}
copy2=$work/copy2
forced "$bascule -r $copy2 store serve --allow put"
expect 0 'made the copy' push --remote-bascule /nonsense
expect 0 '' "$bascule" -r "$copy2" check
forced "$bascule -r $copy2 store serve"
expect 13 'nothing may be put here' push
forced "echo Welcome"
expect 1 "does not speak store serve: 'Welcome" push
forced "echo no such thing >&2; exit 3"
expect 1 'ended with status 3: no such thing' push
forced "sh -c 'kill -TERM \$\$'; exit \$?" # a shell that stays the command's parent
expect 1 'the far side was ended by signal TERM' push
forced "$bascule -r $work/missing/copy store serve --allow put"
expect 1 "$work/missing/copy" push
cp "$work/ssh/id_ed25519.pub" "$work/ssh/authorized_keys"

# --- the other way round: fetched, by whoever may get
pull() {
	"$bascule" -r "$work/fetched" replicate --from \
	    "ssh://$(id -un)@127.0.0.1:$(cat "$work/ssh/port")$repo" \
	    --known-hosts "$work/ssh/known_hosts" \
	    --identity "$work/ssh/id_ed25519" --remote-bascule "$bascule" "$@"
}
expect 0 '"connections":2,.*"refused":0,"copy_created":true' \
    pull --json --connections 2
expect 0 '' "$bascule" -r "$work/fetched" check --read
rm -rf "$work/fetched"
expect 0 'made the copy' pull
expect 0 '' "$bascule" -r "$work/fetched" check --read
expect 0 '' "$bascule" -r "$work/fetched" restore latest --to "$work/back2"
diff -r "$work/src" "$work/back2$work/src" || fail 'the fetched tree differs'
expect 0 'fetched 0 snapshots, 0 points, 0 packs' pull
forced "$bascule -r $repo store serve --allow get"
expect 75 'of which service' pull
forced "$bascule -r $repo store serve --allow get --service '*'"
expect 0 'fetched 0 snapshots' pull --remote-bascule /nonsense
expect 13 'to get, not to put' push
forced "$bascule -r $repo store serve --allow put"
expect 75 '--allow get' pull --timeout 1s
forced "echo no such thing >&2; exit 3"
expect 75 'ended with status 3: no such thing' pull
cp "$work/ssh/id_ed25519.pub" "$work/ssh/authorized_keys"
expect 2 'where from' pull --to "$url"

# --- another repository's copy
expect 0 '' "$bascule" -r "$work/other" init --key-file "$work/other.key"
expect 13 'is a copy of another repository' "$bascule" -r "$work/other" \
    replicate --to "$url" --known-hosts "$work/ssh/known_hosts" \
    --identity "$work/ssh/id_ed25519" --remote-bascule "$bascule"

# --- who may not be trusted, who is not there
offered=$(ssh-keygen -lf "$work/ssh/host_ed25519.pub" | cut -d' ' -f2)
none=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
refused() { # push without the good known_hosts
	"$bascule" -r "$repo" replicate --to "$url" --remote-bascule \
	    "$bascule" --identity "$work/ssh/id_ed25519" "$@"
}
expect 13 'no host key is pinned' refused
expect 13 "$offered" refused --host-key $none
expect 13 "$none" refused --host-key $none
expect 0 'nothing to do' refused --host-key "$offered"
ssh-keygen -q -t ed25519 -N '' -f "$work/stranger"
expect 13 "refused user" push --identity "$work/stranger"
ssh-keygen -q -t ed25519 -N 'x' -f "$work/locked"
expect 12 'locked by a passphrase' push --identity "$work/locked"
cat "$work/locked.pub" >>"$work/ssh/authorized_keys"
umask 77; echo x >"$work/pass"; umask 22
expect 0 'nothing to do' push --identity "$work/locked" \
    --identity-passphrase-file "$work/pass"
expect 1 'does not have the program' push --remote-bascule /no/such/bascule
expect 2 'not an SSH address' "$bascule" -r "$repo" replicate --to /tmp/x
expect 2 'where to' "$bascule" -r "$repo" replicate
expect 10 '' "$bascule" -r "$work/nowhere" replicate --to "$url"
sshd_stop "$work/ssh"
expect 75 'Connection refused' push

# --- the receiver by hand: deletion in any spelling is refused and said
set +e
printf '\000\000\000\000\100\000\000\000' |
    "$bascule" -r "$copy" store serve --allow put >"$work/out" 2>"$work/err"
got=$?
set -e
[ $got = 2 ] || fail "a message of type 64 ended with $got"
grep -aq 'which there is not' "$work/out" || fail 'it was not told why'
expect 0 '' "$bascule" -r "$copy" check
echo "1 passed, 0 failed"
