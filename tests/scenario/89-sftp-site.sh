#!/bin/sh
# A site whose server has only SFTP, by policy: the daemon keeps the copy there
# over the links, says what such a server does not give, and at home the last
# point that both have outlives a prune by hand.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

mkdir data && echo one >data/a
SSHD=$WORK/sshd
SSHD_OPTIONS='ForceCommand internal-sftp'
if ! sshd_start "$SSHD" 127.0.2.1; then
	skip 'a site with SFTP alone' 'no sshd can be started here'
	finish
fi
PORT=$(cat "$SSHD/port")
HOST_KEY=$(ssh-keygen -lf "$SSHD/host_ed25519.pub" | awk '{ print $2 }')
IDENTITY=$SSHD/id_ed25519
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
site_new brent
mkdir southwark
(
	umask 077
	{ shared_policy; service_policy files "$RARELY"; } |
	    sed 's/name = "southwark";/& transport = "sftp";/' >shared.conf
)
holds 'it starts' daemon_start brent || finish
wait_for 15 sh -c "'$B' --socket brent/socket links | grep -q ' up '"
expect 0 'a backup' at brent run files --wait
wait_for 30 jobs_have brent '"kind":"replicate".*"state":"succeeded"'
holds 'is replicated' jobs_have brent '"kind":"replicate".*"state":"succeeded"'
at brent points files >.out
says 'brent southwark\|southwark brent'
job=$(at brent jobs | awk '/replicate/ { print $1; exit }')
at brent job "$job" --log >.out
says 'over link virgin' 'only SFTP, and does not give'
at brent job "$job" >.out
says 'carried .*virgin'
for where in 'links' 'status files'; do
	# shellcheck disable=SC2086
	at brent --json $where >.out
	says '"guarantees_missing":\["nobody there verifies' 'no receiver signs'
done
at brent links >.out
says 'southwark, SFTP alone'
at brent status files >.out
says 'the copy at southwark is without a guarantee: nothing there refuses'
"$B" --json events --ledger brent/state/ledger.db --type job >.out
says '"guarantees_missing","value":"nobody there verifies.*no receiver signs'
export BASCULE_KEY_FILE="$WORK/brent/key"
expect 0 'the copy checks' "$B" -r southwark/repository check --open
expect 0 'and restores' "$B" -r southwark/repository restore latest:files/tree --to back
is 'what was backed up' "$(find back -name a -exec cat {} +)" one
expect 0 'the last point of both is held' "$B" -r brent/repository store holds
says 'cursor .*southwark' 'the last point that site .southwark. has too'
kept=$(sed -n 's/^ *keeps //p' .out)
daemon_stop brent
is 'brent ends cleanly' "$ended" 0
echo two >data/a
expect 0 'another backup' "$B" -r brent/repository backup --service files \
    --dataset tree data
expect 0 'a prune by hand' "$B" -r brent/repository prune --keep-last 1
expect 0 'leaves it' "$B" -r brent/repository snapshots
says $kept
sshd_stop "$SSHD"
finish
