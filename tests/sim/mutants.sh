#!/bin/sh
# mutants.sh SIM: each guard's call removed, each mistake made: the simulation
# must see it, or it proves nothing.  HISTORIES=N: so many seeds each, at most.
# mutants.sh SIM LIST: the seeds of that list alone, of which each must fail with
# its mutant and pass without it; and those of seeds.list beside it, which failed
# once, must pass.  What it prints is such a list, with > LIST:
# needed again whenever another event, or other odds, change what a seed means.
set -u
sim=$1 list=${2:-}
bad=0 good=0
all='G01 G02 G03 G04 G05 G06 G07 G08 G09 G10 G11 G12 G13 G14 G15 G16 G17 G18
    no-quarantine no-step-down no-intent release-by-one trust-exit no-pin no-common
    forget-swap'

tell() { # word, mutant, what
	if [ "$1" = ok ]; then good=$((good + 1)); else bad=$((bad + 1)); fi
	echo "$1 $2 $3"
}

known() {
	while read -r word m _ seed _; do
		[ "$word" = ok ] || continue
		seed=${seed%:}
		if "$sim" -m "$m" -s "$seed" -n 1 >/dev/null; then
			tell 'not ok' "$m" "is removed and seed $seed does not see it"
		elif ! "$sim" -s "$seed" -n 1 >/dev/null; then
			tell 'not ok' "$m" "is not removed and seed $seed fails"
		else
			tell ok "$m" "seed $seed"
		fi
	done
	for m in $all; do
		grep -q "^ok $m " "$list" || tell 'not ok' "$m" "has no seed in $list"
	done
}

once() {
	while read -r seed what; do
		if "$sim" -s "$seed" -n 1 >/dev/null; then
			tell ok "$seed" "passes: $what"
		else
			tell 'not ok' "$seed" "fails again: $what"
		fi
	done
}

if [ -n "$list" ]; then
	known <"$list"
	once <"${list%/*}/seeds.list"
else
	for m in $all; do
		if out=$("$sim" -m "$m" -n "${HISTORIES:-40000}"); then
			tell 'not ok' "$m" 'is removed and nothing is seen'
		else
			tell ok "$m" "$(echo "$out" | head -n 1)"
		fi
	done
fi
echo "$good passed, $bad failed"
[ $bad -eq 0 ]
