"""The cells of moves.py: which there are, how they ended, which is next, and what
nothing has struck yet (`moves.py RESULTS --left`).

A kind is a record in a mode.  It is struck when a cell of it held or failed, and not
when the record never came ("not met").
"""
import fcntl
import os
import re
import zlib
from collections import Counter

FAULTS = {
    "kill.self": "SIGKILL of the daemon that has just recorded it",
    "late.self": "... just before it records the next",
    "kill.other": "SIGKILL of the other daemon",
    "work.self": "SIGKILL of its workers, and of the one begun next",
    "ssh.self": "SIGKILL of sshd there, bridge and sessions",
    "ssh.other": "... at the other site",
    "hang.self": "SIGSTOP of sshd there, bridge and sessions, as long as a cut",
    "hang.other": "... at the other site",
    "cut.one": "the preferred link is cut",
    "cut.all": "both links are cut, longer than every patience",
    "stop.self": "SIGSTOP of the daemon, as long",
    "stop.other": "SIGSTOP of the other daemon",
    "stopw.self": "SIGSTOP of its workers, and of the one begun next",
    "state.self": "no room left where the daemon's state lies",
    "state.other": "... at the other site",
    "repo.self": "no room left where the repository lies",
    "repo.other": "... at the other site",
    "both.self": "SIGKILL of both daemons at once",
    "crew.self": "SIGKILL of the daemon and its workers at once",
    "crew.other": "... at the other site",
    # with ETCD
    "member.self": "SIGKILL of etcd's member there",
    "member.other": "... at the other site",
    "member.leader": "... wherever the leader is",
    "quorum.self": "SIGKILL of the member there and the witness's",
    "quorum.other": "... of the other site's and the witness's",
    "pause.leader": "SIGSTOP of the leader",
    "pause.all": "SIGSTOP of all members",
    "pair.self": "SIGKILL of the daemon and the member there at once",
    "pair.other": "... at the other site",
}
ETCD = ("member", "quorum", "pause", "pair")
MODES = ("planned", "rollback", "unplanned", "test")


def applies(mode, point, fault):
    what, _, whose = fault.partition(".")
    if what in ETCD and mode == "test":
        return False  # it moves nothing
    if mode == "unplanned" and point[0] == "B" and \
            not re.search("COMMITTED|REPROTECTED|authority.(commit|reprot)", point):
        # A is off, so are the links
        return whose in ("self", "leader") and \
            what not in ("cut", "ssh", "hang", "both", "quorum")
    return True


class Matrix:
    def __init__(self, results, modes=MODES, faults=tuple(FAULTS), points="."):
        self.results, self.modes, self.faults, self.points = results, modes, faults, points

    def path(self, cell):
        return f"{self.results}/cells/{'+'.join(cell)}"

    def records(self, mode):
        """As a move of that mode made them which nothing had hurt."""
        try:
            with open(f"{self.results}/trace.{mode}") as f:
                return [p for p in f.read().split() if re.search(self.points, p)]
        except FileNotFoundError:
            return []

    def cells(self):
        return [(m, p, f) for m in self.modes for p in self.records(m)
                for f in self.faults if applies(m, p, f)]

    def ran(self):
        """{cell: how it ended}: "." held, "F" failed, "m" not met, "b" somebody is at it."""
        out = {}
        for name in os.listdir(f"{self.results}/cells"):
            with open(f"{self.results}/cells/{name}") as f:
                how = {"ok": ".", "mi": "m", "FA": "F"}.get(f.read(2))
                try:
                    if how is None:
                        fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    how = "b"
            if how is not None:
                out[tuple(name.split("+"))] = how
        return out

    def next(self, tried, again=False, most=0):
        """Of what is left, the kind struck least, by what has struck least there; no
        kind more than MOST times.  What lies open between equals is always the same."""
        ran, struck, missed = self.ran(), Counter(), Counter()
        for (mode, point, fault), how in ran.items():
            if how == "m":
                missed[mode, point] += 1
            else:
                struck.update([(mode, point), (mode, "", fault), ("", point, fault)])

        def rank(cell):
            mode, point, fault = cell
            # a record that does not come must not keep all the others waiting
            return (struck[mode, point] + missed[mode, point] // 3,
                    struck[mode, "", fault], struck["", point, fault],
                    missed[mode, point], zlib.crc32("+".join(cell).encode()))
        left = [c for c in self.cells() if c not in tried and
                (c not in ran or again and ran[c] == "F")]
        best = min(left, key=rank, default=None)
        return None if best is None or most and rank(best)[0] >= most else best

    def table(self):
        ran = self.ran()
        for mode in self.modes:
            faults = [f for f in self.faults if any(c[0] == mode and c[2] == f for c in ran)]
            print(f"{mode:42}", *(f"{x.replace('.', '')[:2]}{x.split('.')[1][0]}"
                                  for x in faults))
            for p in self.records(mode):
                row = [ran.get((mode, p, x), " " if applies(mode, p, x) else "-")
                       for x in faults]
                if any(c not in " -" for c in row):
                    print(f"{p:42}", *(f" {c} " for c in row))
        self.sum()

    def sum(self):
        count = Counter(self.ran().values())
        print(f"# {count['.']} held, {count['F']} failed, {count['m']} were not met "
              "(the move took another way); -: there is none")

    def left(self):
        """What was never struck: records of a mode, faults in one."""
        ran = self.ran()
        all_kinds = all_struck = 0
        for mode in self.modes:
            records = self.records(mode)
            mine = {c: how for c, how in ran.items() if c[0] == mode}
            struck = {c[1] for c, how in mine.items() if how in ".F"}
            unmet = {c[1] for c, how in mine.items() if how == "m"} - struck
            all_kinds += len(records)
            all_struck += sum(p in struck for p in records)
            print(f"{mode}: {sum(p in struck for p in records)} of {len(records)} records "
                  f"struck, in {sum(how in '.F' for how in mine.values())} of "
                  f"{sum(c[0] == mode for c in self.cells())} cells")
            for p in records:
                if p not in struck:
                    print(f"  never: {p}{' (it did not come)' if p in unmet else ''}")
            times = Counter(c[2] for c, how in mine.items() if how in ".F")
            print("  faults:", ", ".join(f"{x} {times[x]}" for x in self.faults
                                         if any(applies(mode, p, x) for p in records)))
        print(f"# {all_struck} of {all_kinds} kinds (a record in a mode) were struck")
        self.sum()
