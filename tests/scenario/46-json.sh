#!/bin/sh
# Every command of the table with --json: lines as docs/schema says, the last
# of them, and only that one, a summary.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data && echo one >data/a && echo two >"$(printf 'data/raw-\377')"
site_new brent
(umask 077; { shared_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'a daemon' daemon_start brent || finish

# said CODE COMMAND WORDS...: its lines go to .lines, and it is ticked off.
said() {
	code=$1 command=$2; shift 2
	echo "$command" >>done
	# shellcheck disable=SC2086
	expect "$code" "$command $*" at brent -r repo --json $command "$@"
	[ "$command" = 'store serve' ] && return
	is '... a summary ends it' "$(tail -n 1 .out | cut -c1-17) $(
	    grep -c '"type":"summary"' .out)" '{"type":"summary" 1'
}
said 0 version
said 0 init
said 0 'key new' spare
said 0 'key show' repo.key
(umask 77; echo another one >phrase)
said 0 'key passphrase' --passphrase-file phrase spare
said 0 'key new' --role write,read host.key
said 0 'key pin' "$(sed -n 's/.*"writer_public":"\([^"]*\)".*/\1/p' .out)"
said 0 'key add-recipient' host.key
said 0 'key remove-recipient' "$(sed -n 's/.*"recipient":"\([^"]*\)".*/\1/p' .out)"
said 0 'key rotate'
said 0 'key update' host.key
said 0 'key split' -k 2 -n 3 -o set repo.key.escrow
said 0 'key combine' -o whole.key set.share-1 set.share-3
said 0 backup --tag x data
said 0 'key person' mine.key
said 0 'key canary' set.share-2 set.share-3
said 0 snapshots
said 0 ls latest
said 0 find 'raw*'
said 0 diff latest latest
said 0 stats
said 0 check --open
said 0 restore latest --to out --verify
said 0 export latest -o data.tar
said 0 import data.tar --dry-run
said 1 mount latest nowhere
said 2 replicate --to nowhere
cp -a repo bent && chmod -R u+w bent
for f in bent/packs/*/*; do bend "$f" 99; done
expect 4 'damage in JSON' "$B" -r bent --json check --read
grep -q '"type":"damage"' .out || not_ok 'it says what is damaged'
cp repo.key bent.key
expect 4 'and what that hurts' "$B" -r bent --json check --read
grep -q '"type":"hurt"' .out || not_ok 'it says by paths what is hurt'
said 0 heal
said 0 'store holds'
said 1 'store release' abcdef
said 0 'store accept' "$(printf %064d 7)"
said 0 backup data
said 0 prune --dry-run --keep-last 1
said 0 forget latest
said 0 backup data
said 0 prune --keep-last 1

# stdout is the file's, or the sender's.
at brent -r repo --json cat latest "$PWD/data/a" >.out 2>.err; echo cat >>done
is 'cat prints the file and nothing else' "$(cat .out)" one
said 75 'store serve'

said 6 status
said 0 run files --wait
job=$(field job)
at brent run files --kind verify --wait >.out
said 0 status files
said 0 alarms --all
said 0 'alarms ack' A1 --reason seen
said 15 readiness
said 0 'report ladder' files --format json
said 0 'actions add' 'test the restore again' --owner ann --due 30d --service files
said 0 actions
said 2 'actions close' ACT-brent-1
said 0 'actions close' ACT-brent-1 --evidence seen --retest run1
said 0 'exceptions grant' dns-ttl 'the zone is not ours' --owner ann --expires 30d
said 0 exceptions
said 0 'exceptions end' EXC-brent-1 --reason done
said 0 services
said 0 sites
said 0 links
said 0 jobs
said 0 job "$job" --log
said 1 cancel "$job"
said 1 cancel "$job" --dry-run
said 0 points files
said 0 points files --as-of 0s
said 0 'report ladder' files --as-of 0s
said 0 'report points' --as-of 0s
said 0 schedule files
said 0 events
said 13 'exercise start' files --mode test
said 0 'exercise list'
said 0 'report posture'
sleep 1 # by then something was recorded, however quick the machine
said 0 'report posture' --as-of 1s
said 1 'exercise show' none
said 1 'exercise answer' none step
said 1 'exercise abort' none
said 1 'exercise abort' none --dry-run
said 1 'exercise cleanup' none
said 2 'failover plan' files
said 2 'failover request' files
said 2 'failover list' --no-such-option
said 2 'failover show'
for verb in start commit rollback reprotect; do
	said 2 "failover $verb" none
done
said 2 'failover abort'
said 2 'failover retry'
said 2 'failover hold'
said 2 'failover answer' none
said 2 'failover sign' none
said 2 approve
said 2 refuse
said 2 'hold inspect'
said 2 'hold resolve' none
said 2 permit
said 0 'exercise start' files --mode tabletop
said 0 'report exercise' "$(at brent --json exercise list | grep -o '"run":"[^"]*"' | head -n 1 | cut -d'"' -f4)"
said 1 'exercise play' none
for kind in rpo points links changes controls; do
	said 0 "report $kind"
done
said 1 'scenario export' none -o "$WORK/none.json"
echo '{"exercise":{"name":"x","uuid":"y"},"injects":[{"name":"a"}]}' >x.json
said 0 'scenario import' "$WORK/x.json" -o "$WORK/x.conf"
for verb in brief begin pause resume endex stop; do
	said 1 "exercise $verb" none
done
said 1 'exercise inject' none mail
said 1 'exercise decide' none wait --by Ann
said 1 'exercise note' none hm
said 1 'exercise step' none tree
said 1 'exercise jump' none 5m
said 1 'exercise attend' none Ann
said 1 'exercise rate' none 1 P
said 1 'exercise action' none A1 --status done
said 1 'exercise stage' none approve
said 0 'ledger rebuild'
echo bridge >>done # its lines are the API's
is 'bridge speaks the API' "$(at brent bridge </dev/null | cut -c1-16)" '{"type":"bridge"'
said 0 'evidence export' -o pack
said 0 'evidence verify' pack
said 2 'box make' --no-such-option
said 2 'box verify'
said 75 'site trust' ssh://127.0.0.1:1
said 0 'policy check' brent
said 0 'policy show' brent
said 0 'policy diff'
said 0 'policy explain' rpo
said 0 'policy reference'
said 2 completion tcsh
echo 'sites = 3;' >bad.conf
expect 7 'problems in JSON' "$B" --json policy check bad.conf

sed -n 's/^COMMAND(\(.*\))$/\1/p' "$TOP/cli/commands.def" | tr _ ' ' | sort >all
is 'no command was left out' "$(tr - ' ' <done | sort -u | comm -3 - all)" ''
daemon_stop brent
finish
