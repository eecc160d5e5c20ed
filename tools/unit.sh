#!/bin/sh
# unit.sh PROGRAM [MODULE...]: runs the unit tests with a place of their own for
# all they make, which goes away with them, however they end.
disk=$(mktemp -d /tmp/bascule-unit.XXXXXX) || exit 1
[ -w /dev/shm ] &&
    memory=$(mktemp -d /dev/shm/bascule-unit.XXXXXX 2>/dev/null) || memory=$disk
end() {
	chattr -R -i "$disk" "$memory" 2>/dev/null
	chmod -R u+rwX "$disk" "$memory" 2>/dev/null
	rm -rf "$disk" "$memory"
}
trap end EXIT
trap 'kill $tests; wait $tests; exit 130' INT TERM HUP
chmod 711 "$disk" "$memory" # some tests give up their rights
export TEST_DISK="$disk" TEST_MEMORY="$memory"
"$@" &
tests=$!
wait $tests
