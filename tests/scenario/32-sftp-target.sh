#!/bin/sh
# A copy on a server that has only SFTP, with nothing of ours installed: made,
# cut and gone on with, nothing to do, checked and restored from; and what a
# server does that cannot, or lies.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/sshd.sh"
trap 'sshd_stop "$WORK/ssh"; scenario_end' EXIT
unset SSH_AUTH_SOCK

mkdir src
cp "$TOP"/lib/ssh/*.c src
dd if=/dev/urandom of=src/noise bs=1M count=34 2>/dev/null
expect 0 'a repository' "$B" -r repo init
export BASCULE_KEY_FILE="$WORK/repo.key"
expect 0 'a backup' "$B" -r repo backup "$WORK/src"

# RekeyLimit: the keys change many times in mid-transfer.
SSHD_OPTIONS='ForceCommand internal-sftp
RekeyLimit 8M'
sshd_start "$WORK/ssh" || exit 1
port=$(cat ssh/port)
server() { # LINE: another forced command; the sshd is started anew
	sshd_stop "$WORK/ssh"
	SSHD_OPTIONS="ForceCommand $1"
	sshd_start "$WORK/ssh" 127.0.0.1 "$port" || exit 1
}
push() { # COPY ARGUMENTS...
	copy=$1; shift
	${by:-timeout 60} "$B" -r "${from:-repo}" replicate \
	    --to "sftp://$(id -un)@127.0.0.1:$port$WORK/$copy" \
	    --known-hosts "$WORK/ssh/known_hosts" \
	    --identity "$WORK/ssh/id_ed25519" "$@"
}
shell() { ssh -F none -p "$port" -i ssh/id_ed25519 -o BatchMode=yes \
    -o UserKnownHostsFile="$WORK/ssh/known_hosts" 127.0.0.1 "$@"; }
expect 1 'no shell is there' timeout 10 sh -c 'ssh -F none -p "$1" \
    -i ssh/id_ed25519 -o BatchMode=yes -o UserKnownHostsFile=ssh/known_hosts \
    127.0.0.1 true </dev/null' sh "$port"

# --- whom to trust: shown, never written down
expect 0 'a host is looked at' "$B" site trust "ssh://127.0.0.1:$port"
says "$(ssh-keygen -lf ssh/host_ed25519.pub | cut -d' ' -f2)"
says "$(head -n 1 ssh/known_hosts | sed 's/[][]/\\&/g')"
mkdir policy
echo 'site = "brent"; policy = [ "sites.conf" ];' >policy/bascule.conf
site() { # FINGERPRINT: a policy whose southwark is this sshd
	cat >policy/sites.conf <<-END
	sites = (
	  { name = "brent"; role = "datacentre"; failure_domain = "brent";
	    repository = "/srv/repository"; },
	  { name = "southwark"; role = "datacentre"; failure_domain = "southwark";
	    repository = "/srv/repository";
	    hosts = ( { name = "s1"; address = "127.0.0.1"; port = $port;
	                host_keys = [ "$1" ]; } ); } );
	END
	before=$(print_of policy)
}
site "$(ssh-keygen -lf ssh/host_ed25519.pub | cut -d' ' -f2)"
expect 0 'a site is looked at' "$B" site trust southwark --policy policy --json
says '"pinned":true'
site SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
expect 13 'another key than the pinned' "$B" site trust southwark --policy policy
says 'NOT THE ONE'
is 'the policy is as it was' "$(print_of policy)" "$before"
expect 1 'a site that there is not' "$B" site trust nowhere --policy policy

# --- made, nothing to do, brought up to date
expect 0 'a copy is made' push copy
says 'made the copy'
says 'sent 1 of 1 snapshots'
says 'nobody there verifies'
says 'nothing there refuses'
is 'packs are there' "$(ls copy/packs/* | grep -c '^[0-9a-f]\{64\}$')" \
    "$(ls repo/packs/* | grep -c '^[0-9a-f]\{64\}$')"
is 'nothing is left in tmp/' "$(ls copy/tmp)" ''
expect 0 'a second run' push copy
says 'nothing to do: all 1 snapshots are there'
echo changed >>src/dial.c
expect 0 'a backup' "$B" -r repo backup "$WORK/src"
expect 0 'what is new' push copy --json
says '"guarantees_missing":\["nobody'
says '"snapshots_sent":1,'
expect 0 'the copy is whole' "$B" -r copy check --read
expect 0 'it restores' "$B" -r copy restore latest --to "$WORK/back"
same 'what it restores' src "back$WORK/src"

# --- many small runs do not make many segments
for n in 1 2 3 4 5 6 7; do
	echo $n >>src/dial.c
	"$B" -r repo --quiet backup "$WORK/src" && push copy --quiet
done >.out 2>&1
is 'eight segments were made one' "$(ls copy/index | wc -l)" 3
expect 0 'which holds all' "$B" -r copy check --read
is 'all snapshots are there' "$(snapshots_of copy)" "$(snapshots_of repo)"

expect 0 'it may be backed up into' "$B" -r copy backup "$WORK/src/dial.c"

# --- read back, too
expect 0 'everything is read back' push second --read-back --json
back=$(sed -n 's/.*"read_back_bytes":\([0-9]*\).*/\1/p' .out)
is 'all of it' "$([ "$back" -gt 34000000 ] && echo yes)" yes

# --- cut in the middle, and again
# So much comes over each of two connections, then nothing until all are cut.
cat >stands <<END
#!/bin/sh
{ stdbuf -o0 head -c 5000000; : >$WORK/still; exec cat >/dev/null; } |
	$(sshd_sftp)
END
chmod +x stands
server "$WORK/stands"
for n in 1 2; do
	push third --connections 2 >.cut 2>&1 & p=$!
	until [ -e still ]; do kill -0 $p || break; sleep 0.02; done
	sshd_cut ssh
	wait $p
	got=$?
	is "cut $n is said: $(grep ^bascule .cut)" $got 75
	is "no snapshot is seen" "$(ls third/snapshots/local 2>/dev/null)" ''
	rm still
done
server 'internal-sftp
RekeyLimit 8M'
# Killed, and reaped by nobody (as under a container's first process): dead.
printf '#!/bin/sh\n"$@" & echo $! >unreaped.pid; echo $$ >keeper.pid; exec sleep 60\n' >unreaped
# No machine-id (a fresh chroot, a container): the boot and its processes tell.
printf '#!/bin/sh\nmount --bind /dev/null /etc/machine-id && exec "$@"\n' >unnamed
chmod +x unreaped unnamed
by=./unreaped push third >.cut 2>&1 & keeper=$!
has_lock() { grep -qsx "pid $(cat unreaped.pid)" third/tmp/sender.lock; }
has_ended() { grep -q ') Z ' "/proc/$(cat unreaped.pid)/stat"; }
until [ -s unreaped.pid ] && has_lock; do sleep 0.02; done
kill -9 "$(cat unreaped.pid)"
until has_ended; do sleep 0.02; done
by=
[ ! -e /etc/machine-id ] || ! unshare -m ./unnamed true 2>/dev/null ||
    by='unshare -m ./unnamed'
expect 0 'a third time it ends' push third --json
says '"lock_taken_over":"process'
is 'of the one that was killed' "$(grep -c "process $(cat unreaped.pid) on" .out)" 1
by=
kill "$(cat keeper.pid)"; wait $keeper
sent=$(sed -n 's/.*"pack_bytes":\([0-9]*\).*/\1/p' .out)
is 'and goes on' "$([ "$sent" -lt 28000000 ] && echo yes)" yes
expect 0 'it is whole' "$B" -r third check --read

# --- kept apart
echo 'bascule sender
host elsewhere
pid 7
since long' >third/tmp/sender.lock
expect 11 'another sender has it' push third
says "process 7 on 'elsewhere' since long"
says 'break-lock'
cp third/tmp/sender.lock lock
printf 'bascule sender\nboot %s\npids %s\npid 4194304x\nbegan 1\n' \
    "$(cat /proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/pid)" \
    >third/tmp/sender.lock
expect 11 'of a process that is no number nobody knows that it is gone' push third
cp lock third/tmp/sender.lock
expect 0 'broken aloud' push third --break-lock
says 'took over the lock of process 7'

# --- damage there is found by the next run, as far as names and sizes go
pack=$(find third/packs -type f | head -n 1)
: >"$pack"
manifest=$(sha256sum <third/index/MANIFEST)
rm third/snapshots/local/*
expect 0 'a pack that was emptied' push third
says 'in bad/ now'
rm third/index/MANIFEST
expect 0 'MANIFEST that was lost' push third
expect 0 'both are whole again' "$B" -r third check --read

# --- not ours
expect 0 'another repository' "$B" -r other init --key-file other.key
mkdir occupied; echo mine >occupied/file
expect 1 'a directory with something in it' push occupied
says 'is not empty'
is 'it is let be' "$(ls occupied)" file
mv repo mine; mv other repo
expect 13 'a copy of another' push copy
mv repo other; mv mine repo

# --- a server that can less, and servers that lie; to whom less is sent
head -c 3000000 src/noise >src/less && rm src/noise
expect 0 'a smaller repository' "$B" -r less init --key-file less.key
from=less BASCULE_KEY_FILE=$WORK/less.key
expect 0 'its backup' "$B" -r less backup "$WORK/src"
liar() { server "python3 $TOP/tests/tools/sftp_server.py $1"; }
liar plain
expect 0 'no extension at all' push fourth
says 'offers no fsync'
expect 0 'it is whole' "$B" -r fourth check --read
echo again >>src/dial.c
expect 0 'a backup' "$B" -r less backup "$WORK/src"
expect 0 'MANIFEST in two steps' push fourth
says 'cannot replace a file in one step'
expect 0 'it is whole' "$B" -r fourth check --read
for lie in flip short drop; do
	liar $lie
	expect 4 "a server that lies: $lie" push "lied-$lie"
	says 'does not keep what it is sent'
	is 'no snapshot is seen' "$(ls "lied-$lie/snapshots/local" 2>/dev/null)" ''
done
for lie in more unasked huge endless slash; do
	liar $lie
	timeout 60 "$B" -r less replicate --timeout 5s \
	    --to "sftp://$(id -un)@127.0.0.1:$port$WORK/fifth" \
	    --known-hosts "$WORK/ssh/known_hosts" \
	    --identity "$WORK/ssh/id_ed25519" >.out 2>.err
	got=$?
	is "a server that breaks the rules: $lie ($(head -c 120 .err))" \
	    "$([ $got = 1 ] || [ $got = 4 ] && echo refused)" refused
done
sshd_stop "$WORK/ssh"
finish
