#!/bin/sh
# Two daemons and a real sshd between them: what is backed up at one site is
# known at the other, and a link that breaks is noticed, waited for and caught
# up with.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

mkdir data && echo one >data/a
SSHD=$WORK/sshd
mkdir "$SSHD"
sshd_keys "$SSHD"
printf 'command="%s -r %s store serve --allow put --allow heal --sign %s",restrict %s\n' \
    "$B" "$WORK/southwark/repository" \
    "$WORK/southwark/state/acknowledge.key" "$(cat "$SSHD/id_ed25519.pub")" \
    >"$SSHD/authorized_keys"
if ! sshd_start "$SSHD" 127.0.2.1; then
	skip 'two sites' 'no sshd can be started here'
	finish
fi
PORT=$(cat "$SSHD/port")
HOST_KEY=$(ssh-keygen -lf "$SSHD/host_ed25519.pub" | awk '{ print $2 }')
IDENTITY=$SSHD/id_ed25519
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
site_new brent
mkdir southwark
# The replica is of the same family: made by the first push; same key file.
cp brent/key southwark/key
(
	umask 077
	sed "s|brent|southwark|g" brent/bascule.conf >southwark/bascule.conf
	{ shared_policy; service_policy files "$RARELY"; } >shared.conf
)
holds 'it starts' daemon_start brent || finish
holds 'southwark starts' daemon_start southwark || finish
wait_for 15 sh -c "'$B' --socket brent/socket links | grep -q ' up '"
expect 0 'the link is up' at brent links
says 'virgin  *southwark  *127.0.2.1  *up'
expect 6 'nothing has come to southwark yet' at southwark status
says 'UNKNOWN'
wait_for 20 sh -c "'$B' --socket southwark/socket status |
    grep -q 'no complete recovery point'"
fails 'a replica that is not there yet is nothing to warn of' \
    grep "points of 'files'" southwark/log
at southwark --json status >.out
says '"authority":"UNPROTECTED"'

expect 0 'a backup at brent' at brent run files --wait
wait_for 30 jobs_have brent '"kind":"replicate".*"state":"succeeded"'
holds 'is replicated' jobs_have brent '"kind":"replicate".*"state":"succeeded"'
at brent points files >.out
says 'brent southwark\|southwark brent'
wait_for 30 sh -c "'$B' --socket southwark/socket points files | grep -q complete"
expect 0 'southwark knows its point' at southwark points files
says 'complete'
expect 0 'and its posture is good' at southwark status
says 'OK  *files'
for site in brent southwark; do
	wait_for 20 sh -c "'$B' --socket $site/socket --json status |
	    grep -q '\"authority\":\"PROTECTED\"'"
	at $site --json status >.out
	says '"authority":"PROTECTED"'
done
# The receiver's word, signed, in both ledgers: the very same bytes.
word() { at "$1" --json events --type point |
	sed -n 's/.*"name":"acknowledgement","value":"\([0-9a-f]*\)".*/\1/p' |
	head -n 1; }
holds 'what came is acknowledged' test -n "$(word brent)"
is 'with the same bytes in both ledgers' "$(word southwark)" "$(word brent)"
at southwark --json events --type daemon >.out
ACK_KEY=$(sed -n 's/.*"name":"acknowledge_key","value":"\([^"]*\)".*/\1/p' .out | head -n 1)
expect 0 'evidence of brent' at brent evidence export -o pack
expect 0 'is judged, the word with it' "$B" evidence verify pack
says "received  *$ACK_KEY has acknowledged points"
is 'the copy knows the epoch' "$(od -An -tu8 -j72 -N16 \
    southwark/repository/condemned/epochs-*[!k] | awk '{ print $1, $2 }')" '1 0'
# Damage at home is found, healed from the other copy, and all of it recorded.
before=$(cd brent/repository/packs && find . -type f -exec sha256sum {} + | sort)
pack=$(find brent/repository/packs -type f | sort | head -n 1)
chmod 600 "$pack"
printf 'XXXX' | dd of="$pack" bs=1 seek=60 conv=notrunc 2>/dev/null
expect 4 'damage is found' at brent run files --kind verify --wait
wait_for 30 jobs_have brent '"kind":"heal".*"state":"succeeded"'
holds 'and healed without being asked' jobs_have brent \
    '"kind":"heal".*"state":"succeeded"'
is 'byte for byte' "$(cd brent/repository/packs &&
    find . -type f -exec sha256sum {} + | sort)" "$before"
at brent --json events --type healed >.out
says "$(basename "$pack" | cut -c 1-12)" '"name":"from_site","value":"southwark"' \
    '"name":"link","value":"virgin"' 'byte for byte'
wait_for 10 sh -c "! '$B' --socket brent/socket alarms | grep -q damage.*raised"
at brent --json events --type alarm >.out
holds 'the alarm was raised and is over' sh -c \
    'grep "\"value\":\"damage\"" .out | grep -q "\"value\":\"cleared\""'
expect 0 'healing when nothing is wrong' at brent run files --kind heal --wait
expect 13 'a backup at the standby is refused' at southwark run files
says 'brent'
expect 0 'the copy can be restored and compared there' \
    at southwark run files --kind verify --how restore --wait

sshd_stop "$SSHD"
wait_for 20 sh -c "'$B' --socket brent/socket links | grep -q ' down '"
expect 0 'a dead link is noticed' at brent links
says 'down'
expect 0 'a backup goes on without it' at brent run files --wait
wait_for 20 jobs_have brent '"kind":"replicate".*"state":"waiting"'
holds 'the replication waits, and says for what' jobs_have brent \
    '"kind":"replicate".*"state":"waiting".*virgin. is down since'
at brent events --type link >.out
says 'down' 'up'
sshd_start "$SSHD" 127.0.2.1 "$PORT"
wait_for 40 sh -c \
    "[ \$('$B' --socket southwark/socket points files | grep -c complete) -ge 2 ]"
is 'the link comes back and the standby catches up' \
    "$(at southwark points files | grep -c complete | sed 's/[2-9]/more/')" more
wait_for 20 jobs_have brent '"kind":"replicate".*"state":"succeeded".*"attempt":1'
fails 'waiting was no failed attempt' jobs_have brent '"attempt":[2-9]'

daemon_stop southwark
is 'southwark ends cleanly' "$ended" 0
daemon_stop brent
is 'brent ends cleanly' "$ended" 0

# The service was moved while brent was away: its copy there is fenced.
python3 - southwark/repository/condemned 2 <<'END'
import glob, hashlib, struct, sys
for path in glob.glob(sys.argv[1] + "/epochs-*"):
    data = bytearray(open(path, "rb").read()[:-32])
    data[72:80] = struct.pack("<Q", int(sys.argv[2]))
    open(path, "wb").write(bytes(data) + hashlib.sha256(data).digest())
END
export BASCULE_KEY_FILE="$WORK/brent/key"
expect 0 'a backup of the old site' "$B" -r brent/repository backup \
    --service files --dataset tree data
expect 11 'is not taken any more' "$B" -r brent/repository replicate \
    --to "ssh://$(id -un)@127.0.2.1:$PORT$WORK/southwark/repository" \
    --known-hosts "$SSHD/known_hosts" --identity "$IDENTITY"
says 'fenced' 'epoch 2 here'
sshd_stop "$SSHD"
never_stumbled */log */state/jobs/*
finish
