#!/bin/sh
# Somebody is root at Brent.  He encrypts what is backed up and lets it be
# replicated, which is suspect and pins the point before, rolls the repository back and goes on from there, deletes and
# overwrites all he can reach, and tries Southwark with Brent's key.  All that
# Southwark had promised to keep is restored byte for byte, and its alarm
# says where Brent went another way.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

if ! lab_up; then
	skip 'ransomware' 'no sshd can be started here'
	finish
fi
lab_site brent
lab_site southwark
lab_permit southwark brent "$B -r $WORK/southwark/repository store serve --allow put"
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; immutable_for = "30d"; };'
(umask 077; { lab_policy; service_policy files 12h 24h; } >shared.conf)
mkdir data brent/loot
seq 30000 >data/register
cp -R "$TOP/lib/replicate" data/papers
export BASCULE_KEY_FILE="$WORK/family.key"

points() { at southwark --json points files 2>/dev/null | grep -c '"complete":true'; }
came() { # COUNT of points at southwark
	wait_for 30 sh -c "[ \$('$B' --socket southwark/socket --json points files |
	    grep -c '\"complete\":true') -ge $1 ]"
}
back_up() { # NUMBER
	at brent run files --wait >.out 2>.err && came "$1"
}
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
n=0
while [ $n -lt 3 ]; do
	n=$((n + 1))
	echo "entry $n" >>data/register
	head -c 20000 /dev/urandom >data/picture$n
	cp -a data true$n
	holds "point $n is at southwark" back_up $n
	# What was there early is what one rolls back to.
	[ $n != 1 ] || cp -a brent/repository brent/loot/early
done
trees() { # the snapshots of the tree at southwark, oldest first
	"$B" -r southwark/repository --json snapshots |
	    grep '"dataset":"tree"' | sed 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/'
}
trees | head -n 3 >promised
find southwark/repository/snapshots southwark/repository/points -type f |
    sort | xargs sha256sum >kept

# --- he encrypts what is backed up, and it is replicated as ever
root_of_brent() { lab_on brent sh -c "$1" >.out 2>.err </dev/null; }
root_of_brent 'cd data && for f in register picture* papers/*; do
	head -c $(($(stat -c %s $f) + 16)) /dev/urandom >$f.locked && rm $f; done'
echo 'pay' >data/README.locked
at brent run files --wait >.out 2>.err
came 4
doubted() { at southwark --json points files | sed -n 1p | grep -q '"suspect":true'; }
wait_for 20 doubted
holds 'the point that is noise is suspect' doubted
is 'and no other is' "$(at southwark --json points files | grep -c '"suspect":true')" 1
expect 0 'the one before it is pinned' "$B" -r southwark/repository store holds
says 'turned to noise' "keeps .*$(tail -n 1 promised | cut -c1-12)"
expect 0 'it is an alarm' at southwark alarms
says 'suspect .*stands .*noise'
at southwark status >.out
says 'the newest point is suspect'
at southwark --json events --type point >.out
says '"suspect","value":"1".*"why","value":".*is suspect'

# --- he rolls back and goes on from there
daemon_stop brent
root_of_brent 'rm -rf brent/repository brent/state &&
	cp -a brent/loot/early brent/repository'
holds 'brent begins again, as of the first point' lab_daemon brent
at brent run files --wait >.out 2>.err
wait_for 20 jobs_have brent '"kind":"replicate".*"state":"\(succeeded\|partial\|failed\|retrying\)"'
daemon_stop brent

# --- he deletes and overwrites
root_of_brent 'find brent/repository brent/state -type f -exec sh -c "
	chmod u+w \"\$1\"; head -c 4096 /dev/urandom >\"\$1\"" sh {} \;
	rm -rf brent/repository/packs brent/state'
if [ "$LAB" = namespaces ]; then # it is another host
	root_of_brent 'rm -rf southwark/* "'"$WORK"'/southwark/repository"
		mkdir -p southwark/repository && : >southwark/repository/format'
fi
fails 'nothing is left at brent' "$B" -r brent/repository check

# --- he has Brent's key to Southwark
at_southwark() { # COMMAND..., over its words
	over=$1; shift
	lab_on brent timeout 10 "$over" -F none -o BatchMode=yes -q \
	    -o UserKnownHostsFile="$WORK/known_hosts" \
	    -i "$WORK/brent/ssh/id_ed25519" "$@" >.out 2>.err
}
there=$(id -un)@$(lab_address southwark virgin)
repo=$WORK/southwark/repository
fails 'a command' at_southwark ssh -p "$LAB_PORT" "$there" "rm -rf $repo" </dev/null
echo "rm -rf $repo" | fails 'a shell' at_southwark ssh -p "$LAB_PORT" "$there"
printf 'rm %s/format\nput %s %s/format\n' "$repo" "$WORK/promised" "$repo" >batch
fails 'sftp' at_southwark sftp -P "$LAB_PORT" -b batch "$there"
fails 'scp' at_southwark scp -P "$LAB_PORT" promised "$there:$repo/format"
for type in 15 128; do # deletion in any spelling
	printf "\\040\\000\\000\\000\\$(printf %o $type)\\000\\000\\000%032d" 0 |
	    fails "message $type" at_southwark ssh -p "$LAB_PORT" "$there"
done
head -c 3000000 /dev/urandom |
    fails 'noise' at_southwark ssh -p "$LAB_PORT" "$there"

# --- and Southwark?
holds 'no file of what was kept has changed' sha256sum --quiet -c kept
expect 0 'every byte is whole' "$B" -r southwark/repository check --read
n=0
while read -r snapshot; do
	n=$((n + 1))
	expect 0 "point $n" "$B" -r southwark/repository restore "$snapshot" \
	    --to "back$n"
	same 'byte for byte' "true$n" "back$n$WORK/data"
done <promised
is 'all three' $n 3
expect 15 'what was promised is not let go, here neither' \
    "$B" -r southwark/repository forget "$(tail -n 1 promised)"
says 'promised\|is held'
expect 0 'where the series went two ways is named' \
    "$B" -r southwark/repository store holds
says 'the series went two ways of files/tree'
alarmed() { at southwark alarms | grep -q divergence; }
wait_for 20 alarmed
expect 0 'it is an alarm' at southwark alarms
says 'critical  *divergence  *files tree\|critical .*divergence .*the series went two ways'
at southwark --json events --type alarm >.out
says '"state","value":"raised".*"on","value":"divergence".*the series went two ways'
daemon_stop southwark
is 'southwark ends cleanly' "$ended" 0
finish
