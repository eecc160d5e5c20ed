#!/bin/sh
# The commands that check, show and explain policies, as people call them.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
bascule=$PWD/$BUILD/bascule
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
fail() { echo "20-policy: $*" >&2; exit 1; }

# A checkout may be writable by its group; /etc/bascule is not.
cp -R policies tests/corpus/policy-bad "$work"
chmod -R go-w "$work"
cd "$work"

for place in policies policies/bascule.conf policies/bascule.southwark.conf; do
	"$bascule" policy check $place >out 2>&1 || fail "$place: $(cat out)"
done

# What is shown is a policy, and the same one.
"$bascule" policy show --effective policies >shown.conf
chmod 600 shown.conf
"$bascule" policy check shown.conf >out 2>&1 || fail "shown: $(cat out)"
grep -q '# default' shown.conf || fail "no default is marked"

# Every bad policy: exit 7, lines of the one form, never a signal.
count=0
for bad in policy-bad/*.conf; do
	status=0
	"$bascule" policy check "$bad" >out 2>err || status=$?
	[ $status -eq 7 ] || fail "$bad: exit $status: $(cat err)"
	grep -qE '^policy-bad/[^:]*:[0-9]+: [^:]+: .* \[P[0-9]{3}\]$' out ||
	    fail "$bad: $(cat out)"
	if grep -vE '^policy-bad/[^:]*:[0-9]+: [^:]+: .* \[P[0-9]{3}\]$' out; then
		fail "$bad: a line of another form"
	fi
	count=$((count + 1))
done
[ $count -ge 60 ] || fail "only $count cases"

status=0
"$bascule" --json policy check policy-bad/many-in-one-run.conf >out || status=$?
[ $status -eq 7 ] || fail "json: exit $status"
[ "$(grep -c '"type": *"problem"' out)" -eq 8 ] || fail "json: $(cat out)"

status=0
"$bascule" policy check nowhere >out 2>&1 || status=$?
[ $status -eq 7 ] || fail "nowhere: exit $status"
mkfifo fifo.conf
timeout 10 "$bascule" policy check fifo.conf >out 2>&1 && fail "a FIFO passes"
grep -q 'not a regular file' out || fail "FIFO: $(cat out)"

# Two policies compared: 0 the same, 1 they differ, 7 one does not load.
"$bascule" policy diff policies policies >out || fail "diff with itself"
[ ! -s out ] || fail "diff with itself: $(cat out)"
cp -R policies changed
sed -i 's/rpo = "1h"/rpo = "90m"/' changed/services/housing-repairs.conf
status=0
"$bascule" policy diff policies changed >out || status=$?
[ $status -eq 1 ] || fail "diff: exit $status"
grep -v '^[-+] \(bridge\.identity\|identity\|key_file\) = ' out >differs || :
printf '%s\n' '- service[housing-repairs].rpo = "1h"' \
    '+ service[housing-repairs].rpo = "1h30m"' | cmp - differs ||
    fail "diff: $(cat differs)"
"$bascule" --json policy diff policies changed | tail -n 1 |
    grep -q '"type":"summary".*"differences":4' || fail "diff --json"
status=0
"$bascule" policy diff policies policy-bad/many-in-one-run.conf >out 2>&1 ||
    status=$?
[ $status -eq 7 ] || fail "diff with a bad one: exit $status"

"$bascule" policy explain service.backup.schedule | grep -q 'five cron fields' ||
    fail "explain"
if "$bascule" policy explain schedul >out 2>&1; then fail "explain schedul"; fi
grep -q 'did you mean' out || fail "explain: $(cat out)"
if "$bascule" policy explain backup.schedul >out 2>&1; then fail "explain backup.schedul"; fi
grep -q "did you mean 'service.backup.schedule'" out || fail "explain: $(cat out)"
echo "policy: $count bad policies refused"
