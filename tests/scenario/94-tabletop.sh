#!/bin/sh
# A tabletop exercise from its draft to its last action: the clock and its jumps,
# injects by time, answer, decision and by hand, decisions with what could be
# known, the STOP word, a daemon that is killed in play, and one that the policy
# plans; and that no process of it opens a link or runs a program.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/report.sh"

mkdir data && echo forty-two >data/page
tabletop_policy() {
	cat <<END
councils = ( { name = "brent"; title = "Brent"; share = 100; } );
sites = ( { name = "brent"; title = "Brent"; role = "datacentre"; failure_domain = "brent";
    hosts = ( { name = "b1.brent"; address = "127.0.1.1"; port = 1; user = "$(id -un)";
      host_keys = [ "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" ]; } );
    repository = "$WORK/brent/repository"; } ${SOUTHWARK-} );
service = {
  name = "pages"; title = "Pages"; owner = "brent"; tier = 1;
  ${HOME_SITE:-home = \"brent\";} rpo = "50h"; rto = "4h";
  datasets = ( { name = "tree"; tree = "$WORK/data"; } );
  backup = { every = "24h"; expect = "1s"; timeout = "60s"; };
  ${1-}
};
scenario = {
  name = "outage"; title = "The link is down"; duration = "2h";
  objectives = [ "Who notices?", "Who decides?" ];
  initial_conditions = [ "Tuesday, 09:10" ];
  services = [ "pages" ];
  injects = (
    { name = "down"; at = "T+0s"; to = "duty engineer"; channel = "alert";
      text = "EXERCISE: virgin is down"; expect = "Looks at the links."; },
    { name = "call"; at = "T+10m"; to = "duty engineer"; channel = "phone";
      text = "EXERCISE: no time of repair"; },
    { name = "order"; after = "call"; to = "manager"; text = "EXERCISE: late"; },
    { name = "why"; on = "decision"; to = "DR lead"; text = "EXERCISE: how old was it?"; } );
};
END
}
policy() { (umask 077; tabletop_policy "$@" >shared.conf); }
x() { verb=$1; shift; at brent exercise "$verb" "$run" "$@"; }
state() { at brent --json exercise play "$run" </dev/null >/dev/null 2>&1; at brent --json exercise list | grep "\"run\":\"$run\"" | grep -o '"state":"[A-Z_]*"' | cut -d'"' -f4; }
start() { run=$(at brent --json exercise start pages --mode tabletop "$@" | grep -o '"run":"[^"]*"' | cut -d'"' -f4); }
happened() { at brent exercise play "$run" </dev/null | grep -q "$1"; }

site_new brent
policy
daemon_start brent
expect 1 'an unknown scenario' at brent exercise start pages --mode tabletop --scenario nothing
says 'no scenario'
expect 2 'a tabletop holds nothing' at brent exercise start pages --mode tabletop --hold 5m
start --scenario outage --scribe Sam --player 'Ann:DR lead:brent' --player Bob:duty
is 'a draft is made' "$(state)" DRAFT

# Not before its time.
expect 13 'a draft is not played' x begin
says 'is for one that is BRIEFED'
expect 0 'it is approved' x stage approve
expect 2 'no such stage' x stage fly
expect 0 'and scheduled' x stage schedule --at 14d --place 'room 3'
expect 13 'nobody is there' x brief
says 'nobody is there'
expect 0 'Ann is there' x attend Ann
expect 0 'Eve watches and judges' x attend Eve --as evaluator
expect 0 'Bob sends his deputy' x attend Bob --is absent --deputy Cy
expect 0 'they are briefed' x brief
says 'EXERCISE.*BRIEFED'

# Nothing of it may run a program or open a link: watch the daemon.
pid=$(cat brent/pid)
traced=
if command -v strace >/dev/null && strace -f -e trace=execve,connect,socket \
	-o trace -p "$pid" 2>/dev/null & then
	tracer=$!
	remember $tracer
	wait_for 3 test -s trace || :
	traced=yes
fi
expect 0 'play begins' x begin
wait_for 5 happened 'inject down to duty engineer'
holds 'what was due is delivered by the clock' happened 'inject down'
fails 'and no more' happened 'inject call'
expect 0 'the clock jumps' x jump 10m --reason 'an hour to spare'
wait_for 5 happened 'inject call'
holds 'to the next one' happened 'T+0:10:.* inject call to duty engineer by phone'
expect 0 'it is answered' x inject call --answer 'opens an incident' --met partly --who Bob --mark detected
wait_for 5 happened 'inject order'
holds 'which brings the one behind it' happened 'inject order to manager'
expect 0 'a decision' x decide 'wait for an hour' --by Ann --option wait --option 'move now' \
    --dissent 'Cy: move now' --authority 'the plan, 3.2' --supported unclear --about order
wait_for 5 happened 'inject why'
holds 'brings the question about it' happened 'inject why to DR lead'
at brent --json exercise play "$run" </dev/null | grep '"event":"decide"' >.out
says 'pages: .*RPO' 'alarm A1, ' 'runs at' 'posture' 'move now'
expect 0 'a step is simulated' x step copy
holds 'its duration is called a guess' happened 'step copy.*a guess'
expect 1 'no such inject' x inject nothing
expect 1 'none is delivered twice' x inject down
printf 'note Ann: the list of phones is old\nfly\nq\n' | at brent exercise play "$run" >.out 2>&1
says 'list of phones is old' 'no word of the play'
is 'every line says EXERCISE' "$(grep -vc '^EXERCISE' .out)" 0

# A daemon that dies in play has forgotten nothing, and the clock went on.
[ -z "$traced" ] || kill "$tracer" 2>/dev/null
wait "$tracer" 2>/dev/null
at brent exercise play "$run" </dev/null >before
daemon_stop brent KILL
daemon_start brent
at brent exercise play "$run" </dev/null >after
is 'a killed daemon lost nothing' "$(diff before after)" ''
is 'and play goes on' "$(state)" IN_PLAY
expect 0 'it pauses' x pause --reason coffee
expect 0 'and goes on' x resume

expect 0 'play ends' x endex
expect 0 'the hotwash' x stage hotwash
expect 0 'somebody speaks' x note 'nobody knew whom to call' --kind hotwash --who Bob
expect 0 'the report is begun' x stage aar
expect 13 'nobody stands by what is not reviewed' x stage sign
expect 13 'it is not whole' x stage review
says 'objective 1 is not rated'
expect 0 'one is rated' x rate 1 P
expect 0 'and the other' x rate 2 M --reason 'after an hour'
expect 2 'an action is somebody'"'"'s' x action 'make the list anew'
expect 0 'an action' x action 'make the list anew' --owner Bob --council brent --due 2026-01-01
expect 0 'it is reviewed' x stage review
expect 0 'somebody stands by it' x stage sign
expect 0 'and issued' x stage issue --to 'the board'
expect 0 'the actions are open' x stage actions
expect 13 'it is not closed before' x stage close
wait_for 5 sh -c "'$B' --socket '$WORK/brent/socket' alarms | grep -q 'past the day'"
at brent alarms >.out
says 'past the day they were due'
expect 13 'an action is verified by a retest' x action A1 --status verified
expect 13 'which is another run than the one that found it' x action A1 --status verified --retest "$run" --evidence 'the list'
says 'cannot be its own retest'
expect 0 'which is named' x action A1 --status verified --retest 20261201T100000Z-00000007 --evidence 'the list'
expect 0 'then it is closed' x stage close
is 'it is' "$(state)" CLOSED
expect 1 'what is closed is over' x note more
if [ -n "$traced" ] && [ -s trace ]; then
	is 'no program was run in play' "$(grep execve trace | grep -v 'basculed"' | head -n 3)" ''
	is 'and no link opened' "$(grep 'AF_INET' trace | head -n 3)" ''
fi
is 'no job was one of it' "$(at brent --json jobs | grep -c '"kind":"exercise"')" 0

# Its report, in four forms; every field is there, or said to be unknown.
expect 0 'the report' at brent report exercise "$run"
says 'EXERCISE REPORT .*CLOSED' 'rated M: Who decides' 'not recorded' 'Hotwash, by participant' \
    '^  evaluator  *Eve$' '^  Ann  player ' 'nobody knew whom to call' 'wait | move now' 'Cy: move now' 'what could be known .*RPO' \
    'STARTEX' 'inject' 'make the list anew' 'Steps not executed, and why' 'detected .*T+0:10'
expect 0 'for a browser' at brent report exercise "$run" --format html
says '<!DOCTYPE html>' 'the board'
is 'which it asks for nothing else' "$(grep -c 'http://\|https://\|<script\|src=' .out)" 0
expect 0 'for a spreadsheet' at brent report exercise "$run" --format csv
says '^"Injects","injects 1","inject","down"'
expect 0 'for programs' at brent report exercise "$run" --format json
says '"type":"exercise_report"' '"section":"decisions"'
expect 2 'no such format' at brent report exercise "$run" --format pdf
report_forms brent "$run"
report_knows brent "$run" report status run service mode state councils policy plan site builds \
    chain range last head scenario trigger requester role scribe title type planned place briefed \
    startex endex duration clock stopped facilitator objective condition rule artificiality known \
    decision decider about options authority dissent supported detected jump pause rating approve \
    review issue close control signed_off_by distribution
expect 0 'and as it is shown' at brent exercise show "$run"
says 'Improvement plan'

for kind in rpo points links changes controls; do
	for format in table csv html json; do
		expect 0 "report $kind, $format" at brent report $kind --format $format --since 1d
	done
done
for format in table csv html json; do
	expect 0 "report posture, $format" at brent report posture --format $format
	says 'never exercised\|its last exercise' 'nothing is averaged'
done
expect 0 'what has changed' at brent report changes
says 'Change log' 'policy' 'loaded'
expect 2 'not of tomorrow' at brent report rpo --since tomorrow

# Its scenario leaves in MISP's Common Exercise Format, and comes back the same.
expect 0 'a scenario is exported' at brent scenario export outage -o "$WORK/one.json"
expect 0 'and imported' "$B" scenario import one.json -o outage.conf
is 'nothing was lost' "$(cat .err)" ''
mkdir -p again && (umask 077; sed '/^scenario/,$d' shared.conf >again/shared.conf
    sed "s|\"$WORK/shared.conf\"|\"shared.conf\", \"scenarios\"|" brent/bascule.conf >again/bascule.conf
    cp brent/key again/ && mkdir again/scenarios && cp outage.conf again/scenarios/)
expect 0 'what was imported loads' "$B" policy check again
expect 0 'and leaves once more' "$B" scenario export outage --policy again -o two.json
is 'as it was' "$(cmp one.json two.json && echo same)" same
expect 2 'what is none is refused' "$B" scenario import outage.conf -o x.conf
expect 1 'nor is there another' at brent scenario export nothing

# The word.
start
for go in approve 'schedule --at 1d'; do x stage $go >/dev/null; done
x attend Ann >/dev/null; x brief >/dev/null; x begin >/dev/null
expect 0 'STOP in any text' x note STOP
says 'ENDEX (stopped)'
at brent alarms >.out
says 'STOP was called in exercise'
holds 'it is in the record' happened 'stop: play is over, THIS IS REAL'
start
expect 0 'what to abort it would do' at brent exercise abort "$run" --dry-run
says "an abort of exercise $run of .* (DRAFT); nothing was done"
is '... is not done' "$(state)" DRAFT
expect 0 'what was not begun is cancelled' at brent exercise abort "$run" --reason 'no room'
is 'cancelled' "$(state)" CANCELLED

# The policy's own, where the service would run next.
SOUTHWARK=', { name = "southwark"; title = "S"; role = "datacentre"; failure_domain = "southwark"; repository = "/nowhere"; }'
HOME_SITE='home = "southwark"; standby = "brent"; replicate = { to = [ "brent" ]; within = "1h"; }; plan = ( { step = "tree"; restore = "tree"; },
    { step = "fine"; check = { command = [ "true" ]; }; after = [ "tree" ]; } );'
before=$(at brent --json exercise list | grep -c '"mode":"tabletop"')
policy 'exercises = ( { kind = "tabletop"; every = "3s"; scenario = "outage"; } );'
kill -HUP "$(cat brent/pid)"
more() { [ "$(at brent --json exercise list | grep -c '"mode":"tabletop"')" -gt "$before" ]; }
wait_for 10 more || tail -n 5 brent/log
holds 'the policy drafts one' more
run=$(at brent --json exercise list | grep '"state":"DRAFT"' | sed -n 1p | grep -o '"run":"[^"]*"' | cut -d'"' -f4)
x stage approve >/dev/null; x stage schedule --at 1d >/dev/null
x attend Ann >/dev/null; x brief >/dev/null; x begin >/dev/null
expect 0 'the whole plan is walked' x step all
at brent --json exercise play "$run" </dev/null | grep '"type":"tabletop_event".*"event":"step"' >.out
says '"step","value":"tree"' '"step","value":"fine"' 'starts_t_ns' 'a guess'
policy
kill -HUP "$(cat brent/pid)"
at brent alarms >.out
says 'is due: approve and schedule'
daemon_stop brent
never_stumbled brent/log
finish
