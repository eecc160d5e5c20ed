#!/bin/sh
# A backup that is killed, or stopped, half way: the next one reads nothing of
# what the last checkpoint holds again, and stores nothing of it again.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
command -v strace >/dev/null || { skip 'resuming' 'no strace'; finish; exit; }
# The programs hold keys and cannot be looked into, but by root.
[ "$(id -u)" = 0 ] || { skip 'resuming' 'not root: strace sees no names'; finish; exit; }

# Files that were there long before: young ones are read again by rule.
data=/usr/include
[ "$(find $data -type f | wc -l)" -gt 6000 ] || data=/usr/share
"$B" -r repo init >/dev/null 2>&1

# watched LOG command...: which files it opens to read, slowly; LOG.n a thread.
watched() {
	log=$1; shift
	exec strace -ff -y -q -ttt -s 300 -o "$log" -e trace=openat,fdatasync \
	    -e inject=openat:delay_enter=4000 "$@"
}
# Paths of regular files opened to be read; "before": those before the state
# cache was last flushed, but for as many as may have been read ahead by then
# (lib/job/ahead.h), and as many again: threads pass each other by so far.
opened() {
	python3 - "$1" "$2" <<'END'
import glob, re, sys
AHEAD = 2 * 8 * 64
pattern = re.compile(r'(\d+\.\d+) openat\(\d+<([^>]*)>, "((?:[^"\\]|\\.)*)", O_RDONLY\|[^)]*O_NONBLOCK[^)]*\) = \d')
files, last = [], 0.0
lines = [l for name in glob.glob(sys.argv[1] + ".*")
         for l in open(name, errors="replace")]
for line in lines:
    if "fdatasync(" in line:
        last = max(last, float(line.split()[0]))
    m = pattern.search(line)
    if m:
        files.append((float(m[1]), m[2] + "/" + m[3]))
if sys.argv[2] != "all":
    files = sorted(f for f in files if f[0] < last)[:-AHEAD]
for when, path in files:
    print(path)
END
}
# SIGNAL PID: to what strace watches; nobody when that has ended (0 is us all).
stop_traced() {
	child=$(cat "/proc/$2/task/$2/children" 2>/dev/null)
	[ -n "$child" ] || { not_ok "it ended before it was stopped"; return; }
	kill "-$1" ${child%% *}
}
# until_opened COUNT LOG: so many files were opened to be read.
until_opened() {
	for i in $(seq 200); do
		[ "$(cat "$2".* 2>/dev/null | grep -c 'O_NONBLOCK.* = [0-9]')" -ge "$1" ] && return
		sleep 0.1
	done
}
checkpoints() { "$B" -r repo --json snapshots --all | grep -c '"checkpoint":true'; }

# --- killed
(watched log1 "$B" -r repo --quiet backup --checkpoint 1 $data) >/dev/null 2>&1 &
pid=$!
remember $pid
until_opened 1800 log1
flushed() { cat log1.* | grep -c 'fdatasync('; }
enough=$(($(flushed) + 2)) # a checkpoint that holds them
for i in $(seq 100); do
	[ "$(flushed)" -ge "$enough" ] && break
	sleep 0.1
done
sleep 0.2
stop_traced 9 $pid
wait $pid 2>/dev/null
is 'one checkpoint is left' "$(checkpoints)" 1
"$B" -r repo --json snapshots >list
is 'it is not among the snapshots' "$(grep -c '"type":"snapshot"' list)" 0
expect 1 'nor is it the latest' "$B" -r repo ls latest; says 'no snapshot'
id=$("$B" -r repo --json snapshots --all | sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
expect 3 'it is restored only with a word' "$B" -r repo restore --to part "$id"
says 'did not end'
expect 3 '... nor exported without' "$B" -r repo export -o part.tar "$id"
says 'did not end'
opened log1 before | sort >done1
holds 'the first run came somewhere' test "$(wc -l <done1)" -gt 200

# --- stopped
(watched log2 "$B" -r repo --quiet backup --checkpoint 60 $data) >out2 2>err2 &
pid=$!
remember $pid
until_opened 1800 log2
stop_traced INT $pid
wait $pid
is 'stopped: 130' $? 130
holds 'it says that the next one goes on' grep -q 'goes on from there' err2
opened log2 all | sort >second
comm -12 done1 second >twice
is 'nothing is opened twice after kill -9' "$(wc -l <twice)" 0
opened log2 before | sort >done2
holds 'the second run went further' test "$(wc -l <done2)" -gt 20

# --- ended by the system
(watched log4 "$B" -r repo --quiet backup --checkpoint 60 $data) >out4 2>err4 &
pid=$!
remember $pid
until_opened 1800 log4
stop_traced TERM $pid
wait $pid
is 'ended: 143' $? 143
holds 'it says so, too' grep -q 'goes on from there' err4
opened log4 all | sort >fourth
sort done1 done2 | comm -12 - fourth >twice
is 'nothing is opened twice after SIGINT' "$(wc -l <twice)" 0
opened log4 before | sort >done4
holds 'it went further' test "$(wc -l <done4)" -gt 20

# --- to the end
watched log3 "$B" -r repo --json backup $data >summary 2>/dev/null &
pid=$!
remember $pid
wait $pid
is 'the third run ends well' $? 0
opened log3 all | sort >third
sort done1 done2 done4 | comm -12 - third >twice
is 'nothing is opened twice after SIGTERM' "$(wc -l <twice)" 0
is 'no checkpoint is left' "$(checkpoints)" 0
is 'nor a part of the cache' "$(ls state/cache | grep -c '\.p')" 0
mkdir all
expect 0 'it restores' "$B" -r repo restore "latest:/$data" --to all
same 'as it is' $data all
expect 0 'and checks' "$B" -r repo check --open
finish
