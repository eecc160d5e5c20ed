#!/bin/sh
# mutants.sh SIM: each guard's call removed, each mistake made: the simulation
# must see it, or it proves nothing.  HISTORIES=N: so many seeds each, at most.
set -u
sim=$1
missed=0 seen=0
for m in G01 G02 G03 G04 G05 G06 G07 G08 G09 G10 G11 G12 G13 G14 G15 G16 G17 \
    G18 no-quarantine no-step-down no-intent release-by-one trust-exit; do
	if out=$("$sim" -m $m -n "${HISTORIES:-40000}"); then
		echo "not ok  $m is removed and nothing is seen"
		missed=$((missed + 1))
	else
		echo "ok      $m: $(echo "$out" | head -n 1)"
		seen=$((seen + 1))
	fi
done
echo "$seen passed, $missed failed"
[ $missed -eq 0 ]
