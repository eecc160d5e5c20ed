#!/bin/sh
# unit.sh PROGRAM [MODULE...]: runs the unit tests with a place of their own for
# all they make, which goes away with them, however they end.  A process they leave
# behind is named, ended, and the run is failed (tests/tools/ward.c).
# What one left that was killed outright, the next takes away.
# (The names are short: a repository below has room for 40 bytes of them.)
remove() {
	chattr -R -i "$@" 2>/dev/null
	chmod -R u+rwX "$@" 2>/dev/null
	rm -rf "$@"
}
for left in /tmp/bscl.*.* /dev/shm/bscl.*.*; do
	owner=${left#*bscl.}
	[ -O "$left" ] && [ ! -e "/proc/${owner%%.*}" ] && remove "$left"
done
disk=$(mktemp -d /tmp/bscl.$$.XXXXXX) || exit 1
[ -w /dev/shm ] &&
    memory=$(mktemp -d /dev/shm/bscl.$$.XXXXXX 2>/dev/null) || memory=$disk
trap 'remove "$disk" "$memory"' EXIT
trap 'kill $tests; wait $tests; exit 130' INT TERM HUP
chmod 711 "$disk" "$memory" # some tests give up their rights
[ -x build/ward ] || env -u MAKEFLAGS "${MAKE:-make}" -s build/ward || exit 1
export TEST_DISK="$disk" TEST_MEMORY="$memory"
build/ward "$@" &
tests=$!
wait $tests
