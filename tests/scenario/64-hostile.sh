#!/bin/sh
# What goes wrong around a repository: keys, disks, locks, files that vanish,
# formats from the future, links that were planted.  Each time a clear message,
# the right exit code, and nothing half done.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

mkdir src
seq 50000 >src/numbers; echo one >src/one; head -c 6000000 /dev/urandom >src/big
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup --dataset files "$PWD/src"
whole() { expect 0 "... the repository is whole" "$B" -r "${1:-repo}" check --open; }
untouched() { is "... nothing of it changed" "$(print_of "$1")" "$2"; }

# --- keys
printf 'right words\n' >right; chmod 600 right; printf 'wrong words\n' >wrong; : >empty
expect 0 'init with a passphrase' env BASCULE_PASSPHRASE_FILE=right "$B" -r wrapped init
expect 0 'the right one' env BASCULE_PASSPHRASE_FILE=right "$B" -r wrapped backup src
was=$(print_of wrapped)
for c in 'backup src' 'ls latest' 'restore latest --to never'; do
	# shellcheck disable=SC2086
	expect 12 "the wrong passphrase: $c" env BASCULE_PASSPHRASE_FILE=wrong \
	    "$B" -r wrapped $c
	says passphrase
done
expect 12 'no passphrase' "$B" -r wrapped backup src; says PASSPHRASE
expect 12 'an empty passphrase' env BASCULE_PASSPHRASE_FILE=empty "$B" -r wrapped ls latest
expect 12 'a key of another family' env BASCULE_KEY_FILE=repo.key "$B" -r wrapped backup src
says family
fails '... nothing was made' test -e never
untouched wrapped "$was"
cp repo.key bent.key
python3 -c 'd = bytearray(open("bent.key", "rb").read()); d[150] ^= 1
open("bent.key", "wb").write(d)'
expect 12 'a flipped bit in the key' env BASCULE_KEY_FILE=bent.key "$B" -r repo ls latest
says bent.key
head -c 50 repo.key >short.key; chmod 600 short.key
expect 12 'half a key file' env BASCULE_KEY_FILE=short.key "$B" -r repo ls latest
expect 12 'no key file' env BASCULE_KEY_FILE=none.key "$B" -r repo ls latest; says none.key

printf 'open words' >open; chmod 644 open
expect 0 'a passphrase that others may read is told' \
    env BASCULE_PASSPHRASE_FILE=open "$B" -r open-repo init
says 'open to others'
expect 0 'one from a pipe' sh -c 'echo open words |
    BASCULE_PASSPHRASE_FILE=/proc/self/fd/0 "$1" -r open-repo backup src/one' sh "$B"

# --- sources
expect 1 'a source that is not there' "$B" -r repo backup "$PWD/nothing"; says nothing
n=$(snapshots_of repo)
expect 1 'one of two sources is not there' "$B" -r repo backup "$PWD/src" "$PWD/nothing"
says nothing
is '... and there is no snapshot' "$(snapshots_of repo)" "$n"
as_user() { # as somebody who may not read everything
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups \
		    --inh-caps=-all "$@"
	else
		"$@"
	fi
}
mkdir user; cp -a src user/src; mkdir user/src/closed; echo x >user/src/closed/x
echo secret >user/src/secret; chmod 0 user/src/secret user/src/closed
cp "$B" user/bascule # the build may lie where others cannot go
[ "$(id -u)" != 0 ] || { chown -R 65534:65534 user; chmod 755 .; }
expect 0 'init as somebody' as_user env HOME="$PWD/user" \
    BASCULE_STATE_DIR="$PWD/user/state" user/bascule -r user/repo init
expect 3 'an unreadable file and folder' as_user env HOME="$PWD/user" \
    BASCULE_STATE_DIR="$PWD/user/state" user/bascule -r user/repo backup "$PWD/user/src"
says secret closed partial
expect 0 '... the rest is saved' as_user env HOME="$PWD/user" \
    user/bascule -r user/repo restore "latest:$PWD/user/src" --to user/out
is '... and restored' "$(cmp src/big user/out/big && echo same)" same

# A file that is gone by the time it is opened; another that never rests.
mkdir busy; for i in $(seq 1500); do echo "$i" >"busy/$i"; done
seq 300000 >busy/zzz
(while :; do date >>busy/zzz; done) 2>/dev/null &
writer=$!; remember $writer
(for i in $(seq 1500 -1 700); do rm -f "busy/$i"; done) &
"$B" -r repo backup --dataset busy "$PWD/busy" >.out 2>.err
got=$?
kill $writer; wait $writer 2>/dev/null
case $got in
0 | 3) ok "files that vanish and change: exit code $got" ;;
*) not_ok "files that vanish and change: exit code $got"; cat .err ;;
esac
expect 0 '... restores' "$B" -r repo restore latest --to out-busy
whole

# --- no space
mkdir disk
inside() { # in a file system of its own, size, script...
	size=$1; shift
	unshare -m${rootless:+r} sh -c 'mount -t tmpfs -o size="$1" none "$2" &&
	    shift 2 && sh -c "$@"' inside "$size" "$PWD/disk" "$@"
}
[ "$(id -u)" = 0 ] || rootless=1
if inside 1m true 2>/dev/null; then
	export B
	expect 14 'a full disk at init' inside 4k 'touch disk/x; "$B" -r disk/repo init'
	says '[Nn]o space'
	expect 0 'a full disk in a backup' inside 4m '
	    "$B" -r disk/repo init && "$B" -r disk/repo backup src/one src/numbers || exit 90
	    "$B" -r disk/repo backup src/big; [ $? = 14 ] || exit 91
	    [ -z "$(ls disk/repo/tmp disk/repo/sessions | grep -v :)" ] || exit 92
	    "$B" -r disk/repo check --open || exit 93
	    [ $("$B" -r disk/repo --json snapshots | grep -c "\"type\":\"snapshot\"") = 1 ] ||
	        exit 94
	    "$B" -r disk/repo restore latest --to disk/out || exit 95
	    cmp disk/out/src/one src/one 2>/dev/null ||
	        cmp "disk/out$PWD/src/one" src/one || exit 96
	    rm -rf disk/out; "$B" -r disk/repo backup src/one || exit 97'
	says '[Nn]o space'
	expect 14 'a full disk in a restore' inside 2m \
	    '"$B" -r repo restore "latest:local/files:$PWD/src" --to disk/out
	    code=$?
	    [ ! -e disk/out/big ] || [ $(wc -c <disk/out/big) -lt 6000000 ] || exit 91
	    exit $code'
	says '[Nn]o space'
	expect 0 'a read-only repository' inside 64m '
	    cp -a repo repo.key disk; mount -o remount,ro disk
	    export BASCULE_KEY_FILE=disk/repo.key
	    for c in snapshots "check --open" "ls latest" "restore latest --to ro-out"; do
	        "$B" -r disk/repo $c >/dev/null || exit 91
	    done
	    "$B" -r disk/repo backup src >msg 2>&1; code=$?
	    cat msg; case $code in 1|13) ;; *) exit 92 ;; esac
	    grep -qi "read-only" msg || exit 93'
	whole
else
	skip 'full and read-only disks' 'no mount namespace can be made'
fi

# --- somebody else works on it
cat >hold.py <<'END'
import fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # OFD
print("held", flush=True)
time.sleep(float(sys.argv[2]))
END
mkfifo held
python3 hold.py repo/lock 1 >held & holder=$!; remember $holder
read -r _ <held
expect 0 'a lock held for a second is waited for' "$B" -r repo backup --dataset lock src/one
wait $holder
expect 0 'two at once' sh -c '
    "$B" -r repo backup --dataset a "$PWD/src" >/dev/null & a=$!
    "$B" -r repo backup --dataset b "$PWD/src" >/dev/null; b=$?
    wait $a && exit $b'
whole

# --- from the future
cat >future.py <<'END'
import hashlib, os, sys
kind, repo = sys.argv[1:]
def bump(path, at=10, by=1):
    data = bytearray(open(path, "rb").read())
    data[at] += by
    data[-32:] = hashlib.sha256(data[:-32]).digest()
    os.chmod(path, 0o600)
    open(path, "wb").write(data)
if kind == "format":
    bump(f"{repo}/format"), bump(f"{repo}/format.bak")
elif kind == "incompat":
    # bit 0 is the slices'
    bump(f"{repo}/format", 64, 2), bump(f"{repo}/format.bak", 64, 2)
elif kind == "manifest":
    bump(f"{repo}/index/MANIFEST")
END
for kind in format incompat manifest; do
	rm -rf future; cp -a wrapped future; chmod -R u+w future
	cp wrapped.key future.key
	python3 future.py $kind future
	was=$(print_of future)
	for c in snapshots 'ls latest' 'backup src' 'restore latest --to never' 'check --read'; do
		# shellcheck disable=SC2086
		expect 16 "a newer $kind: $c" env BASCULE_PASSPHRASE_FILE=right \
		    "$B" -r future $c
	done
	untouched future "$was"
done
fails '... nothing was made' test -e never
python3 - <<'END'
import hashlib
data = bytearray(open("repo.key", "rb").read())
data[10] += 1
data[-32:] = hashlib.sha256(data[:-32]).digest()
open("newer.key", "wb").write(data)
END
chmod 600 newer.key
expect 16 'a newer key file' env BASCULE_KEY_FILE=newer.key "$B" -r repo ls latest

# --- links
mkdir elsewhere
for where in packs index snapshots tmp sessions keys; do
	rm -rf trap; cp -a repo trap; cp repo.key trap.key
	mv "trap/$where" "elsewhere/$where"; ln -s "$PWD/elsewhere/$where" "trap/$where"
	was=$(print_of elsewhere)
	"$B" -r trap backup --dataset "$where" "$PWD/src/numbers" >.out 2>.err
	got=$?
	fails "a planted link $where/ is not followed (exit code $got)" test $got = 0
	is '... nothing beyond it changed' "$(print_of elsewhere)" "$was"
	rm -rf "elsewhere/$where"
done
rm -rf trap; cp -a repo trap
mv trap/format format.real; ln -s "$PWD/format.real" trap/format
mv trap/format.bak format.bak.real; ln -s "$PWD/format.bak.real" trap/format.bak
fails 'nor are format files that are links' "$B" -r trap snapshots
rm -rf trap; cp -a repo trap; chmod -R u+w trap
first=$(find trap/packs -type f | head -n 1)
mv "$first" away; ln -s "$PWD/away" "$first"
expect 4 'a pack that is a link is damage' "$B" -r trap check --read
says "$(basename "$first")"

# A restore never leaves its folder, whoever plants links in it meanwhile.
mkdir deep; for i in $(seq 300); do mkdir -p "deep/d$i"; echo "$i" >"deep/d$i/f"; done
expect 0 'many folders' "$B" -r repo backup --dataset deep "$PWD/deep"
mkdir -p outside "race$PWD/deep"; echo mine >outside/f
(
	while [ ! -e race-over ]; do
		for i in 1 50 100 150 200 250 300; do
			d=race$PWD/deep/d$i
			mv -T "$d" "$d.away" 2>/dev/null # never into what a link names
			ln -sT "$PWD/outside" "$d" 2>/dev/null
			rm -f "$d/none" 2>/dev/null
		done
	done
) &
planter=$!; remember $planter
for _ in 1 2 3; do
	"$B" -r repo restore latest --to race >/dev/null 2>&1
done
: >race-over; wait $planter
is 'links planted during a restore lead nowhere' "$(cat outside/* | tr '\n' ' ')$(find outside -type f | wc -l)" 'mine 1'
ln -s "$PWD/outside" linked
expect 0 'links that stood there before' "$B" -r repo restore latest:local/deep --to into
rm -rf "into$PWD/deep/d7"; ln -s "$PWD/outside" "into$PWD/deep/d7"
expect 0 '... are replaced, not followed' "$B" -r repo restore latest:local/deep --to into
is '... what is beyond stays' "$(cat outside/f)" mine
is '... what belongs there is there' "$(cat "into$PWD/deep/d7/f")" 7

# --- damage
rm -rf hurt; cp -a repo hurt; cp repo.key hurt.key; chmod -R u+w hurt
pack=$(find hurt/packs -type f -size +4000k | head -n 1)
python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(1000000); b = f.read(1)
f.seek(1000000); f.write(bytes([b[0] ^ 64]))' "$pack"
expect 4 'a damaged pack' "$B" -r hurt restore "latest:local/files:$PWD/src" --to hurt-out
says big
fails '... the file is not there in part' test -e hurt-out/big
is '... the others are' "$(cmp hurt-out/numbers src/numbers && echo same)" same
expect 4 '... cat says so as well' "$B" -r hurt cat latest:local/files "$PWD/src/big"
mkdir hurt-old; echo old >hurt-old/big; echo old >hurt-old/one; ln hurt-old/big hurt-old/twin
expect 4 '... over what is there' "$B" -r hurt restore "latest:local/files:$PWD/src" --to hurt-old
is '... the rest is restored' "$(cat hurt-old/one)" one
is '... another name of it stays' "$(cat hurt-old/twin)" old
expect 4 '... check names it' "$B" -r hurt check --read; says "$(basename "$pack")"
whole
finish
