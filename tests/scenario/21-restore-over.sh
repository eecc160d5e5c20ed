#!/bin/sh
# A restore over what is there: only what differs is fetched and written, each
# value of --overwrite and --delete does what it says and no more, and what
# stands in the way is replaced, or named.  FILES=100000 is the long form.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
FILES=${FILES:-5000}

unmount() { umount -l "$WORK/disk" 2>/dev/null; scenario_end; }
trap unmount EXIT
expect 0 'init' "$B" -r repo init --slices
over() { # exit code, name, option...
	code=$1 what=$2; shift 2
	expect "$code" "$what" "$B" -r repo restore "latest:$PWD/src" --to to "$@"
}

# --- one of a hundred differs
cat >many.py <<'END'
import os, random, sys
rng = random.Random(7)
count = int(sys.argv[1])
for i in range(count):
    if i % 1000 == 0:
        os.makedirs("src/d%03d" % (i // 1000))
    noise = rng.randbytes(rng.randrange(300, 3000))
    if sys.argv[2] == "text":
        noise = noise.hex().encode()
    elif sys.argv[2] == "alike":
        if i % 400 == 0:
            common = [rng.randbytes(2000) for _ in range(100)]
        noise = common[i % 100] + noise[:300]
    with open("src/d%03d/f%05d" % (i // 1000, i), "wb") as f:
        f.write(noise)
END
cat >calls.py <<'END'
# What a trace says was read of the repository's data, and what was changed; and
# how much of a frame's size or more was read more than once.
import collections, fileinput, os, re, sys
read, changed, written = 0, set(), 0
places = collections.Counter()
for line in fileinput.input(sys.argv[1:], errors="replace"):
    m = re.match(r"(\w+)\((.*)\) += (-?\d+)", line)
    if not m or m[3].startswith("-") or "_GETFLAGS" in m[2]:
        continue
    call, args, result = m.groups()
    if call == "pread64" and "/packs/" in args:
        read += int(result)
        if int(result) > 500000:
            pack, at = re.search(r"<(/[^>]*)>.*, (\d+)$", args).groups()
            # A footer, at its end, is read by each thread for the key.
            if int(at) + int(result) + 1000 < os.path.getsize(pack):
                places[pack, at, int(result)] += 1
    if call == "pread64" or "/packs/" in args or "/state/" in args:
        continue
    path = re.search(r"(/to/[^>\"]*)", args)
    if path:
        changed.add(path[1])
        written += int(result) if call == "pwrite64" else 0
again = sum((n - 1) * at[2] for at, n in places.items())
print(read, len(changed), written, len(places), again)
END
stored=0
grow() { # kind: files of it, saved and restored
	rm -rf src to; mkdir src
	python3 many.py "$FILES" "$1"
	expect 0 "a backup of $FILES small files of $1" "$B" -r repo backup src
	data=$(($(du -sb repo/packs | cut -f1) - stored)) stored=$(du -sb repo/packs | cut -f1)
	over 0 'restored'
}
grow text
traced() { # name, then what is read, how many changed, how much written
	# Who holds keys makes himself unreadable to whoever is not root: not here.
	strace -ff --seccomp-bpf -y -o trace -e inject=prctl:retval=0 -e trace=prctl,pread64,pwrite64,write,fchmod,fchmodat,fchownat,utimensat,ftruncate,unlinkat,mkdirat,linkat,symlinkat,fsetxattr,fremovexattr,ioctl \
	    "$B" -r repo --json restore "latest:$PWD/src" --to to >.out 2>.err </dev/null
	is "$1" $? 0
	# shellcheck disable=SC2046
	set -- $(python3 calls.py trace.*)
	rm trace.*
	read_bytes=$1 changed=$2 written=$3 frames=$4 again=$5
	echo "# of $data bytes of packs $read_bytes read; $changed changed, $written bytes written"
	is "... no frame is read twice (of $frames)" "$again" 0
}
if strace -o /dev/null true 2>/dev/null; then
	traced 'again, over it'
	is '... nothing is changed' "$changed $written" '0 0'
	holds '... of the data nothing is read, of pages all' test "$read_bytes" -lt $((data / 5))
	pages=$read_bytes

	# Ten of a thousand in every folder: few bytes, everywhere.  Of a frame in
	# slices those files' are read, its directory and its first slice.
	n=$((FILES / 100))
	meddle() { # with files whose name ends so: a byte of each
		python3 - "$1" <<-'END'
			import glob, sys
			for name in glob.glob("to/d*/f*" + sys.argv[1]):
			    with open(name, "r+b") as f:
			        f.seek(100), f.write(b"X")
		END
	}
	meddle 00
	traced 'one file of a hundred differs'
	is '... and those are changed' "$changed" "$n"
	holds '... by a block each' test "$written" -le $((n * 4096 * 2))
	holds '... of the data few slices more than those are read' test \
	    $((read_bytes - pages)) -lt $((data / 10))
	same '... as they were' src to

	# A hundred together: what is fetched are the frames they lie in.
	for f in to/d000/f000*; do printf 'X' >"$f"; done
	traced 'those of one place differ'
	is '... and those are changed' "$changed" 100
	holds '... of the data only their frames are read' test \
	    $((read_bytes - pages)) -lt $((3 * 2200000))
	same '... as they were' src to

	# Files like others far from them: slices would cost too much, so frames
	# are read whole, each once.
	grow alike
	traced 'again, over files that are alike'
	is '... nothing is changed' "$changed $written" '0 0'
	pages=$read_bytes
	meddle 00
	traced 'one file of a hundred differs'
	is '... and those are changed' "$changed" "$n"
	holds '... of the repository its pages and each frame once' test "$read_bytes" -le $((data + pages))
	holds '... of which there are some' test "$frames" -gt 1
	same '... as they were' src to

	# What does not compress is stored as it is: of such a frame only those
	# files are read, the lengths it begins with, and each pack's footer.
	grow noise
	traced 'again, over what does not compress'
	is '... nothing is changed' "$changed $written" '0 0'
	pages=$read_bytes
	meddle 00
	traced 'one file of a hundred differs'
	is '... and those are changed' "$changed" "$n"
	holds '... of the data hardly more than those are read' test \
	    $((read_bytes - pages)) -lt $((data * 6 / 100))
	same '... as they were' src to
	meddle ''
	traced 'all of them differ'
	holds '... that costs an eighth more than all of it' test \
	    "$read_bytes" -lt $((pages + data + data / 7))
	same '... as they were' src to
else
	skip 'what is read and written' 'no strace here'
fi

# --- the same in metadata only; sparse files and many chunks
rm -rf src to; mkdir -p src/sub
head -c 9000000 /dev/urandom >src/big; echo new >src/small; ln src/small src/twin
ln -s small src/link; echo f >src/sub/f; mkfifo src/fifo
truncate -s 3M src/sparse; printf 'x%.0s' $(seq 5000) | dd of=src/sparse bs=4096 \
    seek=300 conv=notrunc 2>/dev/null
expect 0 'a backup' "$B" -r repo backup src
written() { sed -n 's/.*"written_bytes":\([0-9]*\).*/\1/p' .out; }
over 0 'restored'
over 0 'over it' --json
is '... holes and chunks are left alone' "$(written)" 0
printf Y | dd of=to/big bs=1 seek=5000000 conv=notrunc 2>/dev/null
printf Y | dd of=to/sparse bs=1 seek=1228810 conv=notrunc 2>/dev/null
chmod 600 to/small; touch to/sub/f; touch -h to/link
over 0 'a byte of each, and a mode' --json
# One with two names is never changed in place. A block in which a chunk
# ends is written as far as that chunk goes.
holds '... two blocks at most are written, and the file of two names' test \
    "$(written)" -le $((8192 + 4)) -a "$(written)" -ge $((2 + 4))
same '... the same' src to --holes

# --- never
older() { rm -rf to; mkdir -p to/link; head -c 9000000 /dev/zero >to/big
	echo old >to/small; echo other >to/sparse; chmod 700 to; touch -d @5 to; }
older; cp -a to was
over 0 '--overwrite never' --overwrite never
says '4 were there already'
for f in big small sparse; do cmp -s "was/$f" "to/$f" || not_ok "$f was overwritten"; done
ok '... what was there stays'
is '... also the folder itself' "$(stat -c %a to)" 700
is '... a second name is not made of what stays' "$(cat to/twin)" new
is '... what was not there is restored' "$(cat to/sub/f)" f
rm -rf was
echo iamfile >to/x; rm -r to/sub; mv to/x to/sub
over 3 '... a file where a folder belongs is named' --overwrite never; says /sub:
is '... and stays' "$(cat to/sub)" iamfile

# --- differing and always
older; over 0 '--overwrite differing'; same '... the same' src to --holes
over 0 '--overwrite always' --overwrite always --json
holds '... writes all of it' test "$(written)" -ge 9000000
same '... the same' src to --holes

# --- another type in the way
rm -rf to; mkdir -p to/small/x; ln -s /nowhere to/sub; mkdir to/fifo; echo file >to/link
over 3 'a dry run names a full folder in the way of a file' --dry-run
says '/small: cannot replace.*--delete' '^replace .*to/fifo'
fails '... and does not say that it is replaced' grep -q '^replace .*to/small' .out
over 3 'a full folder in the way of a file is named'; says /small:
is '... the rest is restored' "$(cat to/twin)$(cat to/sub/f)$(readlink to/link)" newfsmall
over 0 '... --delete makes room for it' --delete; same '... the same' src to --holes

# --- delete: what the snapshot lacks, beneath what is asked for
strays() { echo e >to/stray; echo e >to/sub/stray; mkdir -p to/more/dirs; }
strays
over 0 '--delete --path sub' --delete --path sub
is '... only there' "$(ls to/stray to/more; ls to/sub)" 'to/stray

to/more:
dirs
f'
over 1 '--delete --path of nothing' --delete --path stray; says 'not in the snapshot'
holds '... nothing is deleted' test -e to/stray
over 0 '--delete --dry-run' --delete --dry-run; says '^delete .*to/stray' '^delete .*to/more/dirs'
holds '... nothing is deleted' test -e to/stray -a -d to/more/dirs
expect 13 '--delete of a file is refused' "$B" -r repo restore "latest:$PWD/src/big" --to to --delete
holds '... nothing is deleted' test -e to/stray -a -e to/small
mkdir outside; echo mine >outside/f; ln -s "$PWD/outside" to/out
over 0 '--delete' --delete; same '... the same' src to --holes
is '... and not beyond a link' "$(cat outside/f)" mine
expect 13 '--delete from / is refused' "$B" -r repo restore latest --to / --delete --dry-run

# --- a file with a name outside of what is restored
rm to/small to/twin; cp src/small outside/small; chmod 604 outside/small
ln outside/small to/small
over 0 'a file that has another name outside'; same '... is made anew' src to --holes
is '... the other is left alone' "$(stat -c '%a %h' outside/small)" '604 1'

# --- a dry run says it all and does nothing
echo else >to/small; rm to/twin to/big; rm -r to/sub; echo x >to/sub; echo e >to/stray; chmod 600 to/sparse
before=$(print_of to)
over 0 'a dry run' --delete --dry-run
says '^make .*to/big' '^alter .*to/small' '^alter .*to/sparse' '^replace .*to/sub' \
    '^make .*to/sub/f' '^delete .*to/stray' 'would restore'
fails '... what is right is not named' grep -q 'to/link\|to/fifo' .out
is '... nothing is changed' "$(print_of to)" "$before"
over 0 '... in JSON' --delete --dry-run --json; says '"type":"change"' '"change":"replace"'
over 0 '... onto nothing' --to never --dry-run; fails '... nothing is made' test -e never
over 0 'then done' --delete --verify; says 'everything is in /.*/to$'
same '... the same' src to --holes
touch -d @7 to/small; setfattr -n user.x -v y to/sparse 2>/dev/null

# --- twice the same path, and one within another
rm -rf to
over 0 'paths within paths' --path sub/f --path /sub/ --path sub --path small
is '... once' "$(find to -type f | sort | tr '\n' ' ')" 'to/small to/sub/f '
says 'restored 2 files, 1 directories'

# --- what cannot be changed
if [ "$(id -u)" = 0 ] && truncate -s 64M disk.img && mkdir disk &&
    mkfs.ext4 -q disk.img && mount -o loop disk.img disk 2>/dev/null; then
	rm -rf to; mkdir disk/to; ln -s disk/to to
	over 0 'onto a disk of its own'
	echo x >to/small; rm to/sub/f; mkdir to/sub/f; echo s >to/sub/stray; echo k >to/kept
	chattr +i to/small to/sub to/kept
	over 3 'immutable files and folders' --delete; says 'kept: cannot delete' 'stray: cannot delete'
	is '... what the snapshot has is put right' "$(cat to/small to/sub/f | tr '\n' ' ')" 'new f '
	is '... what it lacks stays' "$(cat to/kept)" k
	chattr -i to/kept
	over 0 '... the second time all of it' --delete; same '... the same' src disk/to --holes
	rm to/big; cp "$(command -v sleep)" to/big; to/big 60 & remember $!
	over 0 'over a program that runs' --verify; same '... the same' src disk/to --holes
	rm to/big; dd if=/dev/zero of=to/fill bs=1M 2>/dev/null
	over 14 'a full disk'; fails '... the file is not there in part' test -e to/big
else
	skip 'immutable files' 'no disk of our own'
fi
finish
