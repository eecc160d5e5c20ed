#!/usr/bin/env python3
"""A second implementation of the schedule rules, on Python's own zoneinfo.

It shares no idea with lib/calendar: it walks every minute of UTC, looks at what
the clocks show, and applies the three rules of clock changes to what it saw.
usage: calendar_opinion.py ZONE FROM_S UNTIL_S CRON...  (same output as calendar_dump)
"""
import sys
import zoneinfo
from datetime import datetime, timedelta

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()
MARGIN = 3 * 86400


def field(text, low, high, names=()):
    def number(word):
        word = word.lower()
        return names.index(word) + low if word in names else int(word)

    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            a, _, b = span.partition("-")
            first = number(a)
            last = number(b) if b else first
        found.update(range(first, last + 1, int(step or 1)))
    return found


class Cron:
    def __init__(self, text):
        minute, hour, day, month, weekday = text.split()
        self.minutes, self.hours = field(minute, 0, 59), field(hour, 0, 23)
        self.days, self.months = field(day, 1, 31), field(month, 1, 12, MONTHS)
        self.weekdays = {d % 7 for d in field(weekday, 0, 7, DAYS)}
        self.either = day[0] != "*" and weekday[0] != "*"
        self.wild = hour == "*" or hour.startswith("*/")

    def matches(self, t):
        day, weekday = t.day in self.days, t.isoweekday() % 7 in self.weekdays
        return (t.minute in self.minutes and t.hour in self.hours and
                t.month in self.months and
                ((day or weekday) if self.either else (day and weekday)))


def occurrences(cron, by_minute, jumps, start, until):
    """by_minute: for each minute of the hour the instants and what was shown."""
    fired = set()
    seen = set()
    shown = sorted(pair for m in cron.minutes for pair in by_minute[m])
    for s, local in shown:
        if cron.matches(local) and (cron.wild or local not in seen):
            fired.add(s)
            seen.add(local)
    if not cron.wild:
        # a gap: the minutes the clocks jumped over all run when it ends
        fired.update(s for s, local in jumps if cron.matches(local))
    return sorted(s for s in fired if start < s <= until)


def main():
    zone = zoneinfo.ZoneInfo(sys.argv[1])
    start, until = int(sys.argv[2]), int(sys.argv[3])
    minute = timedelta(minutes=1)
    by_minute = [[] for _ in range(60)]
    jumps = []
    previous = None
    for s in range((start - MARGIN) // 60 * 60, until + 60, 60):
        local = datetime.fromtimestamp(s, zone).replace(tzinfo=None, fold=0)
        by_minute[local.minute].append((s, local))
        missing = local if previous is None else previous + minute
        while missing < local:
            jumps.append((s, missing))
            missing += minute
        previous = local
    for text in sys.argv[4:]:
        for s in occurrences(Cron(text), by_minute, jumps, start, until):
            print(f"{text}\t{s}")


main()
