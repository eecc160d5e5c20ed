#!/usr/bin/env python3
"""retain_opinion.py DUMP HISTORIES SEED

A second opinion on retention, from the words of policy.md alone: random years
of points taken, clocks set wrong, points held and verified; every week what is
left is judged here and by DUMP, and what nobody wants to keep goes.  Each
point's reasons must be the same; also when the clock is wrong while it judges,
and then nothing younger than the rule says may go.  Prints a count.
"""
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone

VERIFIED, PREFAILOVER, HELD = 1, 2, 4
REASONS = ["last", "hourly", "daily", "weekly", "monthly", "yearly", "within",
           "only-verified", "pre-failover", "held", "never-empty", "future",
           "no-rule"]
SECOND = 10 ** 9
DAY = 86400 * SECOND
BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def when(at):
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
        microseconds=at // 1000)


BUCKETS = {
    "hourly": lambda t: (t.year, t.month, t.day, t.hour),
    "daily": lambda t: (t.year, t.month, t.day),
    "weekly": lambda t: t.isocalendar()[:2],
    "monthly": lambda t: (t.year, t.month),
    "yearly": lambda t: t.year,
}


def opinion(points, rule, now):
    """points: {sequence: (at, flags, age)} -> {sequence: set of reasons}"""
    why = {n: set() for n in points}
    real = [n for n, (at, _, _) in points.items() if at - now <= 300 * SECOND]
    for n, (at, flags, age) in points.items():
        if n not in real:
            why[n].add("future")
        elif rule["within"] and min(now - at, age) <= rule["within"]:
            why[n].add("within")
        if flags & PREFAILOVER:
            why[n].add("pre-failover")
        if flags & HELD:
            why[n].add("held")
        if not any(rule.values()):
            why[n].add("no-rule")
    for kind, bucket in BUCKETS.items():
        filled = {}
        for n in real:
            key = bucket(when(points[n][0]))
            filled[key] = max(filled.get(key, -1), n)
        for key in sorted(filled, reverse=True)[:rule[kind]]:
            why[filled[key]].add(kind)
    for n in sorted(real, reverse=True)[:rule["last"]]:
        why[n].add("last")
    good = [n for n in real if points[n][1] & VERIFIED]
    if good and not any(why[n] for n in good):
        why[max(good)].add("only-verified")
    if real and not any(why[n] for n in real):
        why[max(real)].add("never-empty")
    return why


class Dump:
    def __init__(self, program):
        self.child = subprocess.Popen([program], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)

    def judge(self, points, rule, now, rng):
        order = list(points)
        rng.shuffle(order)
        words = [rule["last"], *(rule[kind] for kind in BUCKETS), rule["within"]]
        lines = ["rule " + " ".join(map(str, words))]
        lines += [f"point {n} {at} {age} {flags}"
                  for n in order for at, flags, age in [points[n]]]
        lines += [f"judge {now}"]
        self.child.stdin.write("\n".join(lines) + "\n")
        self.child.stdin.flush()
        why = {}
        for line in iter(self.child.stdout.readline, "\n"):
            if not line:
                sys.exit("the other one has gone")
            n, bits = map(int, line.split())
            why[n] = {r for i, r in enumerate(REASONS) if bits >> i & 1}
        return why


def a_rule(rng):
    rule = {kind: rng.choice((0, 0, 1, 2, 5, 24)) for kind in BUCKETS}
    rule["last"] = rng.choice((0, 0, 1, 3, 10))
    rule["within"] = rng.choice((0, 0, 0, 3600 * SECOND, 2 * DAY, 30 * DAY))
    return rule


def a_year(rng, dump):
    rule, judged = a_rule(rng), 0
    every = rng.choice((1200, 3600, 6 * 3600, 86400, 3 * 86400)) * SECOND
    now = int(BEGIN.timestamp()) * SECOND + rng.randrange(DAY)
    end, week, sequence, points, aged = now + 365 * DAY, now, 0, {}, 0
    if every < 3600 * SECOND:
        end = now + 40 * DAY
    while now < end:
        step = every + rng.randrange(-every // 3, every // 3)
        now += step
        aged += step if rng.random() < 0.9 else 0  # else it was off
        at = now
        if rng.random() < 0.02:  # a clock that is wrong
            at += rng.choice((-3650, -40, -1, 1, 40, 3650)) * DAY
        flags = sum(f for f in (VERIFIED, PREFAILOVER, HELD)
                    if rng.random() < 0.03)
        sequence += rng.randrange(1, 3)
        points[sequence] = at, flags, aged
        if now - week < 7 * DAY:
            continue
        week, wrong = now, now
        if rng.random() < 0.1:
            wrong += rng.choice((-3650, -1, 1, 3650)) * DAY
        old = {n: (at, flags, aged - then)
               for n, (at, flags, then) in points.items()}
        mine = opinion(old, rule, wrong)
        theirs = dump.judge(old, rule, wrong, rng)
        judged += len(points)
        for n in points:
            if mine[n] != theirs.get(n):
                sys.exit(f"point {n} of {old[n]}, rule {rule}, now {wrong}: "
                         f"{sorted(mine[n])} here, {theirs.get(n)} there")
            if not mine[n] and old[n][2] <= rule["within"] > 0:
                sys.exit(f"point {n} of {old[n]} goes, rule {rule}")
        points = {n: p for n, p in points.items() if mine[n]}
        if not points:
            sys.exit("a series was emptied")
    return judged


def main():
    program, histories, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    dump, judged = Dump(program), 0
    for i in range(histories):
        judged += a_year(random.Random(seed + i), dump)
    print(f"retention: {histories} years, {judged} judgements, twice the same")


main()
