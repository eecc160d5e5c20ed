#!/bin/sh
# unit.sh PROGRAM [MODULE...]: runs the unit tests with a place of their own for
# all they make, which goes away with them, however they end.
# What one left that was killed outright, the next takes away.
remove() {
	chattr -R -i "$@" 2>/dev/null
	chmod -R u+rwX "$@" 2>/dev/null
	rm -rf "$@"
}
for left in /tmp/bascule-unit.*.* /dev/shm/bascule-unit.*.*; do
	owner=${left#*bascule-unit.}
	[ -O "$left" ] && [ ! -e "/proc/${owner%%.*}" ] && remove "$left"
done
disk=$(mktemp -d /tmp/bascule-unit.$$.XXXXXX) || exit 1
[ -w /dev/shm ] &&
    memory=$(mktemp -d /dev/shm/bascule-unit.$$.XXXXXX 2>/dev/null) || memory=$disk
trap 'remove "$disk" "$memory"' EXIT
trap 'kill $tests; wait $tests; exit 130' INT TERM HUP
chmod 711 "$disk" "$memory" # some tests give up their rights
export TEST_DISK="$disk" TEST_MEMORY="$memory"
"$@" &
tests=$!
wait $tests
