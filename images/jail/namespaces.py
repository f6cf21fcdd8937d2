# SPDX-License-Identifier: GPL-2.0-only
"""Namespaces of a jailed program: its own mounts, processes, network, IPC objects and host name."""

# ruff: noqa: PTH123
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import os

from images.jail.kernel import MS_PRIVATE, MS_REC, call, mount

_NEWNS, _NEWUTS, _NEWIPC = 0x00020000, 0x04000000, 0x08000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000


def enter_user_namespace() -> None:
    """For an ordinary user, who may then do the rest. Raises OSError."""
    uid, gid = os.getuid(), os.getgid()
    call("unshare", _NEWUSER)
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"),
    ):  # fmt: skip
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def enter_namespaces() -> None:
    """All others; the next child is the first process of the PID namespace. Raises OSError."""
    call("unshare", _NEWNS | _NEWPID | _NEWNET | _NEWIPC | _NEWUTS)
    mount("none", "/", None, MS_REC | MS_PRIVATE, None)
