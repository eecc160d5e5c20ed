#!/bin/sh
# A tier, or everything, to a site that has no room for all of it: in which order,
# who has room before whom, who would be shed, and who would run without what it
# depends on; said before anything is asked for, and when it is.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data southwark && echo one >data/a
EXTRA="roles = ( { role = \"dr-lead\"; users = [ \"$(id -un)\" ]; council = \"brent\"; } );"
site_new brent
service() { # NAME TIER MEMORY [MORE] [HOME STANDBY]
	cat <<END
service = { name = "$1"; title = "$1"; owner = "brent"; tier = $2; home = "${5:-brent}"; standby = "${6:-southwark}";
  rpo = "24h"; rto = "4h"; needs = { memory = "$3"; }; ${4:-} live_root = "$WORK/live";
  datasets = ( { name = "tree"; tree = "$WORK/data"; } );
  backup = { every = "12h"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "${6:-southwark}" ]; within = "5m"; };
  plan = ( { step = "tree"; restore = "tree"; }, { step = "there"; check = { command = [ "true" ]; }; after = [ "tree" ]; } ); };
END
}
policy() { # MEMORY OF identity
	{
		shared_policy | sed 's|role = "datacentre"; failure_domain = "southwark";|& capacity = { memory = "16GiB"; };|'
	} >shared.conf
	mkdir -p services
	rm -f services/*
	service calls 1 6GiB 'depends = [ "identity" ];' >services/calls.conf
	service identity 3 "$1" >services/identity.conf
	service web 2 4GiB >services/web.conf
	service archive 3 8GiB >services/archive.conf
	service desk 2 2GiB '' southwark brent >services/desk.conf
}
(umask 077; policy 4GiB)
sed -i 's|shared.conf" |shared.conf", "../services" |' brent/bascule.conf
daemon_start brent || finish

expect 0 'everything' at brent failover plan --all --to southwark
is 'what is depended on goes first, whatever its tier' \
    "$(sed -n 's/^\([a-z]*\): brent -> southwark.*, tier \([0-9].*\)/\1 \2/p' .out | tr '\n' ';')" \
    'web 2;archive 3;identity 3;calls 1, after identity;'
says 'memory: 24.0 GiB needed of 16.0 GiB: NOT ENOUGH' \
    'would be shed: archive (tier 3): there is no room for it beside those of higher tiers' \
    'there is NO ROOM at southwark for 1 of those that would run there'
fails 'what the first tier depends on is not shed' grep -q 'shed: identity' .out
expect 0 'a request of it' at brent failover request --all --to southwark --reason storm
says 'there is NO ROOM at southwark for 1 of those' 'a start is refused until'
expect 0 'is shown with who has none' at brent failover show "$(head -n 1 .out)"
says 'NO-ROOM  *archive'
expect 1 'nobody of that name is shed' at brent failover request --all --to southwark --reason storm --shed nobody
says "there is no service 'nobody' to be shed"
expect 0 'another than who has no room' at brent failover request --all --to southwark --reason storm --shed identity
says 'NO ROOM at southwark for 1 of those'
expect 2 'nobody is left' at brent failover request archive --to southwark --reason storm --shed archive
expect 0 'what it would be with a word' at brent failover plan --all --to southwark --shed archive
says 'is shed: archive (tier 3): as was said: it does not come' 'memory: 16.0 GiB needed of 16.0 GiB$'
fails 'who is shed does not come' grep -q '^archive:\|NO ROOM' .out
expect 0 'who is shed is said' at brent failover request --all --to southwark --reason storm --shed archive
run=$(head -n 1 .out)
expect 0 'and shown' at brent failover show "$run"
says 'shed  *archive, which does not come'
fails 'who is shed is none of the run' grep -q 'service.*archive\|NO ROOM' .out
expect 0 'by the API, too' at brent --json failover show "$run"
is 'by name' "$(field shed)" archive
expect 0 'who runs there makes room, if that is said' \
    at brent failover request --all --to southwark --reason storm --shed archive,desk
expect 0 'and shown' at brent failover show "$(head -n 1 .out)"
says 'shed  *desk, which runs there and is stopped first' 'shed  *archive, which does not come'
expect 0 'a tier alone' at brent failover plan --tier 1 --to southwark
says '^calls: .*, WITHOUT what stays: identity' '1 would run WITHOUT what it depends on'
fails 'which has room' grep -q 'NO ROOM\|shed' .out
expect 0 'a request of it' at brent failover request --tier 1 --to southwark --reason storm
says '1 would run WITHOUT what it depends on'
expect 0 'both' at brent failover plan calls identity --to southwark
fails 'lack nothing' grep -q 'WITHOUT\|NO ROOM' .out

(umask 077; policy 20GiB)
daemon_stop brent
holds 'no room for what all depends on' daemon_start brent
expect 0 'then those who need it have none' at brent failover plan --all --to southwark
says 'would be shed: identity (tier 3): there is no room' \
    "would be shed: calls (tier 1): it depends on 'identity', for which there is no room" \
    'there is NO ROOM at southwark for 2 of those'
fails 'and the others have it' grep -q 'shed: archive\|shed: web\|shed: desk' .out
daemon_stop brent
never_stumbled ./*/log
finish
