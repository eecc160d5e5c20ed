#!/bin/sh
# The register of authority in a real etcd cluster of three members: races,
# members that die, pause and wake, answers that get lost; and a daemon that lives
# by it.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

if ! command -v etcd >/dev/null; then
	skip 'authority in etcd' 'no etcd is installed (etcd-server)'
	finish
fi
mkdir room
cat >script.py <<'END'
import json, os, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
from etcd import Cluster, Proxy, Worker, wait

daemon, room, every = sys.argv[2], sys.argv[3], int(sys.argv[4])

def is_(name, got, want=True):
    print(("ok " if got == want else "not ok ") + name +
          ("" if got == want else ": %r, not %r" % (got, want)), flush=True)

def verdict(answer):
    return answer and answer["verdict"]

c = Cluster(room, ["brent", "southwark", "lewisham"])
b = s = None
try:
    is_("three members answer",
        wait(lambda: all(c.is_up(n) for n in c.names)))
    b = Worker(daemon, room, "brent", c.urls())
    s = Worker(daemon, room, "southwark", list(reversed(c.urls())))
    is_("a first register is written", verdict(
        b.swap("housing", 0, 1, "brent", state="PROTECTED")), "done")
    is_("... and only where there is none", verdict(
        s.swap("housing", 0, 1, "southwark")), "lost")
    is_("a move is one swap", verdict(
        b.swap("housing", 1, 2, "southwark", run="one")), "done")
    is_("... which both sites may ask for", verdict(
        s.swap("housing", 1, 2, "southwark", run="one")), "done")
    is_("... and nobody else", verdict(
        s.swap("housing", 1, 2, "southwark", run="two")), "lost")
    is_("an old epoch moves nothing", verdict(
        b.swap("housing", 1, 3, "brent", run="three")), "lost")
    is_("the owner says what state it is in", verdict(
        s.swap("housing", 2, 2, "southwark", run="one",
               state="PROVISIONAL")), "done")
    is_("... and who is not does not", verdict(
        b.swap("housing", 2, 2, "brent", run="one", state="HELD")), "lost")
    seen = b.hear("seen", quorum=True)
    wait(lambda: len(b.hear("seen", quorum=True)["lives"]) == 2)
    seen = b.hear("seen", quorum=True)
    is_("each sees that the other lives",
        sorted(l["site"] for l in seen["lives"]), ["brent", "southwark"])
    names = {b.hear("member", answers=True)["name"] for i in range(6)}
    is_("... and the members", sorted(names), sorted(c.names))

    # --- exactly one wins ---------------------------------------------------
    ways, winners, epoch = set(), True, 1
    b.swap("race", 0, 1, "brent")
    for i in range(20 if every == 1 else 200):
        asks = [(w, w.ask("race", epoch, epoch + 1, o, run=o + str(i)))
            for w, o in random.sample([(b, "brent"), (s, "southwark")], 2)]
        got = [verdict(w.hear("answer", ask=n)) for w, n in asks]
        owner = c.register("race")["owner"]
        first = [o for (w, n), v, o in zip(asks, got,
            ["brent" if w is b else "southwark" for w, n in asks])
            if v == "done"]
        winners = winners and sorted(got) == ["done", "lost"] and \
            first == [owner]
        epoch += 1
    is_("of two who race exactly one wins, the one etcd names", winners)

    # --- lost answers ---------------------------------------------------------
    count = {"txn": 0}
    def judge(head):
        if b"/v3/kv/txn" in head:
            count["txn"] += 1
            return {1: "lose", 2: "drop"}.get(count["txn"])
    p = Proxy(c.client["brent"], judge)
    w = Worker(daemon, room, "brent", [p.url], timeout="3s")
    is_("a write whose answer is lost is read back", verdict(
        w.swap("race", epoch, epoch + 1, "brent", run="lost")), "done")
    is_("a write that is lost is asked again", verdict(
        w.swap("race", epoch + 1, epoch + 2, "brent", run="again")), "done")
    is_("... once each, or not at all", count["txn"], 3)
    w.end()
    epoch += 2
    cut = {"now": False}
    def judge_cut(head):
        if b"/v3/kv/txn" in head:
            cut["now"] = True
            return "lose"
        return "drop" if cut["now"] else None
    p = Proxy(c.client["brent"], judge_cut)
    w = Worker(daemon, room, "brent", [p.url], timeout="3s")
    held = w.swap("race", epoch, epoch + 1, "brent", run="held")
    is_("a write that cannot be read back is unknown", verdict(held),
        "unknown")
    is_("... though it was done", c.register("race")["epoch"], epoch + 1)
    cut["now"] = False
    is_("... which asking again finds out", verdict(
        w.swap("race", epoch, epoch + 1, "brent", run="held")), "done")
    w.end()

    # --- one member lost changes nothing --------------------------------------
    c.kill("brent")
    wait(lambda: c.is_up("southwark")) # it may have been the leader
    is_("with one member lost moves go on", verdict(
        b.swap("housing", 2, 3, "brent", run="four")), "done")
    is_("... for both", verdict(
        s.swap("housing", 2, 3, "brent", run="four")), "done")
    gone = wait(lambda: b.hear("member", 5, answers=False) is not None)
    is_("... and the member is seen to be gone", gone)

    # --- quorum lost refuses moves ---------------------------------------------
    c.kill("lewisham")
    got = b.swap("housing", 3, 4, "southwark", run="five")
    is_("without a quorum a move is refused", verdict(got), "refused")
    is_("... in words", "not asked to change" in got["text"])
    is_("... and it is seen", s.hear("seen", quorum=False) is not None)
    c.start("brent")
    is_("a member that is back makes a quorum",
        wait(lambda: c.is_up("southwark")))
    is_("nothing had been changed meanwhile",
        c.register("housing", "southwark")["epoch"], 3)
    is_("... and moves go on", verdict(
        b.swap("housing", 3, 4, "southwark", run="six")), "done")
    c.start("lewisham")
    wait(lambda: all(c.is_up(n) for n in c.names))

    # --- a member that was paused and wakes ---------------------------------------
    leader = c.leader()
    others = [n for n in c.names if n != leader]
    w = Worker(daemon, room, "brent", [c.url(leader)], timeout="1s")
    is_("one talks to the leader alone", verdict(w.read("housing")), "done")
    c.signal(leader, signal.SIGSTOP)
    late = w.ask("housing", 4, 5, "brent", run="late")
    answer = w.hear("answer", ask=late)
    is_("a paused leader gives no answer", verdict(answer), "refused")
    is_("the others elect another", wait(lambda: c.is_up(others[0])))
    v = Worker(daemon, room, "southwark", [c.url(n) for n in others],
               timeout="2s")
    is_("... and the register moves on", verdict(
        v.swap("housing", 4, 5, "southwark", run="seven")), "done")
    c.signal(leader, signal.SIGCONT)
    is_("the one that woke up is harmless", verdict(
        w.swap("housing", 4, 5, "brent", run="late")) in ("lost", "refused"))
    wait(lambda: c.is_up(leader))
    is_("... and answers from the majority's history",
        c.register("housing", leader)["run"], "seven")
    is_("... also the one who asked it before", verdict(
        w.swap("housing", 4, 5, "brent", run="late")), "lost")
    # a write that waits in the one that sleeps
    leader = c.leader()
    for i in range(3 if every == 1 else 30):
        at = c.register("housing", others[0])["epoch"]
        sleeper = random.choice(c.names)
        x = Worker(daemon, room, "brent", [c.url(sleeper)], timeout="500ms")
        x.hear("hello")
        n = x.ask("housing", at, at + 1, "brent", run="x%d" % i)
        time.sleep(random.random() * 0.004)
        c.signal(sleeper, signal.SIGSTOP)
        awake = [n for n in c.names if n != sleeper]
        got = verdict(x.hear("answer", ask=n))
        wait(lambda: c.is_up(awake[0]))
        there = c.register("housing", awake[0])
        c.signal(sleeper, signal.SIGCONT)
        wait(lambda: c.is_up(sleeper))
        later = c.register("housing", sleeper)
        x.end()
        mine = later["run"] == "x%d" % i
        fits = {"done": mine, "refused": not mine, "lost": not mine,
                "unknown": True}[got]
        is_("a member that sleeps in the middle: %s, and it is so" % got, fits)
    w.end()
    v.end()

    # --- a key that means nothing -----------------------------------------------
    c.put("/bascule/authority/odd", "{}")
    is_("what is damaged there is not written over", verdict(
        b.swap("odd", 0, 1, "brent")), "refused")
    odd = b.hear("seen", quorum=True)["registers"]
    is_("... and hides no other", sorted(r["service"] for r in odd
        if "error" not in r), ["housing", "race"])
    is_("a key that was taken away is put again", wait(lambda: sorted(
        l["site"] for l in b.hear("seen", quorum=True)["lives"]) ==
        ["brent", "southwark"]))
    s.end()
    def alone():
        seen = b.hear("seen", quorum=True)
        return [l["site"] for l in seen["lives"]] == ["brent"]
    is_("a site that has ended is not alive for long", wait(alone, 20))
    # --- and for the daemons --------------------------------------------------------
    with open(room + "/endpoints", "w") as f:
        f.write(", ".join('"%s"' % u for u in c.urls()))
    with open(room + "/members", "w") as f:
        f.write(" ".join(str(c.process[n].pid) for n in c.names))
    print("ok the cluster waits", flush=True)
    for line in sys.stdin: # commands of the script
        word, *rest = line.split()
        if word == "register":
            r = c.register(rest[0], rest[1] if len(rest) > 1 else None)
            print(r and "%s %d %s" % (r["owner"], r["epoch"], r["state"]),
                  flush=True)
        elif word == "kill":
            c.kill(rest[0]); print("killed", flush=True)
        elif word == "put":
            c.put("/bascule/authority/" + rest[0], json.dumps({"v": 1,
                "epoch": int(rest[2]), "owner": rest[1], "from": "brent",
                "state": "PROVISIONAL", "run": "z", "site": rest[1]}))
            print("put", flush=True)
        elif word == "start":
            c.start(rest[0])
            print(wait(lambda: c.is_up(rest[0])), flush=True)
finally:
    for w in (b, s):
        if w:
            w.end()
    c.end()
END
mkfifo orders answers
python3 script.py "$TOP/tests/support" "$DAEMON" "$WORK/room" "${EVERY:+2}${EVERY:-1}" \
    <orders >answers 2>script.err &
script=$!
remember $script
exec 8>orders 9<answers
while read -r line <&9; do
	case $line in
	'ok the cluster waits') break ;;
	'ok '*) ok "${line#ok }" ;;
	*) not_ok "${line#not ok }" ;;
	esac
done
[ "$line" = 'ok the cluster waits' ] || {
	not_ok "the script ended: $(tail -n 3 script.err)"
	finish
}
# order WORDS...: of the one who has the cluster; what it says.
order() { echo "$*" >&8; read -r line <&9; echo "$line"; }

# --- a daemon ------------------------------------------------------------------
mkdir data && echo one >data/a
IDENTITY=/dev/null
EXTRA="etcd = { endpoints = [ $(cat room/endpoints) ]; lease = \"2s\"; timeout = \"1s\"; };"
REPLICATE='replicate = { to = [ "southwark" ]; within = "1m"; };'
site_new brent
sed -i 's/authority = "manual"/authority = "etcd"/; /^identity/d' brent/bascule.conf
FENCE="fence = ( { run = [ \"true\" ]; prove = [ \"test\", \"-e\", \"$WORK/off\" ]; } );"
(umask 077; { shared_policy; service_policy files "$RARELY" |
    sed "s|^  backup = |  $FENCE\n&|"; } >shared.conf)
holds 'a daemon with authority in etcd starts' daemon_start brent || finish
registered() { [ "$(order register files "$1")" != None ]; }
wait_for 10 registered brent
is 'it writes down what it owns' "$(order register files)" 'brent 1 UNPROTECTED'
at brent --json status >.out
before=$(field authority)
order kill southwark >/dev/null
order kill lewisham >/dev/null
alarmed() { at brent alarms | grep -q "$1"; }
holds 'a lost quorum raises an alarm' wait_for 10 alarmed 'no move can begin'
at brent --json status >.out
is '... and changes nothing of what runs' "$(field authority)" "$before"
expect 0 '... backups go on' at brent run files --wait
is 'a member comes back' "$(order start southwark)" True
holds 'the alarm ends' wait_for 10 sh -c "! '$B' --socket brent/socket alarms |
    grep -q 'no move can begin'"
is 'somebody moves it behind this site' "$(order put files southwark 7)" put
holds 'which is said aloud' wait_for 10 alarmed "etcd has service 'files' at"
is '... and not written over' "$(order register files)" 'southwark 7 PROVISIONAL'
holds 'nobody proves that it is stopped here: people are told' \
    wait_for 10 alarmed 'nobody can prove that it is stopped here'
expect 11 '... nothing may start' at brent permit files
says 'epoch 7 was seen'
touch off
order put files southwark 8 >/dev/null
let_go() { at brent permit files 2>&1 | grep -q "at site 'southwark'"; }
holds 'proved to be stopped, it is let go of' wait_for 10 let_go
expect 0 '... and the fence is on record' at brent events --type job
says 'act=fence' 'verdict=done'
daemon_stop brent
is 'it ends cleanly' "$ended" 0
never_stumbled brent/log
exec 8>&- # the script ends its members, and itself
wait $script
finish
