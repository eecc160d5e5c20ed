#!/bin/sh
# What a key has signed is one word: whoever writes a site's ledger, with that
# site's own key, records it again after it was taken back, and it does not count.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/people.sh"

people_needed 'signed words'
. "$TOP/tests/support/append.sh"
as() { person_at brent "$@"; } # UID COMMAND...
chmod 711 "$WORK"
LEAD=5 MAIL=8
EXTRA='roles = ( { role = "dr-lead"; users = [ "games" ]; council = "brent"; },
  { role = "approver"; users = [ "mail" ]; council = "brent"; } );'
fingerprint=$("$B" key person mine.key)
chown mail mine.key
mkdir data southwark && echo one >data/a
site_new brent
(umask 077
 { shared_policy
   echo "people = ( { name = \"mail\"; key = \"$fingerprint\"; } );"
   REPLICATE='replicate = { to = [ "southwark" ]; within = "5m"; };' service_policy pages "$RARELY"
 } >shared.conf)
start() {
	holds 'a daemon' daemon_start brent || finish
	chmod 666 brent/socket && chmod 711 brent
}
# What there is, for `again`, while somebody can be asked.
keep() { at brent --json events >events-brent; }
start
standing() { at brent --json failover show "$run" | sed -n 's/.*"verdict":"\([0-9]* of [0-9]*\).*/\1/p'; }
expect 0 'asked for' as $LEAD failover request pages --to southwark --reason cooling
run=$(head -n 1 .out)
expect 0 'signed' as $MAIL approve "$run" --key mine.key
is 'it counts' "$(standing)" '1 of 1'
expect 0 'taken back' as $MAIL approve "$run" --key mine.key --withdraw
is 'it counts no more' "$(standing)" '0 of 1'
keep && daemon_stop brent
holds 'root records the approval again' again brent "$run" approve
holds '... and once more, as of another account' again brent "$run" approve @uid=99 @actor=mail:southwark
start
is 'it counts no more' "$(standing)" '0 of 1'
expect 0 'signed anew it is a new word' as $MAIL approve "$run" --key mine.key
is '... which counts' "$(standing)" '1 of 1'
expect 0 'an attestation' as $MAIL approve "$run" --key mine.key --attest 'power is off'
keep && daemon_stop brent
holds 'root records it with another method' again brent "$run" attest reason='disks pulled'
start
at brent failover show "$run" >.out
says 'power is off'
fails '... which nobody is shown' grep -q 'disks pulled' .out

# --- released: of whom has a key by its signature alone, once
daemon_stop brent
sed -i "s|^policy = |bridge = { identity = \"$WORK/none\"; every = \"1s\"; };\n&|" brent/bascule.conf
start
resolve() { # UID [OPTION...]
	uid=$1; shift
	as $uid hold resolve pages --owner brent --confirm brent "$@"
}
expect 0 'southwark was not heard: in quarantine' at brent hold inspect pages
says QUARANTINED
expect 13 'who has a key signs' resolve $MAIL
says "names a key of 'mail': without its signature nothing counts" 'bascule hold resolve pages --owner brent --key FILE'
expect 13 'who has none does not' resolve $LEAD --key mine.key
expect 0 'a dry run' resolve $MAIL --key mine.key --dry-run
expect 0 'signed' resolve $MAIL --key mine.key --reason 'the hall is dark'
says 'one person has said so'
at brent --json events >events-brent
daemon_stop brent
holds 'root records it again, as of another account' again brent "$run" release @uid=99 @actor=mail:southwark
holds '... and one in its name that nobody signed' append brent approval @service=pages @uid=98 @actor=mail verb=release reason=brent
holds '... and one by whom the policy names no key' append brent approval @service=pages @uid=97 @actor=news verb=release reason=southwark
start
expect 0 'they are still one' at brent hold inspect pages
says QUARANTINED
expect 0 'a second person' resolve $LEAD
says 'two people have said so'
at brent hold inspect pages >.out
fails 'it is released' grep -q QUARANTINED .out
daemon_stop brent
never_stumbled ./*/log
finish
