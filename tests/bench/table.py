#!/usr/bin/env python3
"""The table of bench.sh: one row an operation, and whether its bar was met."""
import statistics
import sys

MIB = 1 << 20
# (set, row): [(peer, peer's row, at least so many times faster)]
BARS = {
    ("D1", "first"): [("restic", "first", 3), ("tar", "first", 1)],
    ("D1", "first-fast"): [("restic", "first", 4)],
    ("D1", "unchanged"): [("restic", "unchanged", 20)],
    ("D1", "restore"): [("restic", "restore", 2.5), ("tar", "restore", 1 / 1.2)],
    ("D1", "one-file"): [("restic", "one-file", 20)],
    ("D1", "list"): [("restic", "list", 20)],
    ("D1", "check-open"): [("restic", "check", 4)],
    ("D1", "check-read"): [("restic", "check", 15)],
    ("D1", "prune"): [("restic", "prune", 4)],
    ("D2", "first"): [("restic", "first", 2.5)],
    ("D2", "changed"): [("restic", "changed", 3)],
    ("D2", "prune"): [("restic", "prune", 4)],
    ("D3", "first"): [("restic", "first", 3)],
    ("D3", "changed"): [("restic", "changed", 3)],
    ("D3", "prune"): [("restic", "prune", 4)],
    ("D4", "first"): [("restic", "first", 3)],
    ("D5", "first"): [("restic", "first", 5)],
    ("D5", "unchanged"): [("find", "unchanged", 1 / 2)],
    ("D5", "list"): [("restic", "list", 20)],
    ("D5", "restore"): [("restic", "restore", 1)],
    ("D5", "check-open"): [("restic", "check", 8)],
    ("R", "copy-first"): [("rsync", "copy-first", 1), ("restic", "copy-first", 8)],
    ("R", "copy-next"): [("rsync", "copy-next", 1)],
    ("R", "copy-none"): [("rsync", "copy-none", 1)],
}
ROWS = ("first", "first-fast", "first-cache", "unchanged", "changed",
        "changed-cache", "restore", "one-file",
        "list", "check-read", "check-open", "prune", "copy-first", "copy-next",
        "copy-none", "copy-20ms", "copy-400M", "pull-first", "pull-20ms")
MEMORY_MAX_KIB = 128 * 1024
COPY_MEMORY_MAX_KIB = 64 * 1024
COPY_LEAST_MB_S = {"copy-20ms": 150, "copy-400M": 45}
COPY_SENT_MAX = 1.05  # of the new bytes
D3_NEW_BYTES_MAX = 6_000_000
missed = 0


def verdict(good):
    global missed
    missed += not good
    return "ok" if good else "FAILS"


def read(path):
    runs = {}
    for line in open(path):
        name, tool, what, *numbers = line.split()
        runs.setdefault((name, tool, what), []).append([float(n) for n in numbers])
    return {k: [statistics.median(c) if i != 3 else max(c)
                for i, c in enumerate(zip(*v))] for k, v in runs.items()}


def cell(v):
    if v is None:
        return "-"
    return f"{v[0]:.2f} s ({v[1] + v[2]:.2f}) {v[3] / 1024:.0f} MiB"


def judge(of, name, row, ours):
    said = []
    for peer, peers_row, times in BARS.get((name, row), []):
        theirs = of.get((name, peer, peers_row))
        if theirs is None or ours[0] == 0:
            continue
        ratio = theirs[0] / ours[0]
        said.append(f"{ratio:.1f} x {peer} (bar {times:.2g}) {verdict(ratio >= times)}")
    if ours[3] > MEMORY_MAX_KIB:
        said.append(f"memory {verdict(False)}")
    return ", ".join(said)


def times(of, name):
    for row in ROWS:
        ours = of.get((name, "bascule", row))
        if ours is None:
            continue
        peers_row = {"check-read": "check", "check-open": "check",
                     "first-fast": "first", "first-cache": "first",
                     "changed-cache": "changed"}.get(row, row)
        cells = [cell(ours)] + [cell(of.get((name, t, peers_row)))
                                for t in ("restic", "borg", "tar")]
        for tool in ("find", "rsync"):
            if (name, tool, row) in of:
                cells[3] = f"{tool}: " + cell(of[name, tool, row]).split(" (")[0]
        print(f"{name:3} {row:10} " + " ".join(f"{c:>25}" for c in cells) +
              "  " + judge(of, name, row, ours))


def bytes_row(of, name, row, bar, peers_row=None):
    rows = {t: (name, t, row if t == "bascule" else peers_row or row)
            for t in ("bascule", "restic", "borg", "tar")}
    got = {t: of[k][0] for t, k in rows.items() if k in of}
    if "bascule" not in got:
        return
    peers = [v for t, v in got.items() if t in ("restic", "borg")]
    most = bar(min(peers)) if peers else None
    said = "" if most is None else \
        f"bar {most / 1e6:.1f} MB {verdict(got['bascule'] <= most)}"
    print(f"{name:3} {row:10} " + " ".join(
        f"{got[t] / 1e6:22.1f} MB" if t in got else f"{'-':>25}"
        for t in ("bascule", "restic", "borg", "tar")) + "  " + said)


def copies(of):
    for row in ("copy-first", "copy-20ms", "copy-400M", "copy-next", "copy-none", "pull-first",
                "pull-20ms"):
        if ("R", "bascule", row) not in of:
            continue
        peak = max(of["R", "bascule", row][3], of["R", "bascule", "far-" + row][0])
        said = f"memory of each end {peak / 1024:.0f} MiB {verdict(peak <= COPY_MEMORY_MAX_KIB)}"
        if row == "copy-next":
            share = of["R", "bascule", "sent-" + row][0] / of["R", "bascule", "new"][0]
            said += f", sent {share:.3f} of the new bytes {verdict(share <= COPY_SENT_MAX)}"
        if row in COPY_LEAST_MB_S or row.startswith("pull"):
            speed = of["R", "bascule", "sent-" + row][0] / of["R", "bascule", row][0] / 1e6
            said += f", {speed:.0f} MB/s"
            # less is the way there and back
            if row in COPY_LEAST_MB_S and speed * of["R", "bascule", row][0] > 1000:
                said += f" {verdict(speed >= COPY_LEAST_MB_S[row])}"
        print(f"R   {row:10} {said}")


def main():
    of = read(sys.argv[1])
    print("wall time, (processor time), peak memory; a bar is a ratio of wall times")
    print(f"{'set':3} {'what':10} " + " ".join(
        f"{t:>25}" for t in ("bascule", "restic", "borg", "tar | zstd")))
    for name in sorted({k[0] for k in of if "@" not in k[0]}):
        times(of, name)
        bytes_row(of, name, "stored", lambda least: least * (0.6 if name == "D5" else 1))
        bytes_row(of, name, "new-bytes",
                  lambda least: least / 3 if name == "D2" else D3_NEW_BYTES_MAX)
        bytes_row(of, name, "new-cache", lambda least: least / 3, "new-bytes")
    copies(of)
    grown = [k for k in of if "@" in k[0]]
    if grown:
        print("growth: set@scale, bascule's wall time, (processor time), peak memory")
    for name, _, row in sorted(grown, key=lambda k: (k[2], k[0][:2], float(k[0].split("@")[1]))):
        print(f"{name:10} {row:6} {cell(of[name, 'bascule', row])}")
    print(f"{missed} of the bars missed")


main()
