# SPDX-License-Identifier: GPL-2.0-only
"""The system calls of User Mode Linux: of its kernel threads, its start-up, and its stubs.

From the sources (arch/um/os-Linux, arch/um/kernel/skas/stub_exe.c) and from ``strace`` of all our
flavours. The guest's programs call through UML's own filter, which traps; they need none of these.
Missing on purpose: ptrace, which UML does without under ``seccomp=on``. Where it still tries, to
kill a stub that it has killed already, it does not look at the answer.
"""

from __future__ import annotations

CALLS = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7,
    "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13,
    "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16, "pread64": 17, "pwrite64": 18,
    "readv": 19, "writev": 20, "access": 21, "pipe": 22, "sched_yield": 24, "mremap": 25,
    "madvise": 28, "dup": 32, "dup2": 33, "pause": 34, "nanosleep": 35, "getpid": 39,
    "socket": 41, "connect": 42, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47,
    "shutdown": 48, "bind": 49, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58,
    "execve": 59, "exit": 60, "wait4": 61, "kill": 62, "uname": 63, "fcntl": 72, "fsync": 74,
    "fdatasync": 75, "ftruncate": 77, "getcwd": 79, "mkdir": 83, "rmdir": 84, "unlink": 87,
    "readlink": 89, "fchmod": 91, "getrlimit": 97, "getuid": 102, "getgid": 104, "geteuid": 107,
    "getegid": 108, "getppid": 110, "getpgrp": 111, "setsid": 112, "rt_sigpending": 127,
    "rt_sigtimedwait": 128, "rt_sigqueueinfo": 129, "rt_sigsuspend": 130, "sigaltstack": 131,
    "personality": 135, "statfs": 137, "fstatfs": 138, "prctl": 157, "arch_prctl": 158,
    "setrlimit": 160, "gettid": 186, "futex": 202, "sched_getaffinity": 204,
    "epoll_create": 213, "getdents64": 217, "set_tid_address": 218, "restart_syscall": 219,
    "timer_create": 222, "timer_settime": 223, "timer_gettime": 224, "timer_delete": 226,
    "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
    "epoll_wait": 232, "epoll_ctl": 233, "tgkill": 234, "waitid": 247, "openat": 257,
    "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "readlinkat": 267, "faccessat": 269,
    "set_robust_list": 273, "epoll_pwait": 281, "timerfd_create": 283, "fallocate": 285,
    "timerfd_settime": 286, "signalfd4": 289, "eventfd2": 290, "epoll_create1": 291,
    "dup3": 292, "pipe2": 293, "rt_tgsigqueueinfo": 297, "prlimit64": 302, "seccomp": 317,
    "getrandom": 318, "memfd_create": 319, "execveat": 322, "statx": 332, "rseq": 334,
    "close_range": 436,
}  # fmt: skip
"""Name -> number on x86_64, the only machine that has UML."""
