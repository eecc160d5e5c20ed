#!/bin/sh
# The laboratory itself: hosts see each other over the links and nowhere else, a
# cut is a cut, what is slow is slow; then two daemons replicate across it.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

if ! lab_up; then
	skip 'a laboratory' 'no sshd can be started here'
	finish
fi
ssh_over() { # LINK COMMAND...: from brent to southwark
	over=$1; shift
	lab_on brent ssh -o BatchMode=yes -o ConnectTimeout=2 -p "$LAB_PORT" \
	    -o UserKnownHostsFile="$WORK/known_hosts" -F none \
	    -i "$WORK/brent/ssh/id_ed25519" \
	    "$(id -un)@$(lab_address southwark "$over")" "$@"
}
# Nothing answers there, or says who it is.
speaks() { # HOST ADDRESS
	lab_on "$1" timeout 2 sh -c "ssh-keyscan -T 1 -t ed25519 -p $LAB_PORT $2 |
	    grep -q ed25519"
}
ms() { date +%s%3N; }

# --- hosts
if [ "$LAB" = namespaces ]; then
	for host in $LAB_HOSTS; do
		is "$host is a host" "$(lab_on "$host" hostname)" "$host"
	done
	holds 'whose folders are its own' test -r brent/ssh/id_ed25519
	fails 'not another host'\''s' \
	    lab_on southwark ls "$WORK/brent/ssh/id_ed25519"
	fails 'lewisham is joined to nothing' \
	    speaks lewisham "$(lab_address southwark virgin)"
	fails 'what is no address of a link goes nowhere' \
	    speaks brent "$(lab_address southwark)"
fi
lab_link witness lewisham southwark
holds 'a third link' speaks lewisham "$(lab_address southwark witness)"
fails 'a key that is not permitted gets nowhere' ssh_over virgin true
lab_permit southwark brent
for link in virgin bt; do
	expect 0 "over $link" ssh_over $link 'cat; echo $SSH_CONNECTION'
	says "^$(lab_address brent $link) .*$LAB_PORT\$"
done

# --- a cut is a cut, of that link, for as long as it lasts
ssh_over virgin 'cat /dev/zero' >/dev/null 2>&1 &
stream=$!
lab_wait virgin 1000000
lab_cut virgin
before=$(lab_carried virgin)
fails 'a link that is cut does not answer' \
    speaks brent "$(lab_address southwark virgin)"
holds 'the other does' speaks brent "$(lab_address southwark bt)"
is 'nothing came through' "$(lab_carried virgin)" "$before"
holds 'nobody was told' kill -0 $stream
lab_mend virgin
holds 'mended it goes on where it was' lab_wait virgin 1000000
lab_at virgin 500000 reset
wait $stream
is 'a reset ends it' $? 255
fails 'and is seen at once' speaks brent "$(lab_address southwark virgin)"
lab_mend virgin
holds 'mended it answers' speaks brent "$(lab_address southwark virgin)"

# --- slow is slow, far is far: no faster than that, however busy we are
lab_slow bt 8Mbit
began=$(ms)
is 'a megabyte over a slow link' \
    "$(ssh_over bt 'head -c 1000000 /dev/zero' | wc -c)" 1000000
holds 'takes its second' test $(($(ms) - began)) -ge 900
lab_slow bt 0
lab_delay bt 250
began=$(ms)
holds 'far away' ssh_over bt true
holds '... is four round trips and more' test $(($(ms) - began)) -ge 1000
# There and back at once, as slow as it is far: every byte, in order.
lab_delay bt 20
lab_slow bt 40Mbit
head -c 2000000 /dev/urandom >noise
ssh_over bt cat <noise >noise.back
holds 'what comes back is what went' cmp noise noise.back
lab_delay bt 0
lab_slow bt 0

# --- two daemons
mkdir data && head -c 300000 /dev/urandom >data/noise
lab_site brent
lab_site southwark
: >southwark/ssh/authorized_keys
lab_permit southwark brent "$B -r $WORK/southwark/repository store serve --allow put"
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
(umask 077; { lab_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
wait_for 15 sh -c "[ \$('$B' --socket brent/socket links | grep -c ' up ') = 2 ]"
expect 0 'both links' at brent links
says 'virgin  *southwark .* up' 'bt  *southwark .* up'
carried=$(lab_carried virgin)
expect 0 'a backup' at brent run files --wait
wait_for 30 sh -c "'$B' --socket southwark/socket points files | grep -q complete"
expect 0 'is replicated' at southwark points files
says 'complete'
holds 'over the link that is preferred' \
    test $(($(lab_carried virgin) - carried)) -gt 300000
for site in brent southwark; do
	daemon_stop $site
	is "$site ends cleanly" "$ended" 0
done
finish
