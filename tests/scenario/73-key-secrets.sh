#!/bin/sh
# Secrets stay where they belong: planted values are searched for in arguments,
# environments, state, logs, repositories and the memory of a process at work.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

ulimit -c unlimited 2>/dev/null # so that it is the program that leaves none
mkdir src && seq 50000 >src/numbers
"$B" -r repo init >.out 2>&1
plant='planted passphrase 8d1c4f'
(umask 077; printf '%s\n' "$plant" >pass)
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
secrets="$(python3 "$TOOLS/secrets.py" values repo.key repo.key.escrow) $(hex "$plant")"
is 'there are secrets to look for' "$(echo $secrets | wc -w)" 7
BASCULE_PASSPHRASE_FILE=pass "$B" key new --role write,read,admin --from repo.key wrapped >.out 2>&1

# --- a backup at work, wrapped key and all: its command waits to be looked at
cat >look <<'EOF'
tr '\0' '\n' </proc/self/environ >child.environ
cat /proc/self/limits >child.limits
touch ready
while [ ! -e go ]; do sleep 0.05; done
echo done
EOF
for key in repo.key wrapped; do
	rm -f ready go
	BASCULE_KEY_FILE=$key BASCULE_PASSPHRASE_FILE=pass "$B" -r repo backup \
	    --command -- sh look >log 2>&1 &
	pid=$!
	remember $pid
	while [ ! -e ready ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
	for p in $pid $(cat /proc/$pid/task/*/children); do
		tr '\0' ' ' </proc/$p/cmdline; cat /proc/$p/environ 2>/dev/null
	done >seen 2>/dev/null
	# shellcheck disable=SC2086
	holds "$key: nothing in arguments and environments" python3 \
	    "$TOOLS/secrets.py" files $secrets -- seen child.environ
	fails '... the command is not told of key files' \
	    grep -aq 'BASCULE_\(KEY\|PASS\)' child.environ
	# shellcheck disable=SC2086
	[ "$(id -u)" = 0 ] && [ "$(ulimit -l)" != 0 ] &&
		holds '... in memory only where it is locked' python3 \
		    "$TOOLS/secrets.py" memory $pid $secrets
	is '... it leaves no core' "$(awk '/core file/ { print $5 }' /proc/$pid/limits)" 0
	is '... nobody else may look into it' "$(stat -c %u /proc/$pid/environ)" 0
	touch go
	wait $pid
	is '... it ended well' $? 0
	# shellcheck disable=SC2086
	holds '... nothing in logs, state, repository' python3 \
	    "$TOOLS/secrets.py" files $secrets -- log state repo wrapped
done

# --- a real core of it, all that forbids one lifted by a debugger: the keys are in
# pages that no core gets, and the passphrase is nowhere any more
core_of() { # everything or nothing: $core is made
	rm -f ready go core core.*
	BASCULE_KEY_FILE=wrapped BASCULE_PASSPHRASE_FILE=pass planted_word=seen-in-cores \
	    "$B" -r repo backup --command -- sh look >log 2>&1 &
	pid=$!
	remember $pid
	while [ ! -e ready ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
	# shellcheck disable=SC2086
	core=$(python3 "$TOOLS/core.py" $pid ${1:-} 2>core.log); code=$?
	touch go
	wait $pid 2>/dev/null
}
core_of
if [ "$(id -u)" != 0 ] || [ $code = 77 ]; then
	skip 'a real core' 'not root, or cores go elsewhere here'
else
	is 'a core is made' "$code $(grep -ac seen-in-cores "$core")" '0 1'
	# shellcheck disable=SC2086
	holds '... no secret is in it' python3 "$TOOLS/secrets.py" files $secrets -- "$core"
	core_of everything
	# shellcheck disable=SC2086
	fails '... with all its pages there is' python3 "$TOOLS/secrets.py" files $secrets -- "$core"
	holds '... but no passphrase' python3 "$TOOLS/secrets.py" files "$(hex "$plant")" -- "$core"
	rm -f "$core"
fi

# --- a daemon and its worker, whose key is wrapped
site_new brent
cp -p wrapped brent/key.wrapped
rm -rf brent/repository && "$B" -r brent/repository init --existing-key --key-file repo.key >.out
sed -i 's/key_file = "key"/key_file = "key.wrapped"/' brent/bascule.conf
mkdir data && seq 1000 >data/numbers
mkfifo hold # the command of the second dataset waits for it
(umask 077; { shared_policy; service_policy housing "$RARELY"; } >shared.conf)
export BASCULE_PASSPHRASE_FILE=$WORK/pass JOURNAL_STREAM=8:1
holds 'a daemon' daemon_start brent
daemon=$(cat brent/pid)
at brent run housing >.out 2>&1
at_work() { cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -aq "cat $WORK/hold "; }
wait_for 20 at_work
worker=$(at brent --json jobs | sed -n 's/.*"pid":\([0-9]*\).*/\1/p' | head -n 1)
remember "$worker"
is 'a worker is at work' "$(tr '\0' ' ' <"/proc/$worker/cmdline" | sed 's/.*basculed //')" '--worker '
# shellcheck disable=SC2086
for p in $daemon $worker $(cat /proc/$worker/task/*/children); do
	tr '\0' ' ' </proc/$p/cmdline; tr '\0' '\n' </proc/$p/environ
done >seen
# shellcheck disable=SC2086
holds 'nothing in arguments and environments of daemon, worker, command' \
    python3 "$TOOLS/secrets.py" files $secrets -- seen
for p in $(cat "/proc/$worker/task/"*/children); do
	tr '\0' '\n' </proc/$p/environ
done >child.environ
fails '... the command is not told of key files' \
    grep -aq 'BASCULE_\(KEY\|PASS\)\|CREDENTIALS' child.environ
for p in $daemon $worker; do
	is '... it leaves no core' "$(awk '/core file/ { print $5 }' "/proc/$p/limits")" 0
	is '... nobody else may look into it' "$(stat -c %u "/proc/$p/environ")" 0
done
# shellcheck disable=SC2086
[ "$(id -u)" = 0 ] && [ "$(ulimit -l)" != 0 ] &&
	holds '... in memory of the worker only where it is locked' python3 \
	    "$TOOLS/secrets.py" memory "$worker" $secrets
echo go >hold
wait_for 20 jobs_have brent '"state":"succeeded"'
expect 0 'evidence of it' at brent evidence export -o pack
zstd -dqc pack >pack.tar
daemon_stop brent
is 'the daemon ended well' $ended 0
export BASCULE_PASSPHRASE_FILE=$WORK/repo.key # a slip: the wrong file
holds 'a daemon with the wrong passphrase' daemon_start brent
at brent run housing --kind verify --wait >.out 2>&1
says 'wrong passphrase\|over 1024 bytes'
daemon_stop brent
unset BASCULE_PASSPHRASE_FILE JOURNAL_STREAM
# shellcheck disable=SC2086
holds 'nothing in its log, ledger, state, repository, evidence' python3 \
    "$TOOLS/secrets.py" files $secrets -- brent/log brent/state brent/repository pack.tar .out .err
is '... which are there' "$(($(wc -c <pack.tar) > 5000 && $(wc -c <brent/state/ledger.db) > 5000))" 1

# --- where memory cannot be locked that is said once, and nothing is refused
small() { prlimit --memlock=0 $drop "$@"; }
[ "$(id -u)" = 0 ] && drop='setpriv --bounding-set -ipc_lock' || drop=
if small true 2>/dev/null; then
	expect 0 'no memory can be locked' small "$B" -r repo key add-recipient repo.key
	is '... which is said once' "$(grep -c 'locked into memory' .err)" 1
	expect 0 'it can' "$B" -r repo key add-recipient repo.key
	fails '... and nothing is said' grep -q 'locked into memory' .err
fi

# --- every key command says nothing of them
export BASCULE_PASSPHRASE_FILE=pass
for c in 'key show wrapped' '--json key show repo.key' \
    '-r repo key split -k 2 -n 3' '-r repo key canary' '-r repo snapshots' \
    '-r repo key add-recipient wrapped' '-r repo key rotate' \
    '-r repo check --open' 'key combine -o found repo.key.escrow.share-1 repo.key.escrow.share-2'; do
	# shellcheck disable=SC2086
	expect 0 "$c" "$B" $c
	cat .out .err >>said
done
BASCULE_PASSPHRASE_FILE=repo.key "$B" key show wrapped >>said 2>&1
# shellcheck disable=SC2086
holds 'nothing was said' python3 "$TOOLS/secrets.py" files $secrets -- said
# shellcheck disable=SC2086
holds 'nothing is in state, repository, shares' python3 "$TOOLS/secrets.py" \
    files $secrets -- state repo home $(ls repo.key.escrow.share-*)
fails 'and the search finds what is there' python3 "$TOOLS/secrets.py" files $secrets -- repo.key
finish
