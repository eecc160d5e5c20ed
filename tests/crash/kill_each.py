#!/usr/bin/env python3
"""kill_each.py BASCULE SHIM WORK [--acts A,B] [--most N] [--torn]

SIGKILL just before each call that changes the repository or the state beside
it, one after the other until the run ends by itself; with --torn also in the
middle of each write.  --most takes so many calls of each act, spread evenly.
"""
import argparse
import os
import shutil

from ground import Ground, hit, stride

THOROUGH_EVERY = 5  # of these each snapshot is restored and all is opened


def one(ground, act, mode, n):
    folder, repo, state = ground.fresh(act, act.name)
    log = f"{folder}/log"
    done = ground.call(repo, act.words, state=state, stdin=act.stdin,
                       shim={"MODE": mode, "AT": n, "ROOT": folder, "LOG": log})
    what, count = hit(log)
    if what is None:
        wrong = None if done.returncode in act.ends else \
            f"it ended with {done.returncode}: {done.stdout} {done.stderr}"
    elif done.returncode != -9:
        wrong = f"not killed, ended with {done.returncode}"
    else:
        wanted = act.acknowledges(done.stdout, False)
        wrong = act.judge(ground, act, repo, state, wanted, n % THOROUGH_EVERY == 0)
    ground.result(wrong, f"{act.name}, {mode} at {what or n}")
    if wrong is None:
        shutil.rmtree(folder)
    return what is not None, count


def campaign(ground, act, mode, most):
    _, total = one(ground, act, mode, 1 << 30)
    done = ground.each(stride(total, most), lambda n: one(ground, act, mode, n))
    killed, n = sum(h for h, _ in done), total
    while most == 0 and one(ground, act, mode, n := n + 1)[0]:
        killed += 1
    print(f"ok {act.name}: {mode} at {killed} of {total} calls", flush=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("bascule", "shim", "work"):
        p.add_argument(name)
    p.add_argument("--acts", default="first,changed,merge")
    p.add_argument("--most", type=int, default=0)
    p.add_argument("--ssh")
    p.add_argument("--torn", action="store_true")
    args = p.parse_args()
    ground = Ground(args.bascule, args.shim, os.path.abspath(args.work),
                    ssh=args.ssh)
    for act in ground.acts(args.acts.split(",")):
        campaign(ground, act, "kill", args.most)
        if args.torn:
            campaign(ground, act, "torn", args.most)
    ground.end()


main()
