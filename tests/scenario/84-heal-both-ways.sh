#!/bin/sh
# Any block of either repository destroyed is healed from the other one, byte
# for byte: of packs of data and of pages, of snapshots, of the index and of what
# the repository says it is.  What both have lost is said: which files of which
# snapshots, and no others.  EVERY=1: every block of every file.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"

if ! lab_up; then
	skip 'healing' 'no sshd can be started here'
	finish
fi
export BASCULE_KEY_FILE="$WORK/family.key"
lab_site brent
mkdir data data/small
for n in 1 2 3; do
	head -c 900000 /dev/urandom >data/noise$n
	cp "$TOP"/lib/ssh/ssh*.c data/small
	echo "of round $n" >>data/small/sshurl.c
	cp -R data true$n
	expect 0 "backup $n" "$B" -r brent/repository backup --dataset files data
done
for host in brent southwark; do
	[ $host = brent ] && other=southwark || other=brent
	lab_permit $host $other
done
# there HOST OTHER COMMAND... : on HOST, of the copy at OTHER
there() {
	there_on=$1 there_of=$2; shift 2
	lab_on "$there_on" "$B" -r "$WORK/$there_on/repository" "$@" \
	    "ssh://$(id -un)@$(lab_address "$there_of" virgin):$LAB_PORT$WORK/$there_of/repository" \
	    --known-hosts "$WORK/known_hosts" --remote-bascule "$B" \
	    --identity "$WORK/$there_on/ssh/id_ed25519"
}
print_of_kept() { # what a site keeps, and that it is what its name says
	(cd "$1/repository" && find packs snapshots points -type f |
	    while read -r f; do
		[ "$(sha256sum <"$f" | cut -c1-64)" = "${f##*/}" ] || echo "bent $f"
		echo "$f"
	    done | sort)
}
# All that was there is there again, as it was; healing may add a pack of its own.
kept_whole() {
	print_of_kept "$1" >now
	! grep -q bent now && [ -z "$(comm -23 "$1.kept" now)" ]
}
heal_from() { # OTHER SITE
	there "$2" "$1" heal --from
	case $? in 0 | 5) ;; *) false ;; esac
}
# ruin FILE BLOCK: 64 KiB of it, or what there is.
ruin() {
	chmod u+w "$1"
	python3 -c 'import os, sys
with open(sys.argv[1], "r+b") as f:
    at = int(sys.argv[2]) << 16
    f.seek(at)
    old = f.read(65536)
    f.seek(at)
    f.write(bytes(b ^ 0x5a for b in old))' "$1" "$2"
}
healed() { # SITE WHAT
	[ "$1" = brent ] && other=southwark || other=brent
	if heal_from $other "$1" >.heal 2>&1 &&
	    "$B" -r "$1/repository" check --open >>.heal 2>&1 &&
	    kept_whole "$1"; then
		ok "$1: $2 is healed"
	else
		not_ok "$1: $2 is healed"
		tail -n 5 .heal | sed 's/^/# /'
	fi
	rm -rf "$1/repository/bad"
}
largest() { find "$1" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2; }
smallest() { find "$1" -type f -printf '%s %p\n' | sort -n | head -n 1 | cut -d' ' -f2; }

expect 0 'the copy' there brent southwark replicate --to
for host in brent southwark; do
	print_of_kept $host >$host.kept
done
is 'is one' "$(sha256sum <brent.kept)" "$(sha256sum <southwark.kept)"

for host in southwark brent; do
	repo=$host/repository
	f=$(largest $repo/packs)
	ruin "$f" $(($(stat -c %s "$f") / 131072))
	healed $host 'a block of a pack of data'
	f=$(smallest $repo/packs)
	ruin "$f" 0
	ruin "$(largest $repo/packs)" 0
	healed $host 'a pack of pages, and the head of another pack'
	rm -f "$(largest $repo/packs)"
	ruin "$(smallest $repo/snapshots)" 0
	healed $host 'a lost pack, and a snapshot'
	ruin $repo/index/MANIFEST 0
	ruin $repo/format 0
	healed $host 'the index and the format'
	# Segments that no MANIFEST names any more are looked at by nobody, until
	# the same is to be written again.
	for f in $repo/index/????????*?; do
		case $f in */MANIFEST) ;; *) ruin "$f" 0 ;; esac
	done
	healed $host 'every segment'
	f=$(largest $repo/packs)
	ruin "$f" $(($(stat -c %s "$f") / 131072))
	healed $host 'the same block once more'
done
if [ -n "${EVERY:-}" ]; then
	for host in southwark brent; do
		(cd $host/repository && find packs snapshots index format* -type f |
		    sort) >all
		while read -r f; do
			[ -e "$host/repository/$f" ] || continue
			blocks=$((($(stat -c %s "$host/repository/$f") + 65535) / 65536))
			b=0
			while [ $b -lt $blocks ] && [ -e "$host/repository/$f" ]; do
				ruin "$host/repository/$f" $b
				healed $host "block $b of $f"
				b=$((b + 1))
			done
		done <all
	done
fi

# --- lost in both
f=$(cd brent/repository && find packs -type f -printf '%s %p\n' | sort -n |
    tail -n 1 | cut -d' ' -f2)
for host in brent southwark; do
	ruin "$host/repository/$f" 2
done
fails 'what both have lost is not healed' heal_from southwark brent
fails '... nor there' heal_from brent southwark
for host in brent southwark; do
	expect 4 "$host: check says so" "$B" -r $host/repository check --read
	sed -n "s|.*cannot be restored whole: $WORK/data/\([^ ]*\) (.*|\1|p" .err |
	    sort >$host.said
	says '^bascule: cannot be restored whole: .*: [1-3] snapshots*, the newest [0-9a-f]\{12\}'
done
is 'both of the same files' "$(cat brent.said)" "$(cat southwark.said)"
holds 'of some' test -s brent.said
"$B" -r southwark/repository --json snapshots |
    sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' >ids
n=0
while read -r s; do
	n=$((n + 1))
	"$B" -r southwark/repository restore "$s" --to back$n >/dev/null 2>&1
	(cd true$n && find . -type f -printf '%P\n') | while read -r f; do
		cmp -s "true$n/$f" "back$n$WORK/data/$f" || echo "$f"
	done
done <ids | sort -u >hurt
is 'just these are not restored, of any snapshot' "$(cat hurt)" \
    "$(cat southwark.said)"
holds 'the others are' test "$(wc -l <hurt)" -lt "$(find data -type f | wc -l)"
finish
