# SPDX-License-Identifier: GPL-2.0-only
"""Run a command as on another kind of host: ``python imitate.py KIND UID -- ARGV``, as root.

KIND: "root"; "user", an ordinary user; "no-userns", the same where there are no user namespaces,
as Ubuntu 24.04 has it; "masked", a user where parts of /proc are covered, as in a container that
may make namespaces; "container", root in a container with Docker's default capabilities and
seccomp filter, as far as it matters here. UID: whose an ordinary user's programs are.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from images.jail.filters import ABSENT, ARCHES, CHECKS, REFUSED
from images.jail.kernel import (
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    attach,
    call,
    libc,
    mount,
    open_tree,
)
from images.jail.seccomp import install, program

NEWNS, NEWUSER = 0x00020000, 0x10000000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
DOCKER_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
"""https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities"""
DOCKER_ALLOWS = {"ptrace", "process_vm_readv", "process_vm_writev", "chroot", "kcmp",
                 "process_madvise", "pidfd_getfd", "memfd_secret", "clock_adjtime", "adjtimex",
                 "migrate_pages"}  # fmt: skip
"""Of what we refuse: what its seccomp filter lets pass."""


def open_closed_folders(paths: list[Path]) -> None:
    """Let others pass to ``paths``, in a mount namespace of our own."""
    call("unshare", NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE, None)
    closed = {parent for path in paths for parent in path.parents
              if not parent.stat().st_mode & 0o001}  # fmt: skip
    for folder in sorted(closed):
        trees = {entry: open_tree(str(entry)) for entry in folder.iterdir() if entry.is_dir()}
        mount("imitated", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
        for entry, tree in trees.items():
            entry.mkdir()
            attach(tree, str(entry))


def forbid_user_namespaces() -> None:
    """By a user namespace that has all our ids and allows no other below it."""
    ours, theirs = os.pipe()
    owner = os.getpid()
    child = os.fork()
    if child == 0:
        os.read(ours, 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{owner}/{name}").write_text("0 0 4294967295")
        os._exit(0)
    call("unshare", NEWUSER)
    os.write(theirs, b"x")
    assert os.waitpid(child, 0)[1] == 0
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def enter_container() -> None:
    """Docker's default capabilities and seccomp filter."""
    for capability in set(range(64)) - DOCKER_CAPABILITIES:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    keep = sum(1 << capability for capability in DOCKER_CAPABILITIES)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)(keep & 0xFFFFFFFF, keep & 0xFFFFFFFF, 0, keep >> 32, keep >> 32, 0)
    call("capset", ctypes.byref(header), ctypes.byref(sets))
    column = list(ARCHES).index(os.uname().machine)
    refused = {numbers[column]: errno.EPERM for name, numbers in REFUSED.items()
               if name not in DOCKER_ALLOWS}  # fmt: skip
    refused[ABSENT["clone3"][column]] = errno.ENOSYS
    numbers, argument, mask, value, when_equal = CHECKS["clone"]
    number = numbers[column]
    assert number is not None
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    checks = [(number, argument, mask, value, when_equal)]
    install(program(ARCHES[os.uname().machine], refused, checks, None))


def become_user(uid: int) -> None:
    """All of our ids."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    """Become the command."""
    kind, uid, argv = sys.argv[1], int(sys.argv[2]), sys.argv[sys.argv.index("--") + 1 :]
    if kind != "root":
        interpreter = Path(sys.executable)  # of an environment, which may be in a home of its own
        open_closed_folders([interpreter, interpreter.resolve(), Path(__file__).resolve()])
    if kind == "masked":
        mount("imitated", "/proc/acpi", "tmpfs", MS_NOSUID | MS_NODEV, None)
    if kind in ("user", "no-userns", "masked"):
        if kind == "no-userns":
            forbid_user_namespaces()
        become_user(uid)
    elif kind == "container":
        enter_container()
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
