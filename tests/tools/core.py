#!/usr/bin/env python3
"""core.py PID [everything]: the core that PID forbids, made even so.

What an attacker with root does by a debugger: lifts the limit, makes the process
dumpable again from within, and ends it by SIGABRT.  With `everything` the pages
it keeps out of cores are let in, too.  Prints where the core lies; exit 77: this
machine cannot (another processor, cores that go to a pipe).
"""
import ctypes
import glob
import os
import platform
import re
import resource
import signal
import sys
import time

ATTACH, DETACH, SINGLESTEP, GETREGS, SETREGS = 16, 17, 9, 12, 13
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs"
         " eflags rsp ss fs_base gs_base ds es fs gs").split()
SYS_MADVISE, SYS_PRCTL = 28, 157
MADV_DODUMP, PR_SET_DUMPABLE, WALL = 17, 4, 0x40000000


class Regs(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in NAMES]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def maps(pid):
    current = None
    for line in open(f"/proc/{pid}/smaps"):
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....)", line)
        if m:
            current = int(m[1], 16), int(m[2], 16), m[3]
        elif line.startswith("VmFlags:"):
            yield current + (line.split()[1:],)


def find_syscall(pid):
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for begin, end, rights, _ in maps(pid):
            if "x" in rights and begin < 1 << 47:
                mem.seek(begin)
                at = mem.read(end - begin).find(b"\x0f\x05")
                if at >= 0:
                    return begin + at
    raise OSError("no system call in it")


def call(pid, place, number, *args):
    regs = Regs()
    ptrace(GETREGS, pid, ctypes.byref(regs))
    regs.rax, regs.rip = number, place
    regs.orig_rax = (1 << 64) - 1  # what it was stopped in is not begun again
    for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8"), args + (0,) * 5):
        setattr(regs, name, value)
    ptrace(SETREGS, pid, ctypes.byref(regs))
    ptrace(SINGLESTEP, pid)
    os.waitpid(pid, WALL)
    ptrace(GETREGS, pid, ctypes.byref(regs))
    if regs.rax >= 1 << 63:
        raise OSError((1 << 64) - regs.rax, f"system call {number} in it")


pattern = open("/proc/sys/kernel/core_pattern").read().strip()
if platform.machine() != "x86_64" or pattern.startswith("|") or "/" in pattern:
    sys.exit(77)
pid, everything = int(sys.argv[1]), sys.argv[2:] == ["everything"]
cwd = os.readlink(f"/proc/{pid}/cwd")
before = set(glob.glob(cwd + "/core*"))
ptrace(ATTACH, pid)
os.waitpid(pid, WALL)
resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
place = find_syscall(pid)
call(pid, place, SYS_PRCTL, PR_SET_DUMPABLE, 1)
if everything:
    for begin, end, _, flags in list(maps(pid)):
        if "dd" in flags and "io" not in flags and "pf" not in flags:
            call(pid, place, SYS_MADVISE, begin, end - begin, MADV_DODUMP)
ptrace(DETACH, pid, signal.SIGABRT)
for _ in range(200):
    made = set(glob.glob(cwd + "/core*")) - before
    if made and not os.path.exists(f"/proc/{pid}/maps") or made and not open(
            f"/proc/{pid}/maps").read():
        print(made.pop())
        sys.exit(0)
    time.sleep(0.05)
sys.exit("it left no core")
