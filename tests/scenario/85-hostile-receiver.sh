#!/bin/sh
# A receiver that lies, before `bascule replicate`: lengths,
# counts, words without end, questions for files, silence.  The sender ends with a
# clear error, has said nothing but what was offered, and stays small.  EVERY=1:
# each way of being silent, too; that is much waiting.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

mkdir sshd
sshd_keys "$WORK/sshd"
if ! sshd_start "$WORK/sshd" 127.0.2.1; then
	skip 'a hostile receiver' 'no sshd can be started here'
	finish
fi
PORT=$(cat sshd/port)
serves() { # MODE
	printf 'command="exec python3 -SE %s/hostile_receiver.py %s %s/heard",restrict %s\n' \
	    "$TOOLS" "$1" "$WORK" "$(cat sshd/id_ed25519.pub)" >sshd/authorized_keys
}
mkdir data other
head -c 3000000 /dev/urandom >data/noise
seq 200000 >data/numbers
head -c 1000000 /dev/urandom >other/noise
echo 'what nobody may see' | tee data/canary >other/canary
export BASCULE_KEY_FILE="$WORK/repo.key"
expect 0 'a repository' "$B" -r repo init --key-file repo.key
expect 0 'what is sent' "$B" -r repo backup --dataset files --service files data
find repo/packs repo/snapshots -type f | sort >offered
expect 0 'what is not' "$B" -r repo backup --dataset other --service other other
find repo/packs repo/snapshots -type f | sort | comm -13 offered - >kept
holds 'there is more than what is sent' test -s kept

# pushes MODE: its exit code is $got, its words are in .out and .err, its size in .kib
pushes() {
	serves "$1"; shift
	: >heard
	timeout -s INT "${LONG:-60}" python3 -c '
import resource, signal, subprocess, sys
signal.signal(signal.SIGINT, lambda *_: None)
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=open(".kib", "w"))
sys.exit(code if code >= 0 else 128 - code)' \
	    "$B" -r repo replicate --service files --to \
	    "ssh://$(id -un)@127.0.2.1:$PORT$WORK/copy" --timeout "${PATIENCE:-30s}" \
	    --known-hosts sshd/known_hosts --identity sshd/id_ed25519 "$@" >.out 2>.err
	got=$?
}
plain() { # nothing that moves a terminal
	! cat .out .err | LC_ALL=C grep -qa "$(printf '[\033\007\001\233]')"
}
secret() { # neither what was not offered, nor a key, nor what is in the clear
	python3 - <<'END'
import os, sys
heard = open("heard", "rb").read()
for line in open("kept"):
    at = line.strip()
    name = bytes.fromhex(os.path.basename(at))
    if name in heard or open(at, "rb").read()[64:96] in heard:
        sys.exit(at)
for what in (b"what nobody may see", open("repo.key", "rb").read()[-32:]):
    if what in heard:
        sys.exit("in the clear")
END
}
# meets MODE CODES WORDS
meets() {
	pushes "$1" ${4:-}
	case " $2 " in
	*" $got "*) ok "$1: ends with $got" ;;
	*) not_ok "$1: ends with $got"; head -c 500 .err ;;
	esac
	holds "$1: says why" grep -qa -- "$3" .out .err
	holds "$1: nothing that moves a terminal" plain
	holds "$1: no more than was offered" secret
	holds "$1: small" test "$(cat .kib)" -le 65536
	holds "$1: few words" test "$(cat .out .err | wc -c)" -le 8192
}
meets honest 0 'sent 1 of 1 snapshots'
holds 'it heard what was sent' test "$(wc -c <heard)" -ge 3000000
meets want-none 0 'nothing to do'
for mode in want-more want-2^32; do meets $mode 1 'WANT'; done
meets want-2^31 1 'WANT\|bytes'
meets credit-0 1 'WELCOME'
meets credit-all 0 'sent 1 of 1'
meets features 0 'sent 1 of 1'
meets flags 1 'WELCOME'
meets packs-only 1 'packs only'
meets version 16 'version\|WELCOME'
meets hello 13 'is a sender, too'
meets farewell 1 'out of turn'
meets fetch 1 'out of turn'
meets fail 14 'the far side'
meets fail-code 1 'the far side'
meets fail-long 1 'replicating to'
for mode in staged-far staged-2^32; do meets $mode 1 'STAGED'; done
meets staged-all 0 'sent 1 of 1'
meets staged-some 0 'sent 1 of 1'
meets settled-early 1 'SETTLED'
meets settled-more 1 'SETTLED'
meets got-more 1 'GOT'
meets lack 1 'LACK\|out of turn'
meets acknowledged 1 'out of turn'
meets result-far 1 'RESULT out of turn'
meets result-again 1 'RESULT out of turn'
meets snapshot-far 1 'replicating'
meets result-code 3 'was not replicated'
meets no-pack 3 'was not replicated'
meets no-snapshot 3 'was not replicated'
PATIENCE=5s
for mode in silence ${EVERY:+got-never never-settled}; do meets $mode 75 'nothing\|no progress\|answer\|silent\|time'; done
for mode in stops-reading ${EVERY:+deaf farewell-none}; do meets $mode 75 ''; done
meets banner '1 75' 'does not speak store serve'
for mode in zeros noise; do meets $mode 1 'does not speak store serve'; done
meets died '1' 'far side'
PATIENCE=2s # a flood: two processors work for as long
meets stderr 75 'has not answered'
PATIENCE=30s
for mode in settled-for-ever busy got-for-ever deaf-and-loud; do
	meets $mode 1 'says the same without end'
done
finish
