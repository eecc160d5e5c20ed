#!/usr/bin/env python3
"""faults.py BASCULE SHIM WORK [--acts A,B] [--most N] [--faults X,Y]
          [--part K/N]

Each call of a run fails, one after the other: with EIO, ENOSPC, EMFILE, EINTR;
the disk is full from that call on; reads and writes move half; a flush fails
and the pages are gone; an allocation is refused.  Each time the program ends by
itself, not by a signal; it has either done all it says or ends with an exit
code of the table and says why; the repository is whole and the next run good.
"""
import argparse
import errno
import os
import shutil

from ground import Ground, hit, part, said, stride

THOROUGH_EVERY = 10
EXITS = {1, 2, 3, 4, 5, 7, 10, 11, 12, 13, 14, 16, 75}
FAULTS = {
    "eio": ("fail", errno.EIO), "enospc": ("fail", errno.ENOSPC),
    "emfile": ("fail", errno.EMFILE), "eintr": ("fail", errno.EINTR),
    "full": ("full", errno.ENOSPC), "short": ("short", 0),
    "lost": ("lost", errno.EIO), "nomem": ("nomem", 0)}


NEED_ROOM = {"write", "pwrite", "mkdir", "rename", "renameat", "renameat2", "fsync",
             "syncfs", "linkat", "fallocate", "ftruncate", "symlinkat"}


def words_of(done):
    text = done.stderr.decode(errors="replace")
    return text + " ".join(str(line.get("error", "")) + str(line.get("text", "")) +
                           str(line.get("object", "")) + str(line.get("hint", ""))
                           for line in said(done.stdout))


def wrong_end(ground, act, repo, fault, done, what):
    """What is wrong with how it ended."""
    if done.returncode == 1000:
        return "it hangs"
    if done.returncode < 0 or done.returncode >= 128:
        return f"ended by a signal: {done.returncode} {done.stderr}"
    if done.returncode in act.ends:
        if fault == "lost" and f"{repo}/" in what:  # not the state beside it
            return "a flush failed, and it ended with 0"
        return None
    if done.returncode not in EXITS:
        return f"exit code {done.returncode} is in no table"
    if done.returncode == 4 and (fault in ("eintr", "nomem", "short") or
                                 fault == "emfile" and "open" in what.split()[1]):
        return f"that is no damage: {done.stdout.decode()}"
    if fault == "short":
        return f"half a read or write is no failure: {words_of(done)}"
    if not words_of(done).strip():
        return f"ended with {done.returncode} and says nothing"
    if fault in ("full", "enospc") and what.split()[1] in NEED_ROOM and \
            f" {os.path.dirname(repo)}/" in what:
        if done.returncode not in (14, 3):
            return f"the disk is full, and it ended with {done.returncode}: " \
                   f"{words_of(done)}"
        named = f"'{os.path.dirname(repo)}/out" if "OUT" in act.words else \
            "the file system at '"
        if done.returncode == 14 and named not in words_of(done):
            return f"it does not say what to do: {words_of(done)}"
    return None


def one(ground, act, fault, n):
    folder, repo, state = ground.fresh(act, act.name)
    log, (mode, num) = f"{folder}/log", FAULTS[fault]
    shim = {"MODE": mode, "AT": n, "LOG": log, "ERRNO": num}
    if mode in ("lost", "full"):
        shim["ROOT"] = folder
    done = ground.call(repo, act.words, state=state, stdin=act.stdin, shim=shim)
    what, count = hit(log)
    if what is None:
        shutil.rmtree(folder)
        return False, count
    wrong = wrong_end(ground, act, repo, fault, done, what)
    wanted = act.acknowledges(done.stdout, done.returncode == 0)
    if wrong is None and done.returncode == 3:  # not all of it, and it says so
        wanted = act.acknowledges(b"", False)
    if wrong is None:
        wrong = act.judge(ground, act, repo, state, wanted, n % THOROUGH_EVERY == 0)
    ground.result(wrong, f"{act.name}, {fault} at {what}")
    if wrong is None:
        shutil.rmtree(folder)
    return True, count


def campaign(ground, act, fault, args):
    _, total = one(ground, act, fault, 1 << 30)
    done = ground.each(part(stride(total, args.most), args.part),
                       lambda n: one(ground, act, fault, n))
    print(f"ok {act.name}: {fault} at {sum(h for h, _ in done)} of {total} calls",
          flush=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "shim", "work"):
        p.add_argument(name)
    p.add_argument("--acts", default="changed")
    p.add_argument("--faults", default=",".join(FAULTS))
    p.add_argument("--most", type=int, default=0)
    p.add_argument("--part", default="1/1", help="K/N: every Nth from the Kth")
    p.add_argument("--ssh")
    args = p.parse_args()
    ground = Ground(args.bascule, args.shim, os.path.abspath(args.work),
                    ssh=args.ssh)
    for act in ground.acts(args.acts.split(",")):
        for fault in args.faults.split(","):
            campaign(ground, act, fault, args)
    ground.end()


main()
