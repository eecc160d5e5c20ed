#!/bin/sh
# Two daemons that ask each other over sshd: each knows how the other is, keeps
# a copy of its ledger that it has proved, and alarms when it falls silent or
# tells another history.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/pair.sh"

mkdir data && echo one >data/a
pair_sshd 'the bridge'
EXTRA="bridge = { identity = \"$WORK/id_bridge\"; every = \"1s\"; silent_after = \"4s\"; };"
pair_sites
(
	umask 077
	{ shared_policy; service_policy files "$RARELY"; } >shared.conf
)
holds 'brent starts' daemon_start brent || finish
holds 'southwark starts' daemon_start southwark || finish
heard() { wait_for 20 sh -c "'$B' --socket $1/socket --json status | grep '\"type\":\"peer\"' | grep -q '$2'"; }
heard southwark '"state":"heard"'
# Brent may have spoken before it had looked at its services.
heard southwark '"behind":1,'
expect 6 'southwark hears brent' at southwark status
says 'site brent said .* ago: 1 behind'
heard brent '"state":"heard"'
expect 6 'and brent southwark' at brent status
says 'site southwark said'
expect 0 'sites has the last word' at southwark sites
says 'brent  .*LAST WORD\|brent .*20[0-9][0-9]-'

expect 0 'a backup at brent' at brent run files --wait
expect 0 'brent signs a head' at brent evidence export -o pack
heard southwark '"rpo_state":"OK"'
holds 'southwark knows that brent is well' sh -c "'$B' --socket southwark/socket --json status | grep -q '\"service\":\"files\",\"rpo_state\":\"OK\"'"
at southwark --json status | grep '"type":"peer"' >.out
says '"point_at":"20' '"links":\[{"link":"virgin","state":"up"}\]'
wait_for 10 sh -c "'$B' --socket southwark/socket events --site brent --type job | grep -q succeeded"
expect 0 'brent records can be read at southwark' at southwark events --site brent --type job
says 'job ends succeeded  files'
expect 1 'of a site that is not there' at southwark events --site lewisham
expect 0 'nothing is wrong' at southwark alarms
is 'between them' "$(grep -c 'peer.*stands\|divergence' .out)" 0

# --- a head that the other site has signed for
wait_for 15 sh -c "'$B' --socket brent/socket events --type cosignature | grep -q ."
at brent evidence export -o pack >.out
expect 0 'brent has the word of southwark' "$B" evidence verify pack
says 'cosigned  *up to head [0-9]* by southwark, SHA256:' "one site's word"
expect 0 'with the key of its ledger' "$B" --json evidence verify pack
at southwark evidence export -o other >.other
is 'and no other' "$(field cosigner)" "$("$B" --json evidence verify other |
    grep -o '"signer":"[^"]*"' | head -n 1 | cut -d'"' -f4)"

expect 0 'status says so' at brent status
says 'the ledger is cosigned by southwark to head [0-9]*; the [0-9]* records since are'

# --- the role has no other rights
bridge() { printf '%s\n' "$@" | ssh -F none -i id_bridge -p "$PORT" -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$(id -un)@127.0.2.1" 2>&1; }
bridge '{"cmd":"run","service":"files"}' >.out
says '"type":"bridge".*"site":"southwark"' "'run' is not for user"
python3 - "$TOP/daemon/commands.def" "$B" --socket southwark/socket bridge >allowed <<'END'
import json, re, subprocess, sys
names = re.findall(r"^COMMAND\((\w+)\)", open(sys.argv[1]).read(), re.M)
talk = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert json.loads(talk.stdout.readline())["type"] == "bridge"
for name in sorted(n.replace("_", " ") for n in names):
    talk.stdin.write(json.dumps({"cmd": name}).encode() + b"\n")
    talk.stdin.flush()
    while True:
        line = json.loads(talk.stdout.readline())
        if line.get("last"):
            break
    if "is not for user" not in line.get("error", ""):
        print(name, end=",")
talk.stdin.close()
talk.wait()
END
is 'the peer may ask for this and nothing else' "$(cat allowed)" \
    'alarms,bridge,events,jobs,ledger cosign,ledger heads,ledger steps,links,ping,points,policy digest,services,sites,status,'
is 'and changed nothing' "$(at southwark --json jobs | grep -c '"type":"job"')" 0

# --- what southwark has not signed for is one site's word
daemon_stop southwark
expect 0 'a deletion while nobody looks' at brent run files --kind prune --wait
at brent status >.out
says '^UNCOSIGNED: 1 records of .*deletions'
at brent evidence export -o pack3 >.out 2>&1 # which signs a head
holds 'southwark is back' daemon_start southwark
wait_for 15 sh -c "! '$B' --socket brent/socket status | grep -q ^UNCOSIGNED"
at brent --json status >.out
says '"cosigner_site":"southwark"' '"uncosigned_grave":0'

# --- brent is gone, its disk too
daemon_stop brent KILL
mv brent/state brent/gone
wait_for 20 sh -c "'$B' --socket southwark/socket alarms | grep -q 'peer .*brent .*stands'"
expect 6 'southwark alarms on the silence' at southwark status
says "ALARM A[0-9]* .*critical .*peer brent .*is silent since .*tried link 'virgin'" \
    'site brent IS SILENT, its last word was .* ago'
expect 0 'what brent recorded can still be read' at southwark events --site brent --type job
says 'job ends succeeded  files'
expect 0 'from the file, too' "$B" events --ledger southwark/state/peers/brent.db --type point
says 'point'
daemon_stop southwark
holds 'southwark starts again' daemon_start southwark
expect 6 'and knows since when' at southwark status
says 'peer brent .*is silent since'

# --- brent comes back from an older disk: another history
cp -R brent/gone brent/state
python3 - brent/state/ledger.db <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for t in ("records_remain", "heads_remain"):
    db.execute(f"DROP TRIGGER {t}")
row = db.execute("SELECT last_row FROM heads WHERE number = 1").fetchone()[0]
db.execute("DELETE FROM heads WHERE number > 1")
db.execute("DELETE FROM records WHERE row > ?", (row,))
db.execute("DELETE FROM tips")
db.execute("INSERT INTO tips SELECT chain, sequence, hash FROM records r WHERE sequence ="
    " (SELECT max(sequence) FROM records WHERE chain = r.chain)")
db.commit()
END
rm -f brent/state/ledger.db-*
holds 'brent starts with what it had once' daemon_start brent
at brent evidence export -o pack2 >.out 2>&1
wait_for 20 sh -c "'$B' --socket southwark/socket alarms | grep -q 'divergence .*brent .*stands'"
expect 0 'southwark refuses it' at southwark alarms
says 'critical  *divergence  *brent  *stands .*same up to head 1 and part at record [0-9]* of chain'
expect 0 'what it holds is what it held' at southwark events --site brent --type job
says 'job ends succeeded  files'
is 'and it is proved whole' "$(python3 - southwark/state/peers/brent.db <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("SELECT max(last_row) = (SELECT max(row) FROM records) FROM heads").fetchone()[0])
END
)" 1
wait_for 10 sh -c "! '$B' --socket southwark/socket alarms | grep -q 'peer .*brent .*stands'"
expect 0 'it is heard again, all the same' at southwark alarms
says 'peer  *brent  *over'

# --- somebody decides: the old copy is put aside
daemon_stop southwark
mkdir aside && mv southwark/state/peers/brent.db* aside
holds 'southwark starts without it' daemon_start southwark
wait_for 20 sh -c "'$B' --socket southwark/socket alarms | grep -q 'divergence .*brent .*over'"
expect 0 'and follows the new history' at southwark alarms
says 'divergence  *brent  *over'

for site in brent southwark; do
	daemon_stop $site
	is "$site ends cleanly" "$ended" 0
	sshd_stop "$WORK/sshd-$site"
done
never_stumbled ./*/log ./*/state/jobs/*
finish
