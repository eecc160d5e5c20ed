#!/bin/sh
# Live moves between two daemons: a small service under constant writes goes to
# the other site and back, and no write that it acknowledged is lost; either
# daemon is killed on the way; what cannot end well ends HELD, never at two
# sites.  EVERY=1: killed at every phase.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/move.sh"

lab_apart 'moves'
move_sites
sed -i 's|{ step = "runs"; after|{ step = "sealed"; run = [ "true" ]; modes = [ "test" ]; },\n    &|' shared.conf
holds 'brent begins' lab_daemon brent || finish
at brent status >.out
says "southwark has not said where it is: bring back the link" \
    "where southwark is known not to run it, two people .*hold resolve counter --owner brent"
holds 'southwark begins' lab_daemon southwark || finish
holds 'brent is heard to be where it was' wait_for 20 at brent permit counter
fails 'southwark may not start it' at southwark permit counter
lab_on brent "$WORK/ctl" start
expect 0 'a point is made' at brent run counter --wait
wait_for 20 copied southwark
holds 'and copied' copied southwark
holds 'it runs at brent' runs_at brent

# --- planned, and back
run=$(move_request brent southwark planned)
expect 0 'what an abort would do is told' at brent failover abort "$run" --dry-run
says 'counter at brent would go on with WITHDRAWN: somebody said abort' 'nothing was recorded'
expect 0 'tried first' move_start brent "$run" southwark --dry-run
says 'STARTED: nothing was recorded'
wait_for 20 sh -c "'$B' --socket southwark/socket status | grep -q REQUESTED"
at southwark status >.out
says "REQUESTED since $(date -u +%Y)-"
expect 0 'started, and followed' move_start brent "$run" southwark --wait
says 'STARTED: recorded at brent' 'READY .*southwark' 'EQUAL .*southwark' \
    'quiesce .*brent: begins' 'quiesce .*brent: done' \
    "RAN .*southwark" 'next: '
holds 'the plan has run at southwark' phase_is southwark "$run" RAN 60
at brent failover show "$run" | sed -n 's/^  \(.*\) UTC  .*/\1/p' >told
holds 'both sites told in one order of time' sort -c told
holds 'it runs there' runs_at southwark
fails 'and not at brent' runs_at brent
wait_for 10 sh -c "'$B' --socket brent/socket status | grep -q 'the service runs at southwark: its owner'"
at brent status >.out
says "^      type: bascule failover commit $run --confirm southwark"
fails 'where it belongs is not said amid the move' grep -q 'not at its home' .out
nothing_lost 'planned'
expect 13 'and an abort comes too late' at southwark failover abort "$run" --dry-run
says 'the point of no return is past'
expect 0 'what a commit would do is told' at southwark failover commit "$run" --confirm southwark --dry-run
says 'counter at southwark would go on with COMMITTED: the owner has accepted' 'commit: nothing was recorded'
expect 0 '... at the other site, too, which judges no guard of it' at brent failover commit "$run" --confirm southwark --dry-run
says 'counter at southwark would go on with COMMITTED' "whose guards site 'southwark' judges"
sleep 2
fails '... and nothing is done' has_phase southwark "$run" COMMITTED
expect 13 'accepted for another site' move_say brent commit "$run" brent
expect 0 'accepted, at the other site' move_say brent commit "$run" southwark
says 'commit: recorded at brent; each site acts when it has heard of it' \
    "next: bascule failover show $run"
holds 'committed' phase_is southwark "$run" COMMITTED 20
holds 'and protected again' phase_is southwark "$run" REPROTECTED 60
at southwark status >.out
says "it runs at 'southwark', not at its home 'brent', until it is moved back: bascule failover request counter --to brent"
expect 0 'a move that has ended is no reason' at southwark hold inspect counter
says '^counter: PROTECTED: no move is under way; the last one, .*, ended REPROTECTED'
fails '... and leads to nothing' grep -q '^next:' .out
expect 13 'protected again, twice' move_say southwark reprotect "$run" southwark
says 'it is protected again already'

run=$(move_request southwark brent planned)
move_start southwark "$run" brent
holds 'the plan has run at brent' phase_is brent "$run" RAN 60
holds 'it runs at brent again' runs_at brent
fails 'and not at southwark' runs_at southwark
nothing_lost 'failback'
move_say brent commit "$run" brent
holds 'protected as before' phase_is brent "$run" REPROTECTED 60
expect 0 'moved there and back is a rung of its own' at southwark report ladder --format json
says '"level":7,"title":"moved and moved back","state":"stands"'
report_knows brent "$run" $REPORT_MOVE last_write loss_files loss_transactions
report_forms brent "$run"
at brent report exercise "$run" >report
holds 'a step that is for tests alone is named as not executed, and why' grep -q '^  sealed  *it is not for a planned move' report
fails '... and no other' sh -c "sed -n '/^Steps not executed/,/^[A-Z]/p' report | grep -q 'ended before it'"
is '... as JSON, too' "$(at brent report exercise "$run" --format json | python3 -c 'import json, sys
for line in sys.stdin:
    print(*[s["step"] + ": " + s["reason"] for s in json.loads(line).get("not_executed", [])])' | head -n 1)" 'sealed: it is not for a planned move'
holds 'a fence and its read-back are no second try' sh -c "! grep -q 'attempt 2\|tried more than once' report"
holds 'an override is told with who and why' grep -q '^ *overrides  *G08 by root: a small laboratory' report
holds 'where it was before, and which of the figures are held against the targets' sh -c "
    grep -q '^ *authority before  *PROTECTED at southwark, epoch 2' report && grep -q '^ *RTA  *pass (outage ' report"

# --- the pack of a real move holds what both sites recorded, each by its own key;
# what its README says is done with tar, coreutils, perl and openssl
expect 0 'its evidence is exported' at brent evidence export -o pack
says "1 other sites' own records" 'the manifest is signed by SHA256:'
key=$(sed -n 's/.*the manifest is signed by //p' .out)
expect 0 '... and is good' "$B" evidence verify pack --key "$key"
says '^GOOD' "southwark's own records: [1-9][0-9]*; heads: [1-9]"
holds 'a second reader, of the documents alone, says so too' python3 "$TOP/tests/tools/reread_evidence.py" pack
mkdir -p out/southwark
holds 'by its README: it unpacks' sh -ec 'tar --zstd -xf pack -C out; cd out; sha256sum -c --quiet SHA256SUMS'
holds '... and the other site within' sh -ec 'cd out; tar --zstd -xf sites/southwark.tar.zst -C southwark; cd southwark; sha256sum -c --quiet SHA256SUMS'
holds '... its manifest is signed' sh -ec 'cd out; { printf "bascule evidence v1\\0"; cat manifest.json; } >signed
    perl -ne '"'"'print pack "H*", $1 if /"signature": ?"(\w+)"/'"'"' manifest.sig >sig
    perl -ne '"'"'print pack "H*", "302a300506032b6570032100$1" if /"signer": ?"(\w+)"/'"'"' manifest.sig >key
    openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in signed -sigfile sig'
holds '... what each site did is in the records of that site' sh -ec "
    grep -q 'event=GRANTED.*$run\\|$run.*event=GRANTED' out/southwark/events.txt
    grep -q 'event=RAN.*$run\\|$run.*event=RAN' out/events.txt"
holds '... and the report has both' sh -ec "grep -q '\"site\": *\"southwark\"' out/exercises/$run.json
    grep -q '\"site\": *\"brent\"' out/exercises/$run.json; grep -q GRANTED out/exercises/$run.txt; grep -q RAN out/exercises/$run.txt"

# --- the other site is away: it is given up
daemon_stop southwark
run=$(move_request brent southwark planned)
if [ -n "$run" ]; then
	move_start brent "$run" southwark --override G09='it is away' >.out 2>&1
	expect 0 'what an abort would do' at brent failover abort "$run" --dry-run
	says 'counter at brent would go on with \(ABORTED\|WITHDRAWN\): somebody said abort'
	expect 0 '... is what it does' at brent failover abort "$run" --reason 'it is away'
	holds '... in the same words' wait_for 10 sh -c "'$B' --socket brent/socket failover show $run | grep -q '\(ABORTED\|WITHDRAWN\).*somebody said abort'"
fi
holds 'southwark is back' lab_daemon southwark

# --- either daemon is killed on the way: it ends at one site, or nowhere
killed_at() { # PHASE AT SITE
	run=$(move_request brent southwark planned)
	move_start brent "$run" southwark >/dev/null
	phase_is "$2" "$run" "$1" 30
	daemon_stop "$3" KILL
	lab_daemon "$3"
	holds "$3 killed at $1: it goes on" \
	    wait_for 60 ended southwark "$run"
	is "$3 killed at $1: it runs at one site" "$( (runs_at brent && echo one
	    runs_at southwark && echo one) 2>/dev/null)" one
	nothing_lost "$3 killed at $1"
}
ended() {
	has_phase "$1" "$2" RAN || has_phase brent "$2" ABORTED ||
	    has_phase "$1" "$2" ABORTED
}
[ -z "${EVERY:-}" ] || killed_at QUIESCED brent brent

for site in brent southwark; do
	daemon_stop $site
done
never_stumbled ./*/log ./*/state/jobs/*
finish
