#!/bin/sh
# A restore drill: what its report says of one that passes, one that finds
# damage, one whose worker is killed and one that is cancelled; and what any
# other job's report says.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/report.sh"

mkdir data && head -c 3000000 /dev/urandom >data/noise && echo one >data/a
drill_policy() {
	shared_policy
	cat <<END
controls = ( { id = "CAF-D1.b"; title = "Backups"; evidence = [ "restore" ]; within = "90d"; note = "supports"; } );
contacts = ( { council = "brent"; name = "Olu"; call = "0208 1"; } );
service = {
  name = "pages"; title = "Pages"; owner = "brent"; tier = 1;
  home = "brent"; standby = "southwark"; rpo = "1h"; rto = "4h"; mtpd = "24h";
  datasets = ( { name = "tree"; tree = "$WORK/data"; },
    { name = "dump"; command = [ "echo", "a dump" ]; } );
  backup = { every = "30m"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  verify = ( { kind = "restore"; every = "7d"; pick = "oldest"; } );
  plan = ( { step = "tree"; restore = "tree"; to = "\${sandbox}/tree"; },
    { step = "start"; run = [ "true" ]; after = [ "tree" ]; undo = "none"; },
    { step = "answers"; check = { command = [ "true" ]; }; after = [ "start" ]; } );
};
END
}
drill() { at brent --json run pages --kind verify --how restore --wait; }
report() { at brent report exercise "$run" "$@"; }

site_new brent
(umask 077; drill_policy >shared.conf)
holds 'a daemon starts' daemon_start brent || finish
expect 0 'a point is made' at brent run pages --wait --json
backup=$(field job)
expect 0 '... and another' at brent run pages --wait

# What passes.
expect 0 'a drill' drill
run=$(field job)
report_knows brent "$run" approvals authority_after authority_before break_glass builds bytes capacity chain \
    cleanup clock_offset comparison consistency control councils criteria deviation direction dns_ttl ended epoch \
    escrow_drill exception exclusions failback fence files head integrity isolation known_issue last limitation loss \
    mode next_due overrides performance plan point point_age point_at point_proof point_sites point_why policy \
    production_impact purpose range requested requester restored run scenario scope service simulated site skipped \
    state status trigger unprotected users_reached verified_level MTPD RPO RTO
report_forms brent "$run"
expect 0 'its report' report
says "RESTORE DRILL REPORT $run: PASS\$" 'the oldest of the 2 complete points here' 'L1\|L2' \
    'steps of the plan *tree, start, answers: a restore drill restores and compares, and starts nothing' \
    'restore tree: 2 files, .*nothing is missing, nothing differs' 'restore dump' 'supports CAF-D1.b' \
    'was removed and is gone' 'RTA was not measured' 'there was none before' 'proof reached *L4'
is 'nothing is left of it' "$(ls brent/sandbox)" ''
expect 0 'as HTML' report --format html; says '<title>RESTORE DRILL REPORT' 'Steps not executed, and why'
expect 0 'as CSV' report --format csv; says 'every dataset of the point is'
expect 0 'a control of restoring has its evidence' at brent report controls; says 'CAF-D1.b.*PASS: supports'
first=$run

# What a dead drill left goes with the next one, and only that.
mkdir -p brent/sandbox/verify-dead/x brent/sandbox/other brent/sandbox/verify-busy
chmod 500 brent/sandbox/verify-dead/x brent/sandbox/verify-dead
(exec 9<brent/sandbox/verify-busy; flock 9; exec sleep 1000) >/dev/null 2>&1 &
remember $!
expect 0 'the next one' drill
run=$(field job)
is '... removes what was left, nothing else' "$(ls brent/sandbox | tr '\n' ' ')" 'other verify-busy '
expect 0 '... says so' at brent job "$run" --log; says "verify-dead', which a drill left that died, was removed"
expect 0 '... and compares itself' report; says "run before *$first: PASS" 'then after'
rm -rf brent/sandbox/other brent/sandbox/verify-busy

# Its worker dies: it is not known what it would have found, or left.
i=0; while [ $i -lt 4000 ]; do echo $i >data/f$i; i=$((i + 1)); done
expect 0 'a larger point' at brent run pages --wait
sed 's/pick = "oldest"/pick = "latest"/' shared.conf >c && cat c >shared.conf && kill -HUP "$(cat brent/pid)"
sleep 1
killer() { # a file is there, so its step has begun
	pid=$(cat brent/pid)
	until find brent/sandbox -name 'f[0-9]*' 2>/dev/null | grep -q .; do :; done
	read -r workers <"/proc/$pid/task/$pid/children" || : # it ends in no newline
	kill -KILL $workers
}
killer >/dev/null 2>&1 &
remember $!
drill >.out 2>&1
run=$(field job)
is 'something is left' "$(ls brent/sandbox)" "verify-$run"
expect 0 'a drill whose worker was killed' report
says "RESTORE DRILL REPORT $run: INTERRUPTED" 'what became of step .restore .* is unknown' \
    'no result of the cleaning up is recorded' 'integrity *not recorded'
expect 0 'the next one passes' drill
is '... and takes what was left' "$(ls brent/sandbox)" ''

# Damage: the dataset that has it, the other one proved all the same.
pack=$(find brent/repository -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
cp "$pack" pack.good
bend "$pack" 700000
drill >.out 2>&1
is 'damage is found' $? 4
run=$(field job)
expect 0 'its report' report
says "RESTORE DRILL REPORT $run: FAIL" "step 'restore tree' failed" 'restore dump: 1 files' 'none: it is evidence for none'
expect 0 'the newest evidence is the one before' at brent report controls; says 'CAF-D1.b.*PASS: supports'
cp pack.good "$pack"

# What an auditor takes away, with nothing of bascule's: the reports, the policies
# in force (one was changed meanwhile), the keys; and that they are what was signed.
"$B" evidence export --ledger brent/state/ledger.db -o pack >.out 2>.err
says 'reports of exercises, moves and drills; 2 policies or plans' 'the manifest is signed by'
fails 'nothing is left out' grep -q 'left out' .out
key=$(sed -n 's/.*signed by \(SHA256:[^ ]*\).*/\1/p' .out)
expect 0 '... for programs' "$B" --json evidence verify pack
is '... too' "$(field policies) $(field policies_named) $(field keys_listed)" '2 2 true'
expect 0 '... for people' "$B" evidence verify pack --key "$key"
says '^GOOD' '2 of the 2 policies that its records name'
holds 'a second reader, of the documents alone, says so too' python3 "$TOOLS/reread_evidence.py" pack
mkdir audit && tar -C audit --zstd -xf pack 2>/dev/null
holds 'stock tools: every file is what the sums say' sh -c 'cd audit && sha256sum -c --quiet SHA256SUMS'
is '... and every file is in them' "$(cd audit && find . -type f | wc -l)" "$(($(wc -l <audit/SHA256SUMS) + 3))"
is '... a policy is what its digest says' "$(cd audit/policies && for f in *.txt; do
    sha256sum "$f" | grep -c "^${f%.txt}"; done | sort | uniq -c | tr -s ' ')" ' 2 1'
holds '... what it was' grep -q 'random\|oldest' audit/policies/*.txt
sed -n '/^    { printf/,/^        -in/p' audit/README.txt >audit/recipe
holds '... the readme says how to check the signature' grep -q openssl audit/recipe
is '... and it is good' "$(cd audit && sh ./recipe 2>&1)" 'Signature Verified Successfully'
printf x >>audit/manifest.json
fails '... of another manifest it is not' sh -c 'cd audit && sh ./recipe >/dev/null 2>&1'
holds 'the keys are named' grep -q '^SHA256:.*signs the heads of this ledger' audit/keys.txt
holds 'a drill has its report for a browser' grep -q "RESTORE DRILL REPORT $first" "audit/exercises/$first.html"
expect 0 'fields that are kept back' "$B" evidence export --ledger brent/state/ledger.db -o pack --redact @host
says 'reports are left out' 'policies or plans that records name are left out'
expect 0 '... no policy names them' "$B" evidence verify pack

# Other jobs: what is known of them, and no more is asked.
run=$backup
expect 0 'a backup has a report' report
says "JOB REPORT $run: backup succeeded" 'asked how *[a-z]' 'of these new' 'Steps not executed, and why' 'recovery point' 'not that it can be restored'
report_forms brent "$run"
expect 1 'no such run' at brent report exercise nothing; says "no exercise, move or job 'nothing'"

finish
