#!/bin/sh
# Paths longer than PATH_MAX, directories of many entries, names of any bytes:
# saved, found, read, restored, deleted, and never raw on a terminal.
# ENTRIES=1000000 is the long form.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
ENTRIES=${ENTRIES:-5000}
expect 0 'init' "$B" -r repo init

# --- deep
same_deep() { # name, folder
	python3 "$TOOLS/deep.py" print deep >deep.is
	python3 "$TOOLS/deep.py" print "$2" >deep.was
	holds "$1" cmp deep.is deep.was
}
python3 "$TOOLS/deep.py" make deep || not_ok 'a deep tree'
expect 0 'a tree whose paths are longer than PATH_MAX' "$B" -r repo backup deep
expect 0 'restored' "$B" -r repo restore "latest:$PWD/deep" --to out --verify
same_deep '... the same' out
expect 0 'ls' "$B" -r repo ls latest
leaf=$(grep '/leaf$' .out | head -n 1)
holds '... names it' test "${#leaf}" -gt 11000
expect 0 'cat' "$B" -r repo cat latest "$leaf"; is '... shows it' "$(cat .out)" 'far down'
expect 0 'find' "$B" -r repo find leaf; is '... finds all' "$(grep -c '/leaf$' .out)" 3
expect 0 '--path' "$B" -r repo restore latest --to one --path "$leaf"; says 'restored 1 files'
python3 - <<'END'
import os
at = os.open("out", os.O_RDONLY)
while True:
    below = [n for n in os.listdir(at) if n[0].isdigit()]
    if not below:
        break
    at = os.open(below[0], os.O_RDONLY, dir_fd=at)
os.unlink("twin", dir_fd=at), os.unlink("big-twin", dir_fd=at)
os.mkdir("stray", dir_fd=at)
os.close(os.open("stray/s", os.O_CREAT, dir_fd=at))
os.close(os.open("leaf", os.O_WRONLY | os.O_TRUNC, dir_fd=at))
END
expect 0 'over it, --delete' "$B" -r repo restore "latest:$PWD/deep" --to out --delete
says '2 others deleted'
same_deep '... the same' out
touch deep/new
expect 0 'the next run' "$B" -r repo backup deep
"$B" -r repo --json snapshots | sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' >ids
expect 0 'diff' "$B" -r repo diff "$(head -n 1 ids)" "$(tail -n 1 ids)"; says '/deep/new'

# --- wide
python3 - "$ENTRIES" <<'END'
import os, sys
os.mkdir("wide")
at = os.open("wide", os.O_RDONLY)
for i in range(int(sys.argv[1])):
    fd = os.open("entry-%07d" % (i * 7919 % 10000000), os.O_CREAT | os.O_WRONLY, dir_fd=at)
    if i % 100 == 0:
        os.write(fd, b"%d" % i)
    os.close(fd)
END
expect 0 "a directory of $ENTRIES entries" "$B" -r repo backup --dataset wide wide
expect 0 'restored' "$B" -r repo restore "latest:local/wide:$PWD/wide" --to flat
same '... the same' wide flat
expect 0 'ls of it' "$B" -r repo ls latest:local/wide "$PWD/wide"
is '... all of them' "$(grep -c '/entry-' .out)" "$ENTRIES"

# --- any bytes, and what a terminal is shown of them
mkdir bytes
python3 - <<'END'
import os
for name in (b"\x1b[31mred", b"new\nline", b"\xff\xfe", b"--help", b"-", b"\x7f",
             b"\xc2\x9b31m", b"back\\slash", b"\xe2\x80\xaegnp.exe", b"\r", b"a" * 255):
    os.mkdir(b"bytes/" + name)
    open(b"bytes/" + name + b"/" + name, "w").write("x")
    os.symlink(name, b"bytes/" + name + b"/s")
END
expect 0 'names of any bytes' "$B" -r repo backup --dataset bytes bytes
expect 0 'restored' "$B" -r repo restore "latest:local/bytes:$PWD/bytes" --to back
same '... the same' bytes back
raw() { # name: the last command's words hold no control characters
	python3 - <<'END' >.raw
for name in (".out", ".err"):
    data = open(name, "rb").read()
    text = data.decode("utf-8", "replace")
    for c in sorted(set(text)):
        if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c in "\ufffd\u202e"):
            print(name, ascii(c))
END
	is "$1 shows none of them raw" "$(cat .raw)" ''
}
expect 0 'ls -l' "$B" -r repo ls -l latest:local/bytes; raw ls
expect 0 'find' "$B" -r repo find '*'; raw find
rm -rf back/*; echo x >stop; touch back/stray
expect 0 'a dry run' "$B" -r repo restore "latest:local/bytes:$PWD/bytes" --to back --dry-run; raw 'the plan'
printf y >"bytes/-/-"; printf 'n' >"$(printf 'bytes/\033[31mred/new')"
"$B" -r repo backup --dataset bytes bytes >/dev/null 2>&1
expect 0 'diff' "$B" -r repo diff "$("$B" -r repo --json snapshots | sed -n \
    's/.*"snapshot":"\([0-9a-f]*\)".*"dataset":"bytes".*/\1/p' | head -n 1)" latest:local/bytes; raw diff
find back -mindepth 1 -delete; cp -a bytes/. back
find back -type f -name '*red' | while read -r f; do rm "$f"; mkdir -p "$f/full"; done
expect 3 'faults' "$B" -r repo restore "latest:local/bytes:$PWD/bytes" --to back; raw 'a fault'; says 'red'
while IFS= read -r n; do
	name=$(printf '%b' "$n")
	expect 0 "cat of $n" "$B" -r repo cat latest:local/bytes "$PWD/bytes/$name/$name"
done <<'END'
\0033[31mred
--help
\0377\0376
END
finish
