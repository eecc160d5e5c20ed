#!/bin/sh
# A year of firings, compared with a second implementation that walks every
# minute with Python's zoneinfo.  The year holds 2026-03-29 and 2026-10-25.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

[ -e "$BUILD/libbascule.a" ] || make -s "$BUILD/libbascule.a"
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude ${SAN:+-fsanitize=$SAN} -o "$work/dump" \
    tests/tools/calendar_dump.c "$BUILD/libbascule.a"

from=1767225599         # 2025-12-31T23:59:59Z
until=1798761600        # 2027-01-01T00:00:00Z
lines=0
for zone in Europe/London UTC America/New_York Australia/Lord_Howe; do
	set -- '*/30 * * * *' '0 */2 * * *' '7 * * * *' '30 1 * * *' \
	    '0 2 * * *' '15 2 * * *' '*/20 1-3 * * *' '30 23 * * sun' \
	    '45 1,2 29 3 *' '30 1 25 oct *' '0 6 2 * *' '0 0 13 * fri' \
	    '5 4 */2 * mon' '0 3 1-7 mar,apr,oct,nov sun' '59 23 31 12 *' \
	    '17 0-23 * * *'
	python3 tests/tools/calendar_opinion.py "$zone" $from $until "$@" \
	    >"$work/want"
	"$work/dump" /usr/share/zoneinfo "$zone" $from $until "$@" >"$work/got"
	if ! cmp -s "$work/want" "$work/got"; then
		echo "$zone: the second opinion differs" >&2
		diff "$work/want" "$work/got" | head -20 >&2
		exit 1
	fi
	n=$(wc -l <"$work/got")
	[ "$n" -gt 20000 ] || { echo "$zone: only $n firings" >&2; exit 1; }
	lines=$((lines + n))
done

# What the two must agree on is also written down, in case both are wrong.
expect() {
	got=$("$work/dump" /usr/share/zoneinfo Europe/London "$1" "$2" "$3" |
	    cut -f2 | tr '\n' ' ')
	[ "$got" = "$4" ] || { echo "$3: got $got, not $4" >&2; exit 1; }
}
expect 1774742400 1774828800 '30 1 * * *' '1774746000 '    # 29 March, 01:00Z
expect 1792800000 1792976400 '30 1 * * *' '1792801800 1792888200 ' # 24 and 25 October, 00:30Z
expect 1774746000 1774746000 '0 * * * *' ''
echo "calendar: $lines firings in four zones, twice the same"
