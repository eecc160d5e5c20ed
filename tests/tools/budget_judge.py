#!/usr/bin/env python3
"""budget_judge.py SAMPLES LEAST EDGE:RATE...: did a transfer keep to its budgets?

SAMPLES: lines of an instant and how many bytes had been carried by then, as the
product says.  From each EDGE (seconds since 1970) to the next it was allowed RATE
bytes a second, from a second after the edge on; the last EDGE ends it.  At most
that, within 5 % (a second at least: what it says of itself may come late), and at
least LEAST of it, of the first five seconds four fifths of that.
"""
import datetime
import re
import sys

OVERHEAD = 1 + 1 / 32  # what of a budget goes to SSH and TCP (lib/job/pacer.c)
MET_S = 1.0
FIRST_S = 5.0


def seconds(text):
    at, rest = re.fullmatch(r"([^.Z]*)(\.[0-9]+)?Z", text).groups()
    return datetime.datetime.fromisoformat(at + "+00:00").timestamp() + float(rest or 0)


samples = []
for line in open(sys.argv[1]):
    at, count = line.split()
    at, count = seconds(at), int(count) * OVERHEAD
    if not samples or at > samples[-1][0]:
        samples.append((at, count))
least = float(sys.argv[2])
edges = [(float(e), float(r)) for e, r in (a.split(":") for a in sys.argv[3:])]
wrong = 0
for (begin, rate), (end, _) in zip(edges, edges[1:]):
    inside = [s for s in samples if begin + MET_S <= s[0] <= end]
    if len(inside) < 5 or inside[-1][0] - inside[0][0] < FIRST_S:
        sys.exit(f"from {begin:.0f}: {len(inside)} samples are no measurement")
    begun, was = inside[0]
    spans = [(at - begun, (count - was) / rate) for at, count in inside[1:]]
    took, used = spans[-1]
    first = next(s for s in spans if s[0] >= min(FIRST_S, took))
    ok = (used <= max(1.05 * took, took + 1) and used >= least * took and
          first[1] >= 0.8 * least * first[0])
    wrong += not ok
    print(f"# {took:.1f} s at {rate:.0f} bytes/s: {100 * used / took:.1f} %, "
          f"the first {first[0]:.1f} s {100 * first[1] / first[0]:.1f} %"
          f"{'' if ok else ': NOT WITHIN IT'}")
sys.exit(1 if wrong else 0)
