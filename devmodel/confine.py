# SPDX-License-Identifier: GPL-2.0-only
"""Confinement: after it the process can use what it was handed and open nothing else.

Landlock denies every file system and TCP access (include/uapi/linux/landlock.h), a seccomp filter
denies new sockets and processes, resource limits bound memory, CPU time and file size.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct

_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION_FLAG = 1
_FS_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Landlock ABI -> number of file system access rights it knows (the lowest bits)."""

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_SECCOMP_ALLOW = 0x7FFF0000
_SECCOMP_ERRNO = 0x00050000

_DENIED = {
    # machine: (AUDIT_ARCH_*, numbers of socket, connect, bind, socketpair, ptrace, execve,
    # execveat, clone, clone3, io_uring_setup, openat, openat2; fork, vfork, open, creat)
    "x86_64": (0xC000003E, (41, 42, 49, 53, 101, 59, 322, 56, 435, 425, 257, 437, 57, 58, 2, 85)),
    "aarch64": (0xC00000B7, (198, 203, 200, 199, 117, 221, 281, 220, 435, 425, 56, 437)),
}
_X32_BIT = 0x40000000

DATA_BYTES = 2 << 30
FILE_BYTES = 1 << 30
OPEN_FILES = 1024


def confine(cpu_seconds: int) -> dict[str, str]:
    """Confine this process for good. Returns what could be enforced: part -> "on" or why not."""
    libc = ctypes.CDLL(None, use_errno=True)
    _limit(resource.RLIMIT_DATA, DATA_BYTES)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CPU, cpu_seconds)
    _limit(resource.RLIMIT_CORE, 0)
    done = {
        "dumpable_off": _outcome(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)),
        "no_new_privs": _outcome(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)),
        "landlock": _landlock(libc),
    }
    done["seccomp"] = _seccomp(libc)
    return done


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _outcome(result: int) -> str:
    return "on" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "failed")


def _landlock(libc: ctypes.CDLL) -> str:
    abi = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION_FLAG)
    if abi < 1:
        return _outcome(abi)
    fs = (1 << _FS_RIGHTS_BY_ABI.get(abi, 16)) - 1
    rights = [fs]
    if abi >= 4:
        rights.append(0b11)  # bind and connect TCP
    if abi >= 6:
        rights.append(0b11)  # abstract Unix sockets and signals outside
    attributes = struct.pack(f"<{len(rights)}Q", *rights)
    size = ctypes.c_size_t(len(attributes))
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        return _outcome(ruleset)
    result = _outcome(libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return result


def _seccomp(libc: ctypes.CDLL) -> str:
    machine = os.uname().machine
    known = _DENIED.get(machine)
    if known is None:
        return f"no filter for {machine}"
    arch, denied = known
    load, jump_equal, jump_at_least, give_back = 0x20, 0x15, 0x35, 0x06
    program = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (jump_equal, 0, len(denied) + 3, arch),
        (load, 0, 0, 0),  # seccomp_data.nr
        (jump_at_least, len(denied) + 1, 0, _X32_BIT),
    ]
    for i, number in enumerate(denied):
        program.append((jump_equal, len(denied) - i, 0, number))
    program += [
        (give_back, 0, 0, _SECCOMP_ALLOW),
        (give_back, 0, 0, _SECCOMP_ERRNO | errno.EPERM),
    ]
    code = b"".join(struct.pack("<HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HxxxxxxQ", len(program), ctypes.addressof(buffer))
    return _outcome(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0))
