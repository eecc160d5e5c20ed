#!/bin/sh
# What the receiving site decides by itself, with a daemon that has no key:
# what came stays as long as was promised, whatever the policy says later;
# deletions stay where they are made; a clone of the source is refused; what
# turned to noise is suspect; what is damaged is healed from the other copy.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

. "$TOP/tests/support/sshd.sh"
SSHD=$WORK/sshd
mkdir "$SSHD"
if ! sshd_start "$SSHD"; then
	skip 'the rules of a replica' 'no sshd can be started here'
	finish
fi
FAR="ssh://$(id -un)@127.0.0.1:$(cat "$SSHD/port")"
WAY="--known-hosts $SSHD/known_hosts --identity $SSHD/id_ed25519 --remote-bascule $B"
R=$WORK/southwark/repository
push() { "$B" -r "$1" replicate $WAY --to "$FAR$R"; }
save() { "$B" -r "$1" backup --service files --dataset one data; }

REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; immutable_for = "30d"; };'
site_new brent
export BASCULE_KEY_FILE="$WORK/brent/key"
A=$WORK/brent/repository
mkdir southwark data
seq 1 400000 | split -b 60000 - data/text-
(
	umask 077
	sed 's|brent|southwark|g; s|key_file = "key"; ||' brent/bascule.conf \
	    >southwark/bascule.conf
	{ shared_policy; service_policy files "$RARELY"; } >shared.conf
)
expect 0 'a backup' save "$A"
expect 0 'its copy' push "$A"
holds 'a daemon without a key looks after it' daemon_start southwark || finish
wait_for 20 grep -q . "$R/condemned/receipts.bak"
expect 0 'it prunes there, without a key' at southwark run files --kind prune --wait
expect 0 'and reads all of it again' at southwark run files --kind verify --wait

unset BASCULE_KEY_FILE
expect 15 'what was promised may not be forgotten' "$B" -r "$R" forget latest
says 'promised to stay 30d' 'and not before'
sed -i 's/immutable_for = "30d"/immutable_for = "1d"/' shared.conf
daemon_stop southwark; daemon_start southwark
expect 0 'a policy that promises less' at southwark run files --kind prune --wait
expect 15 'takes nothing back' "$B" -r "$R" forget latest
says 'promised to stay 30d'
"$B" -r "$R" prune --keep-last 1 --undelete-age 0 >.out 2>&1
is 'prune does not either' "$("$B" -r "$R" snapshots | grep -c files)" 1

export BASCULE_KEY_FILE="$WORK/brent/key"
expect 0 'the administrator asks' "$B" -r "$R" forget --early latest
expect 15 'and has to wait' "$B" -r "$R" forget latest
says 'asked for it to go earlier'

cp -a "$A" clone
echo more >>data/text-aa; expect 0 'the source goes on' save "$A"
expect 0 'which is taken' push "$A"
echo else >>data/text-ab; expect 0 'and so does a clone of it' save "$WORK/clone"
expect 3 'which is refused' push "$WORK/clone"
says 'went two ways' 'the last that both have'
"$B" -r "$R" store holds >.out
says divergence 'went two ways'
wait_for 20 sh -c "'$B' --socket southwark/socket status | grep -q 'went two ways'"
at southwark status >.out
says 'went two ways'

for f in data/*; do head -c "$(stat -c %s "$f")" /dev/urandom >"$f"; done
expect 0 'all is encrypted' save "$A"
expect 0 'and replicated' push "$A"
# It looks when it starts, and when points come: these backups make none.
daemon_stop southwark; daemon_start southwark
wait_for 20 sh -c "'$B' -r '$R' store holds | grep -q 'turned to noise'"
"$B" -r "$R" store holds >.out
says 'turned to noise'
wait_for 10 sh -c "'$B' --socket southwark/socket status | grep -q 'turned to noise'"
at southwark status >.out
says 'turned to noise'
daemon_stop southwark

unset BASCULE_KEY_FILE
find "$R/packs" -type f | sort | while read -r f; do
	chmod u+w "$f"
	printf 'xyz' | dd of="$f" bs=1 seek=70 conv=notrunc 2>/dev/null
done
expect 4 'damage' "$B" -r "$R" check --read
expect 5 'is healed from the other copy' "$B" -r "$R" heal $WAY --from "$FAR$A"
says "byte for byte as it was: .* bytes from 'ssh:"
expect 0 'all of it' "$B" -r "$R" check --read
sshd_stop "$SSHD"
finish
