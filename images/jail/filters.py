# SPDX-License-Identifier: GPL-2.0-only
"""Which system calls each kind of jailed program may make.

No program needs what is in REFUSED: it opens ways to other processes, to the host's state, or into
parts of its kernel that guests have been seen to break out by. Who needs none gets no socket, all
others only Unix ones. Nobody makes a setuid file or a namespace. User Mode Linux, whose memory is
that of the kernel under test, gets only what it is known to call (:mod:`images.jail.uml_calls`).
"""

from __future__ import annotations

import errno
import os

from images.jail import uml_calls
from images.jail.seccomp import Check, Step, program

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""``uname -m`` -> AUDIT_ARCH_*: the machines whose numbers are known."""

REFUSED = {
    # name: numbers on x86_64 and aarch64; those from 424 on are the same everywhere
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "userfaultfd": (323, 282), "bpf": (321, 280), "perf_event_open": (298, 241),
    "fanotify_init": (300, 262), "memfd_secret": (447, 447),
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41),
    "mount": (165, 40), "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "syslog": (103, 116), "vhangup": (153, 58),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "move_pages": (279, 239), "migrate_pages": (256, 238),
}  # fmt: skip
ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}
"""Their arguments lie in memory, where no filter sees them: as on a kernel that lacks them."""

_NEW_NAMESPACES = 0x7E020000
_SETUID_BITS = 0o6000
_TIOCSTI = 0x5412
_AF_UNIX = 1
_AF_ABOVE_INET = 0xFFFFFFFC
_INT = 0xFFFFFFFF

CHECKS = {
    # name: numbers, argument, mask, value, whether to refuse if it is the value
    "ioctl": ((16, 29), 1, _INT, _TIOCSTI, True),
    "clone": ((56, 220), 0, _NEW_NAMESPACES, 0, False),
    "chmod": ((90, None), 1, _SETUID_BITS, 0, False),
    "fchmod": ((91, 52), 1, _SETUID_BITS, 0, False),
    "fchmodat": ((268, 53), 2, _SETUID_BITS, 0, False),
    "fchmodat2": ((452, 452), 2, _SETUID_BITS, 0, False),
    "creat": ((85, None), 1, _SETUID_BITS, 0, False),
    "mknod": ((133, None), 1, _SETUID_BITS, 0, False),
    "mknodat": ((259, 33), 2, _SETUID_BITS, 0, False),
    "open": ((2, None), 2, _SETUID_BITS, 0, False),
    "openat": ((257, 56), 3, _SETUID_BITS, 0, False),
}
SLIRP = "slirp"
"""QEMU with a user-mode network (libslirp), which makes IPv4 sockets even if none leads anywhere:
never without a network namespace."""
SOCKET = (41, 198)
KINDS = ("program", "build", "card", "share", "slirp", "uml")
SOCKETLESS = ("build", "card", "share")
"""Kinds of programs that make none; the last two are handed theirs."""


def make(kind: str) -> list[Step]:
    """The filter of a kind of program: see KINDS. Raises OSError."""
    if kind not in KINDS:
        raise ValueError(f"there is no filter {kind}")
    machine = os.uname().machine
    if machine not in ARCHES:
        raise OSError(errno.ENOSYS, f"there is no table of system calls for {machine}")
    column = list(ARCHES).index(machine)
    refused = {numbers[column]: errno.EPERM for numbers in REFUSED.values()}
    refused |= {numbers[column]: errno.ENOSYS for numbers in ABSENT.values()}
    checks: list[Check] = []
    for numbers, argument, mask, value, refuse_equal in CHECKS.values():
        number = numbers[column]
        if number is not None:
            checks.append((number, argument, mask, value, refuse_equal))
    if kind in SOCKETLESS:
        refused[SOCKET[column]] = errno.EAFNOSUPPORT
    elif kind == SLIRP:
        checks.append((SOCKET[column], 0, _AF_ABOVE_INET, 0, False))
    else:
        checks.append((SOCKET[column], 0, _INT, _AF_UNIX, False))
    if kind != "uml":
        return program(ARCHES[machine], refused, checks, None)
    if machine != "x86_64":
        raise OSError(errno.ENOSYS, f"User Mode Linux does not run on {machine}")
    known = uml_calls.CALLS.values()
    checks = [check for check in checks if check[0] in known]
    return program(ARCHES[machine], refused, checks, known)
