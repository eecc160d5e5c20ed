#!/bin/sh
# kill -9 of the far-side serve, of the sender and of the connection between
# them, at odd moments of a transfer; a full disk at the far side.  After each:
# the copy checks clean, the next run goes on, what was settled is not resent.
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
BUILD=${BUILD:-build}
bascule=$top/$BUILD/bascule
ROUNDS=${ROUNDS:-4}
work=$(mktemp -d)
. tests/support/sshd.sh
mounted=
finish() {
	sshd_stop "$work/ssh"
	[ -z "$mounted" ] || umount "$work/small"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
export BASCULE_STATE_DIR="$work/state" HOME="$work"
unset SSH_AUTH_SOCK 2>/dev/null || :
fail() { echo "$*" >&2; cat "$work/out" "$work/err" >&2; exit 1; }

repo=$work/repo copy=$work/copy
export BASCULE_KEY_FILE="$repo.key"
"$bascule" -r "$repo" init >"$work/out" 2>"$work/err"
mkdir "$work/src"
n=0
while [ $n -lt 4 ]; do
	dd if=/dev/urandom of="$work/src/noise$n" bs=1M count=24 2>/dev/null
	"$bascule" -r "$repo" backup "$work/src" >"$work/out" 2>"$work/err"
	n=$((n + 1))
done

# A small disk, mounted before sshd takes a namespace of its own.
mkdir "$work/small"
! mount -t tmpfs -o size=48m small "$work/small" 2>/dev/null || mounted=yes

# The far side leaves its process id, so that it can be killed by it alone.
sshd_start "$work/ssh"
cat >"$work/serve" <<END
#!/bin/sh
echo \$\$ >$work/serve.pid
exec $bascule "\$@"
END
chmod +x "$work/serve"
push_to() { # COPY, then as the background job of this shell
	exec "$bascule" -r "$repo" --json replicate --known-hosts \
	    "$work/ssh/known_hosts" --identity "$work/ssh/id_ed25519" \
	    --remote-bascule "$work/serve" \
	    --to "ssh://$(id -un)@127.0.0.1:$(cat "$work/ssh/port")$1" \
	    >"$work/out" 2>"$work/err"
}
field() { sed -n 's/.*"summary".*"'"$1"'": *\([0-9]*\).*/\1/p' "$work/out"; }

whole() { # the copy, if it is one yet
	[ ! -e "$1/format" ] || "$bascule" -r "$1" check >"$work/check" 2>&1 || {
		cat "$work/check" >&2
		fail "round $round: the copy is not whole"
	}
}
round=0
while [ $round -lt "$ROUNDS" ]; do
	c=$copy$round
	rm -f "$work/serve.pid"
	(push_to "$c") &
	sender=$!
	# The moments are spread over the 96 MB by how much has arrived.
	want_kb=$((round * 16000 + 1))
	while kill -0 $sender 2>/dev/null; do
		have_kb=$(du -sk "$c" 2>/dev/null | cut -f1)
		[ "${have_kb:-0}" -lt $want_kb ] || break
	done
	case $((round % 3)) in
	0) kill -9 "$(cat "$work/serve.pid")" 2>/dev/null || : ;;
	1) kill -9 $sender 2>/dev/null || : ;;
	2) sshd_cut "$work/ssh" 2>/dev/null || : ;;
	esac
	wait $sender && cut=no || cut=yes
	whole "$c"
	(push_to "$c") || fail "round $round: the next run failed"
	[ $cut = no ] || again=$(field packs_sent)
	whole "$c"
	(push_to "$c") || fail "round $round: nothing to do failed"
	[ "$(field packs_sent)" = 0 ] || fail "round $round: sent again"
	"$bascule" -r "$c" snapshots --json >"$work/out" 2>"$work/err"
	[ "$(grep -c '"type": *"snapshot"' "$work/out")" = 4 ] ||
	    fail "round $round: not all snapshots are there"
	rm -rf "$c"
	round=$((round + 1))
done
echo "killed $ROUNDS times; the last resumed run sent ${again:-none} packs"

# --- a full disk over there, where we may make a small one
if [ -n "$mounted" ]; then
	set +e
	(push_to "$work/small/copy")
	got=$?
	set -e
	[ $got = 14 ] || fail "a full disk ended with $got, not 14"
	grep -q "$work/small/copy" "$work/out" "$work/err" ||
	    fail 'which disk is full was not said'
	round=full
	whole "$work/small/copy"
	mount -o remount,size=256m "$work/small"
	(push_to "$work/small/copy") || fail 'after room was made it failed'
	whole "$work/small/copy"
else
	echo "a full disk: NOT TRIED, no file system can be mounted here"
fi
echo "1 passed, 0 failed"
