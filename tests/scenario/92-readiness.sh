#!/bin/sh
# Could a service come up at the other site, now?  Every value measured by the
# site it is of, told with its age, and unknown as soon as it is not heard; and
# how far each copy is proved, until the plan changes.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/pair.sh"

mkdir data && echo one >data/a
pair_sshd readiness
pair_store
echo 30 >ttl
python3 "$TOP/tests/support/nameserver.py" 127.0.0.1 "$WORK/ns" files.example "$WORK/ttl" &
remember $!
wait_for 10 test -s ns
EXTRA="bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"4s\"; };"
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
pair_sites
# policy MEMORY LIMIT-OF-L STEP: what it has, what it asks for
policy() {
	{
		shared_policy | sed "s|role = \"datacentre\"; failure_domain = \"southwark\";|& capacity = { memory = \"$1\"; cpus = 8; disk = \"1TiB\"; };|
		    s|host_keys = \[ \"[^\"]*\" \]; } );|& |
		    s|\(name = \"s1.southwark\".*\)|\1|
		    /name = \"s1.southwark\"/,/host_keys/s|\] *; } *);|]; },\n      { name = \"app1.southwark\"; address = \"127.0.2.1\"; port = $PORT; user = \"$(id -un)\"; host_keys = [ \"$4\" ]; } );|"
		service_policy files "$RARELY" | sed "s|^  standby = |  needs = { memory = \"4GiB\"; cpus = 2; };\n  dns = ( { name = \"files.example\"; resolver = \"127.0.0.1:$(cat ns)\"; ttl_max = \"1m\"; } );\n  failover = { min_proof = \"$2\"; };\n&|
		    s|{ step = \"there\";|{ step = \"note\"; run = [ \"$3\" ]; on = \"app1.southwark\"; },\n    &|"
	} >shared.conf.new
	mv shared.conf.new shared.conf
}
OTHER=SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB
umask 077
policy 16GiB L3 true "$HOST_KEY"
holds 'the policy is good' "$B" policy check brent/bascule.conf
holds 'brent starts' daemon_start brent || finish
holds 'southwark starts' daemon_start southwark || finish

# row SITE-ASKED SITE CHECK: verdict and what was found
row() {
	at "$1" --json readiness files | python3 -c '
import json, sys
for line in sys.stdin:
    v = json.loads(line)
    if v["type"] == "readiness" and (v["site"], v["check"]) == (sys.argv[1], sys.argv[2]):
        print(v["verdict"], v["value"], sep=": ")' "$2" "$3"
}
has() { row "$1" "$2" "$3" | grep -q "$4"; }
# becomes NAME SITE-ASKED SITE CHECK PATTERN
becomes() {
	name=$1; shift
	if wait_for 20 has "$@"; then ok "$name"; else not_ok "$name: '$(row "$1" "$2" "$3")', not '$4'"; fi
}

expect 15 'southwark has no copy yet' at southwark readiness files --measure
says '^UNKNOWN  *southwark  *files  *key '
expect 0 'a backup' at brent run files --wait
wait_for 30 sh -c "'$B' --socket southwark/socket points files | grep -q complete"
becomes 'southwark measures itself again when the first has come' southwark southwark key '^OK: the key opens it'
expect 15 '... and when it is asked' at southwark readiness files --measure
says 'OK  *southwark  *-  *capacity .*memory: 4.0 GiB needed of 16.0 GiB, cpus: 2 needed of 8' \
    'OK  *southwark  *files  *dns-ttl .*files.example: 30' \
    'OK  *southwark  *files  *key .*the key opens it' \
    'NOT READY  *southwark  *files  *proof .*L2 (copied)' \
    'OK  *southwark  *files  *host-keys .*1 of 1 hosts' \
    'not needed  *southwark  *-  *etcd' 'NOT READY  *southwark  *-  *battle-box .*never'
becomes 'its clock is heard of' southwark southwark clock '^OK: .* apart'
becomes 'brent has it from the records of southwark' brent southwark key '^OK: the key opens it'
becomes '... so with its hosts' brent southwark host-keys '^OK: 1 of 1'
at brent --json readiness files | grep '"site":"southwark","service":"files","check":"key"' >.out
says '"source":"record of southwark"' '"age_seconds":'
is 'brent names no other host of its own' "$(row brent brent host-keys | cut -c1-10)" 'not needed'
expect 0 'the readiness of a site is recorded' at southwark events --type ready
records=$(at southwark --json events --type ready | grep -c '"type":"record"')
expect 15 'measured again' at southwark readiness --measure
is '... what did not change is not written again' \
    "$(at southwark --json events --type ready | grep -c '"type":"record"')" "$records"

# --- proof, and what ends it
begun=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
expect 0 'a restore is proved at southwark' at southwark run files --kind verify --how restore --wait
expect 0 'a head is signed' at southwark evidence export -o pack
becomes 'then the copy there is proved' southwark southwark proof '^OK: L4 (restored and compared)'
becomes '... which brent knows, too' brent southwark proof '^OK: L4'
expect 0 'the ladder' at brent report ladder files
says 'files  *brent  *southwark  *L4  *restored and compared  *stands' \
    'files  *brent  *southwark  *L6  *isolated test  *-'
expect 0 '... as CSV' at brent report ladder files --format csv
says '"files","brent","southwark","L4","restored and compared","stands"'
expect 0 '... as HTML' at brent report ladder files --format html
says '<td>restored and compared</td><td>stands</td>'
proved=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
policy 3GiB L6 false "$OTHER"
kill -HUP "$(cat southwark/pid)"
wait_for 10 sh -c "'$B' --socket southwark/socket events --type policy | grep -c loaded | grep -q 2"
becomes 'a policy that is loaded again is measured against' southwark southwark capacity '^NOT READY: .*needed of 3.0 GiB'
expect 15 'is another thing to prove' at southwark readiness files --measure
says 'NOT READY  *southwark  *files  *proof .*L0 (configured)' \
    'NOT READY  *southwark  *-  *capacity .*memory: 4.0 GiB needed of 3.0 GiB' \
    "NOT READY  *southwark  *files  *host-keys .*app1.southwark: .*SHA256"
expect 0 '... and the ladder says why' at southwark report ladder files
says 'L4  *restored and compared  *NEEDS VERIFY (plan)'
expect 0 '... which stood, by the policy that was in force then' at southwark report ladder files --as-of "$proved"
says 'as recorded at southwark by' 'L4  *restored and compared  *stands'
expect 0 '... in the same words' at southwark report ladder files --as-of "$proved" --format html
says 'As recorded at' '<td>restored and compared</td><td>stands</td>'
expect 0 '... and not before it was proved' at southwark report ladder files --as-of "$begun"
says 'L0  *configured  *stands' 'L4  *restored and compared  *-'

# --- what cannot be read is no matter of the key
cp -a southwark/repository/snapshots/files kept
for one in southwark/repository/snapshots/files/*; do
	chmod u+w "$one" # whoever is not root needs to
	: >"$one"
done
expect 15 'a copy whose snapshots are damaged' at southwark readiness files --measure
says 'NOT READY  *southwark  *files  *key .*cannot be read.*bascule -r REPOSITORY check'
cp -a kept/. southwark/repository/snapshots/files/
expect 15 'mended' at southwark readiness files --measure
says 'OK  *southwark  *files  *key .*the key opens it'

# --- unknown never passes
echo 300 >ttl
expect 15 'a name that is kept for too long' at southwark readiness files --measure
says 'NOT READY  *southwark  *files  *dns-ttl .*files.example: 5m'
expect 0 'status says that southwark is not ready' sh -c "'$B' --socket brent/socket --json status files | grep '\"type\":\"service\"' || true"
says '"readiness":{"site":"southwark","ready":false,"not_ready":\[' '"proof":"L'
expect 0 'status of one service says so in words' sh -c "'$B' --socket brent/socket status files || true"
says 'southwark is NOT READY for it; proved: L.*not ready: '

# --- what somebody promised, and what somebody dared
expect 0 'a risk is taken' at southwark exceptions grant dns-ttl 'the zone is not ours' \
    --owner ann --service files --expires 30d
says 'EXC-southwark-1 is open'
expect 15 'and never is a pass' at southwark readiness files
says 'NOT READY  *southwark  *files  *dns-ttl .*excepted by EXC-southwark-1'
expect 2 'for ever is too long' at southwark exceptions grant dns-ttl why --owner ann --expires 900d
expect 0 'it ends' at southwark exceptions end EXC-southwark-1 --reason 'moved the zone'
at southwark readiness files >.out
fails '... and stands no longer' grep -q excepted .out
expect 0 'something to be done' at southwark actions add 'lower the TTL' --owner ann \
    --council brent --service files --due 1s
wait_for 50 sh -c "'$B' --socket southwark/socket alarms | grep -q ACT-southwark-1"
expect 0 'past its day it is an alarm' at southwark alarms
says 'critical  *exercise  *files ACT-southwark-1'
expect 0 '... and said so' at southwark actions
says 'ACT-southwark-1  *open, OVERDUE'
expect 2 'nothing shows that it is done' at southwark actions close ACT-southwark-1
expect 0 'evidence does' at southwark actions close ACT-southwark-1 --evidence 'dig says 30'
says 'ACT-southwark-1 is done'
expect 0 'a retest verifies it' at southwark actions close ACT-southwark-1 --retest run7
expect 0 'it is off the list' at southwark actions
fails '...' grep -q ACT- .out
expect 0 'and still on record' at southwark actions --all
says 'verified .*run7'

expect 0 'a battle box is made' at brent box make -o box.tar --policy "$WORK/brent/bascule.conf"
is 'which readiness knows' "$(row brent brent battle-box | cut -c1-2)" OK

# --- again and again, at both sites, and nobody asks
expect 0 'where nothing is written it is every half hour' "$B" policy explain watch.readiness
says '30m'
measured() { at "$1" --json readiness files | sed -n 's/.*"type":"summary".*"measured":"\([^"]*\)".*/\1/p'; }
later() { is_now=$(measured "$1"); [ -n "$is_now" ] && [ "$is_now" != "$2" ]; }
for site in brent southwark; do
	echo 'watch = { readiness = "1s"; };' >>$site/bascule.conf
	loaded=$(at $site events --type policy | grep -c loaded)
	kill -HUP "$(cat $site/pid)"
	wait_for 20 sh -c "[ \$('$B' --socket $site/socket events --type policy | grep -c loaded) -gt $loaded ]"
	wait_for 30 later $site ''
	rounds=0
	while [ $rounds -lt 3 ]; do
		was=$is_now
		wait_for 30 later $site "$was" || break
		rounds=$((rounds + 1))
	done
	is "$site measures itself as often as its policy says" $rounds 3
done

daemon_stop southwark KILL
becomes 'a site that is silent is ready for nothing' brent southwark key \
    "^UNKNOWN: site 'southwark' is silent"
becomes '... nor up' brent southwark target-up '^UNKNOWN: heard'
expect 1 'a service that is not there' at brent readiness nothing
daemon_stop brent
sshd_stop "$WORK/sshd-brent"
sshd_stop "$WORK/sshd-southwark"
finish
