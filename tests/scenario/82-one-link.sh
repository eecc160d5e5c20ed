#!/bin/sh
# A link falls silent in the middle of a transfer and never comes back: nobody is
# told, nothing is refused.  It is found out, and the transfer goes on over the
# other link within ten seconds, from where it stood: no attempt is lost, no
# byte of what had arrived is sent again, the point is at Southwark, and the
# record says which link carried what.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

if ! lab_up; then
	skip 'one link' 'no sshd can be started here'
	finish
fi
mkdir data && head -c 16000000 /dev/urandom >data/noise
lab_site brent
lab_site southwark
lab_permit southwark brent "$B -r $WORK/southwark/repository store serve --allow put"
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
VIRGIN=48Mbit/s # so that it is in the middle of something
(umask 077; { lab_policy; service_policy files "$RARELY"; } >shared.conf)
holds 'brent begins' lab_daemon brent || finish
holds 'southwark begins' lab_daemon southwark || finish
both_up() { [ "$(at brent links | grep -c ' up ')" = 2 ]; }
wait_for 15 both_up
holds 'both links are up' both_up

expect 0 'a backup' at brent run files --wait
lab_wait virgin 5000000
lab_cut virgin
now_ns() { date +%s%N; }
cut_at=$(now_ns)
done_() { jobs_have brent '"kind":"replicate".*"state":"succeeded"'; }
wait_for 60 done_
holds 'the transfer is done' done_
at brent --json jobs | grep '"kind":"replicate"' >.out
says '"attempt":1'
is 'in one attempt' "$(grep -c . .out)" 1
job=$(field job)

# ts of the record of a link's state, and of what each one carried
at brent --json events --type link >links
record() { # NAME VALUE NAME VALUE: its line
	grep "\"name\":\"$1\",\"value\":\"$2\".*\"name\":\"$3\",\"value\":\"$4\"" links
}
value() { sed -n "s/.*\"name\":\"$1\",\"value\":\"\([^\"]*\)\".*/\1/p" | tail -n 1; }
seen_at=$(record link virgin state down | head -n 1 | sed 's/.*"ts":"\([^"]*\)".*/\1/')
holds 'the silence is in the record' test -n "$seen_at"
seen_at=$(date -d "${seen_at:-1970-01-01}" +%s%N)
began_at=$(record link bt state carried | head -n 1 | value from_ns)
holds 'the other link carried the rest' test "${began_at:-0}" -gt "$cut_at"
holds 'from ten seconds after it was known at the latest' \
    test $((${began_at:-0} - seen_at)) -le 10000000000
of() { record link "$1" state carried | head -n 1 | value bytes; }
echo "# virgin $(of virgin), bt $(of bt) bytes;" \
    "known after $(((seen_at - cut_at) / 1000000)) ms," \
    "gone on after $(((began_at - cut_at) / 1000000)) ms"
holds 'each its part' test "$(of virgin)" -gt 4000000 -a "$(of bt)" -gt 4000000
holds 'and together little more than there was' \
    test $(($(of virgin) + $(of bt))) -le 19000000
came() { at southwark points files | grep -q complete; }
wait_for 30 came
holds 'the point is at southwark' came
at brent --json job "$job" >.out
says '"carried":\[{"link":"virgin".*{"link":"bt"'
expect 0 'brent says what is wrong' at brent links
says 'virgin .* down' 'bt .* up'
for site in brent southwark; do
	daemon_stop $site
	is "$site ends cleanly" "$ended" 0
done
expect 0 'the copy is whole' "$B" -r southwark/repository check --read
finish
