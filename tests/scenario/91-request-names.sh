#!/bin/sh
# One person under two names: an account that the system knows by two, and one in
# the groups of two councils.
. "$(dirname "$0")/../support/mounts.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/people.sh"

people_needed 'people of two names'
as() { # UID GROUPS COMMAND...
	uid=$1 groups=$2; shift 2
	HOME=/ setpriv --reuid "$uid" --regid "$uid" --groups "$groups" \
	    "$B" --socket "$WORK/brent/socket" "$@" </dev/null
}
chmod 711 "$WORK"
GAMES=5 MAN=6 MAIL=8 NEWS=9 NONE=65534
AUDIO=$(getent group audio | cut -d: -f3) VIDEO=$(getent group video | cut -d: -f3)
EXTRA='roles = ( { role = "dr-lead"; users = [ "games", "man", "also-man" ]; council = "brent"; },
  { role = "approver"; users = [ "mail", "also-mail" ]; council = "brent"; },
  { role = "approver"; groups = [ "audio" ]; council = "brent"; },
  { role = "approver"; groups = [ "video" ]; council = "southwark"; } );'
mkdir data southwark && echo one >data/a
site_new brent
PEOPLE=
policy() { # APPROVALS
	(
		umask 077
		{ shared_policy | sed 's/{ name = "brent"; title = "Brent"; share = 100; }/{ name = "brent"; title = "Brent"; share = 50; }, { name = "southwark"; title = "Southwark"; share = 50; }/'
		  echo "$PEOPLE"
		  REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy pages "$RARELY" |
		      sed "s/  plan = /  approvals = { unplanned = 2; $1 };&/"
		} >shared.conf
	)
}
policy 'planned = 2;'
holds 'a daemon' daemon_start brent || finish
chmod 666 brent/socket && chmod 711 brent
load() {
	loaded=$(grep -c 'loaded again' brent/log)
	kill -HUP "$(cat brent/pid)"
	holds 'the policy is loaded' wait_for 20 sh -c "[ \$(grep -c 'loaded again' brent/log) -gt $loaded ]"
}
ask() { # WHAT UID
	expect 0 "$1" as "$2" $NONE failover request pages --to southwark --reason "$1"
	run=$(head -n 1 .out)
}
standing() { at brent --json failover show "$run" | sed -n 's/.*"verdict":"\([0-9]* of [0-9]*\).*"approved":\([a-z]*\).*/\1 \2/p'; }

# --- two names of one number
if [ "${MOUNTS:-}" = own ] && cp /etc/passwd passwd && mount --bind "$WORK/passwd" /etc/passwd; then
	other() { # the same numbers by their other names
		{ sed -n 's/^\(man\|mail\):/also-&/p' /etc/passwd; cat /etc/passwd; } >passwd.other
		cat passwd.other >passwd
	}
	cp passwd passwd.was
	ask 'by man' $MAN
	other
	is 'man is called otherwise now' "$(getent passwd $MAN | cut -d: -f1)" also-man
	expect 13 'man cannot approve under his other name' as $MAN "$NONE" approve "$run"
	says "G03: 'also-man' asked for run $run and cannot approve it: to us the same person as 'man'"
	cat passwd.was >passwd
	ask 'by games' $GAMES
	expect 0 'mail approves' as $MAIL $NONE approve "$run"
	other
	expect 1 'and not again as also-mail' as $MAIL "$NONE" approve "$run"
	says "'also-mail' has said so already, as 'mail': a person counts once"
	expect 0 'nor in other words' as $MAIL $NONE approve "$run" --reason 'I am another'
	is 'it is one of two' "$(standing)" '1 of 2 false'
	cat passwd.was >passwd
	umount /etc/passwd
else
	skip 'two names of one number' 'no mount namespace of its own'
fi

# --- the groups of two councils
policy 'planned = 1; from_other_council = true;'
load
ask 'of brent' $GAMES
expect 0 'one in the groups of both approves' as $NEWS "$AUDIO,$VIDEO" approve "$run"
says 'approve by news of brent'
is 'and is of the first that the policy names' "$(standing)" '1 of 1 false'
expect 0 'in other words, by a login of the other group alone' as $NEWS "$VIDEO" approve "$run" --reason 'as southwark'
is 'the same person is of no second council' "$(standing)" '1 of 1 false'
sed -i 's/groups = \[ "audio" \]/groups = [ "swap" ]/; s/groups = \[ "video" \]/groups = [ "audio" ]/; s/groups = \[ "swap" \]/groups = [ "video" ]/' brent/bascule.conf
load
ask 'of brent again' $GAMES
expect 0 'by another policy' as $NEWS "$AUDIO,$VIDEO" approve "$run"
is 'that one decides' "$(standing)" '1 of 1 false'
sed -i 's/groups = \[ "video" \]; council = "brent"/groups = [ "video" ]; council = "southwark"/; s/groups = \[ "audio" \]; council = "southwark"/groups = [ "audio" ]; council = "brent"/' brent/bascule.conf
load
ask 'of brent once more' $GAMES
expect 0 'where the other council is named first' as $NEWS "$AUDIO,$VIDEO" approve "$run"
says 'approve by news of southwark'
is 'it is of that' "$(standing)" '1 of 1 true'
PEOPLE='people = ( { name = "news"; council = "brent"; } );'
policy 'planned = 1; from_other_council = true;'
load
ask 'of brent at last' $GAMES
expect 0 'whose council the policy names' as $NEWS "$AUDIO,$VIDEO" approve "$run"
is 'is of that one, whatever the groups' "$(standing)" '1 of 1 false'
daemon_stop brent
never_stumbled ./*/log
finish
