#!/bin/sh
# What the scenarios that run tests/crash share.
. "$(dirname "$0")/../support/scenario.sh"
SHIM=$BUILD/tests/crash/shim.so
[ -e "$SHIM" ] || ${MAKE:-make} -s -C "$TOP" BUILD="$BUILD" shim >&2 || exit 1

# campaign TOOL option...: its lines and its count are ours.
campaign() {
	tool=$1; shift
	rm -rf ground
	python3 "$TOP/tests/crash/$tool" "$B" "$SHIM" "$PWD/ground" "$@" \
	    >campaign.log 2>&1
	status=$?
	grep -aE '^(ok|not ok) ' campaign.log
	count=$(grep -aE '^[0-9]+ passed, ' campaign.log) || {
		tail -n 5 campaign.log
		count='0 passed, 1 failed'
	}
	passed=$((passed + ${count%% *}))
	count=${count#*, }
	failed=$((failed + ${count%% *}))
	[ $status -le 1 ] || failed=$((failed + 1))
	chmod -R u+rwX ground
	rm -rf ground
}
