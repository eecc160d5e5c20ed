#!/bin/sh
# A sender that lies, before a receiver that takes it for one that lies: every
# spelling of "delete" and "overwrite", lengths, footers, numbers, names, clocks
# and streams without end.  Nothing is deleted, nothing unverified is visible,
# and memory has its bound.  Then the SSH key of such a sender: there is nothing
# to be had with it but `store serve`.  EVERY=1: all of it.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/sshd.sh"

# shellcheck disable=SC2046
if ! (cd "$TOP" && ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude \
    ${SAN:+-fsanitize=$SAN} -o "$WORK/resign" tests/tools/resign.c \
    "$BUILD/libbascule.a" -pthread $(pkg-config --libs libssh2 libarchive \
    libzstd libconfig openssl sqlite3 libuv jansson libgfshare fuse3)); then
	not_ok 'the signer'
	finish
fi
mkdir src
for n in 1 2 3; do
	head -c 700000 /dev/urandom >src/noise$n
	seq $((n * 20000)) >src/numbers$n
	expect 0 "backup $n" env BASCULE_KEY_FILE="$WORK/repo.key" sh -c '
		[ -e repo ] || "$B" -r repo init --key-file repo.key
		"$B" -r repo backup --dataset files src'
done
expect 0 'a stranger' "$B" -r other init --key-file other.key
holds 'hostile sender' python3 "$TOOLS/hostile_sender.py" "$B" "$WORK/resign" \
    repo repo.key other.key hostile
sed 's/^/# /' .holds
export BASCULE_KEY_FILE="$WORK/repo.key"
expect 0 'the copy is whole' "$B" -r hostile/copy check --read
"$B" -r repo --json snapshots |
    sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' >ids
holds 'there are three' test "$(wc -l <ids)" = 3
while read -r s; do
	"$B" -r repo restore "$s" --to "true.$s" >/dev/null 2>&1
done <ids
whole() {
	while read -r s; do
		rm -rf a
		holds "$1: restored" "$B" -r hostile/copy restore "$s" --to a
		same "$1: byte for byte" "a$WORK/src" "true.$s$WORK/src"
	done <ids
}
expect 0 'a collection' "$B" -r hostile/copy prune --undelete-age 0s
whole 'after a collection'

# --- the key of such a sender
SSHD=$WORK/sshd
mkdir "$SSHD"
sshd_keys "$SSHD"
echo 'command="'"$B -r $WORK/hostile/copy store serve --allow put"'",restrict' \
    "$(cat "$SSHD/id_ed25519.pub")" >"$SSHD/authorized_keys"
if ! sshd_start "$SSHD"; then
	skip 'its SSH key' 'no sshd can be started here'
	finish
fi
port=$(cat "$SSHD/port")
was=$(print_of hostile/copy/snapshots)
key="-F none -o BatchMode=yes -o UserKnownHostsFile=$SSHD/known_hosts -i $SSHD/id_ed25519"
# shellcheck disable=SC2086
asks() { # OPTION... and a command
	timeout 10 ssh $key -p "$port" "$(id -un)@127.0.0.1" "$@"
}
nothing() { # NAME: neither exit code 0, nor a word of what was asked for
	name=$1; shift
	"$@" <ask >.out 2>.err
	if [ $? = 0 ] || [ -e "$WORK/evil" ] || grep -aq 'root:\|uid=\|SSH-2' .out; then
		not_ok "$name gets nowhere"
		tail -n 3 .out .err | sed 's/^/# /'
	else
		ok "$name gets nowhere"
	fi
}
printf 'id\ncat /etc/passwd\ntouch %s/evil\nexit 0\n' "$WORK" >ask
nothing 'a shell' asks
nothing 'a terminal' asks -tt
nothing 'a command' asks "id; touch $WORK/evil"
nothing 'a look' asks cat /etc/passwd
nothing 'another way to be served' asks "$B -r $WORK/hostile/copy prune --keep-last 1"
nothing 'a subsystem' asks -s sftp
nothing 'words behind the command' asks "; touch $WORK/evil"
nothing 'an environment' asks -o SetEnv="LD_PRELOAD=$WORK/x BASH_ENV=$WORK/ask" true
nothing 'a way through' asks -W "127.0.0.1:$port"
nothing 'a way back' asks -o ExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:22 -N
printf 'get /etc/passwd %s/evil\nrm %s/hostile/copy/format\n' "$WORK" "$WORK" >batch
# shellcheck disable=SC2086
nothing 'sftp' timeout 10 sftp $key -P "$port" -b batch "$(id -un)@127.0.0.1"
# shellcheck disable=SC2086
nothing 'scp' timeout 10 scp $key -P "$port" /etc/passwd \
    "$(id -un)@127.0.0.1:$WORK/evil"
# shellcheck disable=SC2086
nothing 'old scp' timeout 10 scp -O $key -P "$port" "$(id -un)@127.0.0.1:/etc/passwd" evil
is 'nothing is gone' "$(print_of hostile/copy/snapshots)" "$was"
cp "$SSHD/id_ed25519.pub" "$SSHD/authorized_keys"
expect 0 'what could be had without the restriction' asks id
says 'uid='
sshd_stop "$SSHD"
expect 0 'and the copy is whole' "$B" -r hostile/copy check
finish
