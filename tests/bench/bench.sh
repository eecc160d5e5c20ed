#!/bin/sh
# bench.sh: bascule, restic and tar | zstd in one run, on the sets of mkdata.sh.
#
#	SCALE=1 SETS='D1 D5' DIR=/var/tmp/bench RUNS=3 sh tests/bench/bench.sh
#
# DIR (outside of the tree) holds the data, which is made once, and everything
# else, which is removed.  SCALE 0.1 is 300 MB.  For each set: first backup,
# unchanged backup, restore; the median of RUNS, the page cache warm for all;
# peak memory as GNU time has it.  restic: its own defaults (compression auto),
# its cache in DIR.  Ratios are against restic: above 1 is faster.
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
SCALE=${SCALE:-0.1} SETS=${SETS:-D1} RUNS=${RUNS:-1}
DIR=${DIR:-${TMPDIR:-/tmp}/bascule-bench-$SCALE}
B=${BASCULE:-$top/build/bascule}
[ -x "$B" ] || make -s -j"$(nproc)" all
for p in restic zstd tar python3 /usr/bin/time; do
	command -v $p >/dev/null || { echo "bench: $p is missing: make deps" >&2; exit 1; }
done
export SCALE LC_ALL=C
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
# shellcheck disable=SC2086
bash tests/bench/mkdata.sh "$DIR/data" $SETS
work=$DIR/work
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export HOME="$work/home" BASCULE_STATE_DIR="$work/state"
export RESTIC_CACHE_DIR="$work/restic-cache" RESTIC_PASSWORD=bench
results=$work/results
: >"$results"

# measure TOOL WHAT command...: "set tool what seconds user system KiB".
measure() {
	tool=$1 what=$2; shift 2
	if ! /usr/bin/time -o "$work/time" -f '%e %U %S %M' "$@" >"$work/log" 2>&1; then
		echo "bench: $tool $what of $set failed:" >&2
		tail -n 5 "$work/log" >&2
		exit 1
	fi
	echo "$set $tool $what $(tail -n 1 "$work/time")" >>"$results"
}
warm() { tar -cf - "$1" 2>/dev/null | cat >/dev/null; }

# A file is believed unchanged only when its ctime was 60 s old when it was
# read, so data that was just made has to rest.
rest() {
	newest=$(find "$1" -printf '%C@\n' | sort -n | tail -n 1)
	left=$(awk -v a="$newest" -v b="$(date +%s)" 'BEGIN { printf "%d", a + 65 - b }')
	[ "$left" -le 0 ] || { echo "# $set rests for $left s" >&2; sleep "$left"; }
}

run_bascule() {
	rm -rf "$work/b" "$work/b.key"* "$work/state" "$work/out"
	"$B" -r "$work/b" init >/dev/null 2>&1
	measure bascule first "$B" -r "$work/b" --quiet backup "$1"
	measure bascule unchanged "$B" -r "$work/b" --quiet backup "$1"
	measure bascule restore "$B" -r "$work/b" --quiet restore latest --to "$work/out"
	du -sk "$work/b" | cut -f1 >"$work/size-bascule"
	rm -rf "$work/out" "$work/b"
}
run_restic() {
	rm -rf "$work/r" "$work/restic-cache" "$work/out"
	restic -q -r "$work/r" init >/dev/null
	measure restic first restic -q -r "$work/r" backup "$1"
	measure restic unchanged restic -q -r "$work/r" backup "$1"
	measure restic restore restic -q -r "$work/r" restore latest --target "$work/out"
	du -sk "$work/r" | cut -f1 >"$work/size-restic"
	rm -rf "$work/out" "$work/r"
}
run_tar() {
	rm -rf "$work/t.zst" "$work/out"
	measure tar first sh -c 'tar -cf - "$1" 2>/dev/null | zstd -q -T0 -3 -o "$2"' tar "$1" "$work/t.zst"
	mkdir "$work/out"
	measure tar restore sh -c 'zstd -q -dc "$1" | tar -C "$2" -xpf -' tar "$work/t.zst" "$work/out"
	du -sk "$work/t.zst" | cut -f1 >"$work/size-tar"
	rm -rf "$work/out" "$work/t.zst"
}

table() {
	python3 - "$results" <<'END'
import statistics, sys
runs = {}
for line in open(sys.argv[1]):
    name, tool, what, seconds, user, system, kib = line.split()
    runs.setdefault((name, tool, what), []).append(
        (float(seconds), float(user) + float(system), int(kib)))
of = {k: (statistics.median(s for s, _, _ in v),
          statistics.median(c for _, c, _ in v), max(m for _, _, m in v))
      for k, v in runs.items()}
print("wall time, (processor time), peak memory; ratios of wall and (processor) time")
print(f"{'set':4} {'what':10} {'bascule':>26} {'restic':>26} {'tar|zstd':>26} {'x restic':>13} {'x tar':>13}")
for name in sorted({k[0] for k in of}):
    for what in ("first", "unchanged", "restore"):
        cells, times = [], {}
        for tool in ("bascule", "restic", "tar"):
            s, c, m = of.get((name, tool, what), (None, None, None))
            times[tool] = s, c
            cells.append("-" if s is None else f"{s:.2f} s ({c:.2f}) {m // 1024:4d} MiB")
        def ratio(tool):
            if None in times[tool] or not all(times["bascule"]):
                return "-"
            a, b = (x / y for x, y in zip(times[tool], times["bascule"]))
            return f"{a:.1f} ({b:.1f})"
        print(f"{name:4} {what:10} " + " ".join(f"{c:>26}" for c in cells) +
              f" {ratio('restic'):>13} {ratio('tar'):>13}")
END
}

uname -srm; nproc | sed 's/$/ processors/'
"$B" --version; restic version | cut -d' ' -f1,2; zstd --version | cut -d, -f1
for set in $SETS; do
	data=$DIR/data/$set
	warm "$data"
	rest "$data"
	for _ in $(seq "$RUNS"); do
		run_bascule "$data"
		run_restic "$data"
		run_tar "$data"
	done
	echo "$set stored: bascule $(cat "$work/size-bascule") KiB," \
	    "restic $(cat "$work/size-restic") KiB, tar|zstd $(cat "$work/size-tar") KiB"
done
table
