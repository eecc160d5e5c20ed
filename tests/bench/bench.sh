#!/bin/sh
# bench.sh: bascule and its peers in one run, on the sets of mkdata.sh.
#
#	SCALE=1 SETS='D1 D5' DIR=/var/tmp/bench RUNS=3 sh tests/bench/bench.sh
#
# DIR (outside of the tree) holds the data, which is made once, and everything
# else, which is removed.  SCALE 0.1 is 300 MB; SETS of D1 D2 D3 D4 D5 (the
# changed ones, D2b and D3b, come with theirs) and R: a repository of D1 and D3
# brought to a copy over an sshd of its own on this machine, then after D3b, then
# with nothing to do; beside it rsync of the same directory, and restic copy; and over
# the laboratory's relay at 20 ms, as fast as it goes (copy-20ms) and where the path
# carries 400 Mbit/s (copy-400M); and fetched by a copy (pull-first, pull-20ms).
# PEERS='restic tar' leaves out borg.  GROWTH=1 adds how time grows: D3 and D5 at
# several scales.
#
# For each set: first backup, unchanged, changed, restore, one file, list,
# check, prune; the median of RUNS, the page cache warm for all; peak memory as
# GNU time has it.  restic and borg: their own defaults but for borg's zstd,3.
# D2 is also saved with a key that cannot read and a delta cache (the rows with
# -cache); that is held to the same bytes.
# Every row with a bar says whether it was met ("FAILS" if not): the bars are
# ratios to a peer in this run, table.py has them.
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
SCALE=${SCALE:-0.1} SETS=${SETS:-D1} RUNS=${RUNS:-1} GROWTH=${GROWTH:-}
PEERS=${PEERS:-restic borg tar}
DIR=${DIR:-${TMPDIR:-/tmp}/bascule-bench-$SCALE}
B=${BASCULE:-$top/build/bascule}
[ -x "$B" ] || make -s -j"$(nproc)" all
for p in restic zstd tar python3 unshare /usr/bin/time; do
	command -v $p >/dev/null || { echo "bench: $p is missing: make deps" >&2; exit 1; }
done
command -v borg >/dev/null || PEERS=$(echo "$PEERS" | sed 's/borg//')
export SCALE LC_ALL=C
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
sets=
for set in $SETS; do
	case $set in
	D2) sets="$sets D2 D2b" ;;
	R) sets="$sets D1 $([ -e "$DIR/data/D3.done" ] || echo D2) D3 D3b" ;;
	D3) sets="$sets $([ -e "$DIR/data/D3.done" ] || echo D1 D2) D3 D3b" ;;
	*) sets="$sets $set" ;;
	esac
done
# shellcheck disable=SC2086
bash tests/bench/mkdata.sh "$DIR/data" $sets
work=$DIR/work.$$
rm -rf "$work"
mkdir "$work" "$work/src"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export HOME="$work/home" BASCULE_STATE_DIR="$work/state"
export RESTIC_CACHE_DIR="$work/restic-cache" RESTIC_PASSWORD=bench
export BORG_PASSPHRASE=bench BORG_BASE_DIR="$work/borg-base"
results=$work/results
: >"$results"
# Each figure is shown as it is measured: of a run that is ended, those are left.
noted() { tee -a "$results" >&2; }

# Every version of a set is seen at one path, as its next version would be.
as_root=
[ "$(id -u)" = 0 ] || as_root=-r
at_src() {
	# shellcheck disable=SC2016,SC2086
	unshare -m $as_root sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' \
	    at_src "$seen" "$work/src" "$@"
}

# measure TOOL WHAT command...: "set tool what seconds cpu KiB".  Nobody pays for
# what the one before has left to be written.
measure() {
	tool=$1 what=$2; shift 2
	sync
	if ! at_src /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/log" 2>&1; then
		echo "bench: $tool $what of $set failed:" >&2
		tail -n 5 "$work/log" >&2
		exit 1
	fi
	echo "$set $tool $what $(tail -n 1 "$work/time")" | noted
}
# What a first backup added: an empty repository holds keys, a reserve.
size() { du -s --block-size=1 "$1" | cut -f1; }
stored() { # TOOL WHAT PATH: in bytes
	echo "$set $1 $2 $(($(size "$3") - empty))" | noted
}
warm() { tar -cf - "$1" 2>/dev/null | cat >/dev/null; }
# What is measured next reads from memory, whichever tool it is.
version() {
	seen=$DIR/data/$1
	warm "$seen"
}
has_next() { [ "$set" = D2 ] || [ "$set" = D3 ]; }
is_one_of() { case " $2 " in *" $1 "*) return 0 ;; esac; return 1; }
one_file() { # a file in the middle of the set, as seen at work/src
	(cd "$DIR/data/$set" && find . -type f -size +1 | LC_ALL=C sort |
	    awk '{ l[NR] = $0 } END { print substr(l[int(NR / 2) + 1], 3) }')
}

# A file is believed unchanged only when its ctime was 60 s old when it was
# read, so data that was just made has to rest.
rest() {
	newest=$(find "$1" -printf '%C@\n' | sort -n | tail -n 1)
	left=$(awk -v a="$newest" -v b="$(date +%s)" 'BEGIN { printf "%d", a + 65 - b }')
	[ "$left" -le 0 ] || { echo "# $set rests for $left s" >&2; sleep "$left"; }
}

b() { "$B" -r "$work/b" --quiet "$@"; }
bascule_new() {
	rm -rf "$work/b" "$work/b.key"* "$work/state"
	"$B" -r "$work/b" init >/dev/null 2>&1
	empty=$(size "$work/b")
}
run_bascule() {
	save="$B -r $work/b --quiet backup $work/src"
	version "$set"
	if [ "$set" = D1 ]; then
		bascule_new
		# shellcheck disable=SC2086
		measure bascule first-fast $save --compression fast
		stored bascule stored-fast "$work/b"
	fi
	bascule_new
	warm "$seen"
	# shellcheck disable=SC2086
	measure bascule first $save
	stored bascule stored "$work/b"
	# shellcheck disable=SC2086
	measure bascule unchanged $save
	measure bascule list "$B" -r "$work/b" --quiet ls latest
	case $set in D1|D5)
		measure bascule one-file "$B" -r "$work/b" --quiet cat latest "$work/src/$one" ;;
	esac
	measure bascule restore "$B" -r "$work/b" --quiet restore latest --to "$work/out"
	rm -rf "$work/out"
	measure bascule check-read "$B" -r "$work/b" --quiet check --read
	measure bascule check-open "$B" -r "$work/b" --quiet check --open
	if has_next; then
		before=$(size "$work/b")
		version "${set}b"
		# shellcheck disable=SC2086
		measure bascule changed $save
		after=$(size "$work/b")
		echo "$set bascule new-bytes $((after - before))" | noted
		version "$set"
	fi
	if b prune --help >/dev/null 2>&1; then
		measure bascule prune "$B" -r "$work/b" --quiet prune --keep-last 1
	fi
	rm -rf "$work/b"
	[ "$set" != D2 ] || run_write_only
}

# A host whose key cannot read, and what it may keep for differences.
run_write_only() {
	bascule_new
	"$B" -r "$work/b" key new --role write "$work/b.key.w" >/dev/null 2>&1
	save="env BASCULE_KEY_FILE=$work/b.key.w $B -r $work/b --quiet backup
	    --delta-cache 4GiB $work/src"
	version "$set"
	# shellcheck disable=SC2086
	measure bascule first-cache $save
	before=$(size "$work/b")
	version "${set}b"
	# shellcheck disable=SC2086
	measure bascule changed-cache $save
	echo "$set bascule new-cache $(($(size "$work/b") - before))" | noted
	version "$set"
	rm -rf "$work/b" "$work/state"
}

run_restic() {
	save="restic -q -r $work/r backup $work/src"
	rm -rf "$work/r" "$work/restic-cache" "$work/out"
	restic -q -r "$work/r" init >/dev/null
	empty=$(size "$work/r")
	version "$set"
	# shellcheck disable=SC2086
	measure restic first $save
	stored restic stored "$work/r"
	# shellcheck disable=SC2086
	measure restic unchanged $save
	measure restic list restic -q -r "$work/r" ls latest
	case $set in D1|D5)
		measure restic one-file restic -q -r "$work/r" dump latest "$work/src/$one" ;;
	esac
	measure restic restore restic -q -r "$work/r" restore latest --target "$work/out"
	rm -rf "$work/out"
	measure restic check restic -q -r "$work/r" check --read-data
	if has_next; then
		before=$(size "$work/r")
		version "${set}b"
		# shellcheck disable=SC2086
		measure restic changed $save
		after=$(size "$work/r")
		echo "$set restic new-bytes $((after - before))" | noted
		version "$set"
	fi
	measure restic prune restic -q -r "$work/r" forget --keep-last 1 --prune
	rm -rf "$work/r"
}

# borg: what is compared with it are bytes; times stand beside.
run_borg() {
	rm -rf "$work/g" "$work/borg-base"
	borg init -e repokey-blake2 "$work/g" >/dev/null 2>&1
	empty=$(size "$work/g")
	version "$set"
	measure borg first borg create -C zstd,3 "$work/g::one" "$work/src"
	stored borg stored "$work/g"
	measure borg unchanged borg create -C zstd,3 "$work/g::two" "$work/src"
	if has_next; then
		before=$(size "$work/g")
		version "${set}b"
		measure borg changed borg create -C zstd,3 "$work/g::three" "$work/src"
		after=$(size "$work/g")
		echo "$set borg new-bytes $((after - before))" | noted
		version "$set"
	fi
	rm -rf "$work/g" "$work/borg-base"
}

run_tar() {
	version "$set"
	# shellcheck disable=SC2016
	measure tar first sh -c 'tar -cf - "$1" 2>/dev/null | zstd -q -T0 -3 -o "$2"' tar "$work/src" "$work/t.zst"
	empty=0
	stored tar stored "$work/t.zst"
	mkdir "$work/out"
	# shellcheck disable=SC2016
	measure tar restore sh -c 'zstd -q -dc "$1" | tar -C "$2" -xpf -' tar "$work/t.zst" "$work/out"
	rm -rf "$work/out" "$work/t.zst"
	measure find unchanged find "$work/src" -printf '%s\n'
}

# --- R: replication --------------------------------------------------------------
copy_bascule() { # ROW [PORT]
	rm -f "$work/far"
	measure bascule "$1" "$B" -r "$work/b" --json replicate \
	    --to "ssh://$(id -un)@127.0.0.1:${2:-$port}$work/copy" \
	    --known-hosts "$work/ssh/known_hosts" \
	    --identity "$work/ssh/id_ed25519" --remote-bascule "$work/serve"
	sed -n 's/.*"summary".*"sent_bytes": *\([0-9]*\).*/\1/p' "$work/log" |
	    sed "s/^/R bascule sent-$1 /" | noted
	sort -n "$work/far" | tail -n 1 | sed "s/^/R bascule far-$1 /" | noted
}
# The same, fetched by a copy that is new.
pull_bascule() { # ROW [PORT]
	rm -rf "$work/far" "$work/pulled"
	measure bascule "$1" "$B" -r "$work/pulled" --json replicate \
	    --from "ssh://$(id -un)@127.0.0.1:${2:-$port}$work/b" \
	    --known-hosts "$work/ssh/known_hosts" \
	    --identity "$work/ssh/id_ed25519" --remote-bascule "$work/give"
	sed -n 's/.*"summary".*"pack_bytes": *\([0-9]*\).*/\1/p' "$work/log" |
	    sed "s/^/R bascule sent-$1 /" | noted
	sort -n "$work/far" | tail -n 1 | sed "s/^/R bascule far-$1 /" | noted
}
# Both ends as they were at first, and a path between them.
copy_far() {
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -o "$work/relay" tests/tools/relay.c
	"$work/relay" "$work/way" "0,127.0.0.1:$((port + 1)),127.0.0.1:$port" &
	relay=$!
	sed "s/]:$port /]:$((port + 1)) /" "$work/ssh/known_hosts" >"$work/far_hosts"
	cat "$work/far_hosts" >>"$work/ssh/known_hosts"
	until "$work/relay" -t "$work/way" delay 10000 2>/dev/null; do sleep 0.05; done
	for row in copy-20ms:0 copy-400M:50000000; do
		"$work/relay" -t "$work/way" rate "${row#*:}"
		rm -rf "$work/copy"
		copy_bascule "${row%:*}" $((port + 1))
	done
	"$work/relay" -t "$work/way" rate 0
	pull_bascule pull-20ms $((port + 1))
	kill $relay
}
copy_rsync() { # ROW
	way="ssh -F none -p $port -i $work/ssh/id_ed25519"
	way="$way -o UserKnownHostsFile=$work/ssh/known_hosts"
	measure rsync "$1" rsync -a --delete -e "$way" "$work/b/" \
	    "$(id -un)@127.0.0.1:$work/rsync/"
}
copy_restic() {
	restic -q -r "$work/r" init >/dev/null
	for seen in "$DIR/data/D1" "$DIR/data/D3"; do
		at_src restic -q -r "$work/r" backup "$work/src"
	done
	restic -q -r "$work/r2" init --from-repo "$work/r" \
	    --copy-chunker-params --from-password-command 'echo bench' >/dev/null
	measure restic copy-first restic -q -r "$work/r2" copy --from-repo \
	    "$work/r" --from-password-command 'echo bench'
	rm -rf "$work/r" "$work/r2"
}
run_copies() {
	. tests/support/sshd.sh
	trap 'sshd_stop "$work/ssh"; rm -rf "$work"' EXIT
	sshd_start "$work/ssh"
	port=$(cat "$work/ssh/port")
	printf '#!/bin/sh\nexec /usr/bin/time -a -o %s -f %%M %s "$@"\n' \
	    "$work/far" "$B" >"$work/serve"
	printf '#!/bin/sh\nexec /usr/bin/time -a -o %s -f %%M %s -r %s store serve --allow get --service "*"\n' \
	    "$work/far" "$B" "$work/b" >"$work/give"
	chmod +x "$work/serve" "$work/give"
	bascule_new
	for seen in "$DIR/data/D1" "$DIR/data/D3"; do
		at_src "$B" -r "$work/b" --quiet backup "$work/src" >/dev/null
	done
	warm "$work/b"
	copy_rsync copy-first
	copy_bascule copy-first
	pull_bascule pull-first
	copy_far
	"$B" -r "$work/pulled" --quiet check --read
	rm -rf "$work/pulled"
	before=$(size "$work/b")
	seen=$DIR/data/D3b
	at_src "$B" -r "$work/b" --quiet backup "$work/src" >/dev/null
	echo "R bascule new $(($(size "$work/b") - before))" | noted
	for row in copy-next copy-none; do
		copy_rsync $row
		copy_bascule $row
	done
	"$B" -r "$work/copy" --quiet check --read
	sshd_stop "$work/ssh"
	rm -rf "$work/b" "$work/copy" "$work/rsync" "$work/ssh"
	! is_one_of restic "$PEERS" || copy_restic
}

# How a first backup's time and memory grow with what there is.
growth() {
	for g in D3:1 D3:4 D5:0.1 D5:1 D5:3; do
		set=${g%:*} scale=${g#*:}
		is_one_of "$set" "$SETS" || continue
		scaled=$(awk -v a="$scale" -v b="$SCALE" 'BEGIN { print a * b }')
		room=$(df -k --output=avail "$DIR" | tail -n 1)
		[ "$room" -gt "$(awk -v s="$scaled" 'BEGIN { printf "%d", s * 9e6 }')" ] ||
		    { echo "growth: no room for $set at $scaled" >&2; continue; }
		of=$DIR/growth-$scaled
		# D3 is made of D1 and D2, at the same scale.
		# shellcheck disable=SC2046
		SCALE=$scaled bash tests/bench/mkdata.sh "$of" \
		    $([ "$set" = D3 ] && echo D1 D2) "$set" >/dev/null
		seen=$of/$set
		warm "$seen"
		bascule_new
		was=$set set=$set@$scaled
		measure bascule first "$B" -r "$work/b" --quiet backup "$work/src"
		measure bascule list "$B" -r "$work/b" --quiet ls latest
		set=$was
		rm -rf "$work/b" "$of"
	done
}

uname -srm; nproc | sed 's/$/ processors/'
"$B" --version; restic version | cut -d' ' -f1,2; zstd --version | cut -d, -f1
for set in $SETS; do
	if [ "$set" = R ]; then
		for _ in $(seq "$RUNS"); do
			run_copies
		done
		continue
	fi
	warm "$DIR/data/$set"
	rest "$DIR/data/$set"
	one=$(one_file)
	for _ in $(seq "$RUNS"); do
		for p in bascule $PEERS; do
			run_"$p"
		done
	done
done
[ -z "$GROWTH" ] || growth
python3 tests/bench/table.py "$results"
