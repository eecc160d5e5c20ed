#!/bin/sh
# A transfer that is cut again and again, at random bytes, by turns on two links:
# connections are reset, a link falls silent, kill -9 of the sender, of the
# receiver.  It goes on where it was: the copy is whole after each cut, and what
# is carried twice is little.  CUTS, BYTES, SEED.
[ "${CUTS:-4}" -le 10 ] || LAB_DISK=1
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"

CUTS=${CUTS:-4} BYTES=${BYTES:-32MiB} SEED=${SEED:-$(date +%N)}
case $BYTES in
*GiB) BYTES=$((${BYTES%GiB} << 30)) ;;
*MiB) BYTES=$((${BYTES%MiB} << 20)) ;;
esac
if ! lab_up; then
	skip 'cuts' 'no sshd can be started here'
	finish
fi
echo "# SEED=$SEED"
dice() { # NUMBER MOST: at least 1
	awk -v s="$SEED" -v n="$1" -v m="$2" 'BEGIN {
		srand(s + n * 7919); rand(); printf "%d", 1 + rand() * m }'
}

mkdir data southwark/serving
n=0
while [ $n -lt 16 ]; do
	head -c $((BYTES / 16)) /dev/urandom >data/noise$n
	n=$((n + 1))
done
seq 100000 >data/numbers
export BASCULE_KEY_FILE="$WORK/family.key"
lab_site brent
expect 0 'a backup' "$B" -r brent/repository backup --dataset files data
# What receives leaves its process id, to be killed by it alone.
cat >serve <<END
#!/bin/sh
: >$WORK/southwark/serving/\$\$
exec $B "\$@"
END
chmod +x serve

# replicate_over LINK COPY: in the place of this shell
replicate_over() {
	lab_in_or_here brent "$B" -r "$WORK/brent/repository" --json replicate \
	    --known-hosts "$WORK/known_hosts" --remote-bascule "$WORK/serve" \
	    --identity "$WORK/brent/ssh/id_ed25519" --to \
	    "ssh://$(id -un)@$(lab_address southwark "$1"):$LAB_PORT$WORK/southwark/$2"
}
lab_in_or_here() {
	if [ "$LAB" = namespaces ]; then lab_in "$@"; fi
	shift
	exec "$@"
}
lab_permit southwark brent
carried() { echo $(($(lab_carried virgin) + $(lab_carried bt))); }
kill_receivers() {
	for p in southwark/serving/*; do
		kill -9 "${p##*/}" 2>/dev/null
	done
	rm -f southwark/serving/*
}
whole() {
	[ -e southwark/copy/format ] || return 0
	holds "$1" "$B" -r southwark/copy check
}
wait_long() { # PID: what it ends with; 99: it had to be killed
	left=600
	while kill -0 "$1" 2>/dev/null &&
	    [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" != Z ]; do
		left=$((left - 1))
		if [ $left = 0 ]; then
			kill -9 "$1"
			wait "$1" 2>/dev/null
			return 99
		fi
		sleep 0.1
	done
	wait "$1" 2>/dev/null
}

# --- without a cut
before=$(carried)
(replicate_over virgin once) >.out 2>.err </dev/null
is 'once, without a cut' $? 0
once=$(($(carried) - before))
cp .out once.json
[ "$CUTS" -le 10 ] || rm -rf southwark/once

# --- and with them
before=$(carried) cut=0 done=0 link=bt silent=
while [ $cut -lt "$CUTS" ] && [ $done = 0 ]; do
	cut=$((cut + 1))
	was=$link
	[ $link = virgin ] && link=bt || link=virgin
	if [ "$silent" = $link ]; then
		lab_mend $link
		silent=
	fi
	# So that there is something left for each of them.
	left=$((once - $(du -sbc southwark/copy/packs southwark/copy/incoming \
	    2>/dev/null | tail -n 1 | cut -f1)))
	after=$(dice $cut $((left * 8 / 5 / (CUTS + 2 - cut))))
	how=$((cut % 4))
	rm -f southwark/serving/*
	# So that what is to happen after so many bytes happens then.
	lab_slow $link ${RATE:-60MB}
	case $how in
	1) lab_at $link "$after" reset ;;
	*) lab_at $link "$after" freeze ;;
	esac
	(replicate_over $link copy) >.out 2>.err </dev/null &
	sender=$!
	timeout 60 "$LAB_RELAY" -t "$WORK/lab/$link" wait "$after" >/dev/null &
	waiter=$!
	while kill -0 $waiter 2>/dev/null && kill -0 $sender 2>/dev/null &&
	    [ "$(cut -d' ' -f3 /proc/$sender/stat 2>/dev/null)" != Z ]; do
		sleep 0.01
	done
	kill $waiter 2>/dev/null
	wait $waiter 2>/dev/null
	case $how in
	0) kill -9 $sender 2>/dev/null ;;
	2)	# Nobody is told: its receiver is still there.
		kill -9 $sender 2>/dev/null
		silent=$link ;;
	3) kill_receivers ;;
	esac
	[ $how = 1 ] || [ $how = 2 ] || lab_mend $link
	wait_long $sender
	case $? in
	0) done=1 ;;
	99) not_ok "cut $cut: the sender does not notice" ;;
	esac
	[ $how != 1 ] || lab_mend $link
	[ "$CUTS" -gt 10 ] && [ $((cut % 10)) != 0 ] ||
	    whole "cut $cut ($how, $link, at $after): the copy is whole"
done
lab_mend virgin; lab_mend bt
[ "$link" = virgin ] && link=bt || link=virgin
(replicate_over $link copy) >.out 2>.err </dev/null
is 'then it is done' $? 0
twice=$(($(carried) - before - once))
echo "# $cut cuts, $once bytes once, $twice of them twice"
# A cut costs what was under way: in the windows of the connections.
holds "a cut costs what was under way" test $((twice / cut)) -le 4194304
is 'each cut came' "$cut" "$CUTS"
if [ "$once" -ge 1000000000 ]; then
	holds "a tenth is carried twice, at most" test $((twice * 10)) -le "$once"
fi
expect 0 'the copy is whole, every byte' "$B" -r southwark/copy check --read
expect 0 'and it is restored' "$B" -r southwark/copy restore latest --to back
same 'byte for byte' data "back$WORK/data"
kill_receivers
finish
