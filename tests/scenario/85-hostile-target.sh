#!/bin/sh
# A site whose receiver lies, before the daemon that replicates there by schedule:
# the daemon answers meanwhile, status and the record say what happened, nothing is
# believed to be there, nobody sees what was not to be sent, no worker outgrows what
# the policy gives it, and when the receiver is honest again the next run does it.
# What else it may say 85-hostile-receiver tries.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

mkdir data sshd southwark && head -c 3000000 /dev/urandom >data/noise
echo 'what nobody may see' >data/canary
sshd_keys "$WORK/sshd"
serves() { # COMMAND
	printf 'command="%s",restrict %s\n' "$1" \
	    "$(cat sshd/id_ed25519.pub)" >sshd/authorized_keys
}
lies() { serves "exec python3 -SE $TOOLS/hostile_receiver.py $1 $WORK/heard"; }
lies died
if ! sshd_start "$WORK/sshd" 127.0.2.1; then
	skip 'a hostile target' 'no sshd can be started here'
	finish
fi
PORT=$(cat sshd/port)
HOST_KEY=$(ssh-keygen -lf sshd/host_ed25519.pub | awk '{ print $2 }')
IDENTITY=$WORK/sshd/id_ed25519
EXTRA='limits = { memory = "256MiB"; };'
site_new brent
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'brent starts' daemon_start brent || finish
up() { at brent links | grep -q ' up '; }
wait_for 15 up

# --- by itself, after a backup
expect 0 'a backup' at brent run files --wait
retries() { at brent --json jobs | grep -q '"state":"retrying"'; }
wait_for 30 retries
at brent --json jobs | grep '"state":"retrying"' >.out
says '"trigger":"\(after a backup\|behind\)"' 'the far side was ended by signal KILL'
at brent status >.out
says 'replicate failed, attempt 1: .*the far side was ended by signal KILL' \
    "no point has reached 'southwark' yet"

# --- asked for
# meets MODE CODE WORDS STATE
meets() {
	lies "$1"
	at brent run files --kind replicate --wait >.said 2>&1 &
	asked=$!
	at brent --json status >.out
	holds "$1: the daemon answers" grep -q '"type":"summary"' .out
	wait $asked
	is "$1: ends with $2" $? "$2"
	holds "$1: says why" grep -q -- "$3" .said
	at brent --json jobs | grep "\"actor\":\"$(id -un)\"\|\"trigger\":\"asked" | tail -n 1 >.out
	says "\"state\":\"$4\".*$3"
	at brent --json events --type job | tail -n 4 >.out
	says "$3"
	at brent points files >.out
	fails "$1: nothing is there" grep -q southwark .out
	is "$1: nothing that moves a terminal" "$(cat .said .out | LC_ALL=C \
	    grep -ca "$(printf '[\033\007\001\233]')")" 0
}
meets no-snapshot 3 'an acknowledgement that is no good' partial
meets want-none 3 'an acknowledgement that is no good' partial
at brent alarms >.out
says 'warning  replicate  *files southwark  *stands'
meets settled-more 1 'malformed SETTLED message' failed
meets settled-for-ever 1 'the far side says the same without end' failed
meets noise 1 'does not speak store serve' failed
meets silence 75 'has not answered for 15 seconds' failed

# --- what it heard, and what it did to us
clear() { grep -qa 'what nobody may see' heard; }
fails 'nothing was said in the clear' clear
holds 'although it heard something' test "$(wc -c <heard)" -ge 3000000
is 'the daemon is not big' "$(awk '/VmHWM/ { print ($2 < 262144) ? 1 : $2 }' \
    "/proc/$(cat brent/pid)/status")" 1

# --- honest again
serves "$B -r $WORK/southwark/repository store serve --allow put --sign $WORK/ack.key"
expect 0 'the next run does it' at brent run files --kind replicate --wait
there() { at brent points files | grep -q 'southwark'; }
holds 'and the point is there' there
at brent alarms >.out
fails 'the alarm is over' grep -q 'replicate  *files southwark  *stands' .out
expect 0 'whole' "$B" -r southwark/repository check --read
daemon_stop brent
is 'brent ends cleanly' "$ended" 0
never_stumbled brent/log brent/state/jobs/*
finish
