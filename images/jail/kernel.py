# SPDX-License-Identifier: GPL-2.0-only
"""The system calls that Python's ``os`` does not have, as functions that raise OSError."""

from __future__ import annotations

import ctypes
import os

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
_MOUNT_ATTR_IDMAP = 0x00100000

# one number on every machine: they are younger than the common table
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_PR_CAPBSET_DROP, _CAPABILITIES = 24, 64
_CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """``name`` of libc, which returns 0."""
    if getattr(libc, name)(*arguments) != 0:
        raise _error(name)


def system_call(name: str, number: int, *arguments: object) -> int:
    """A system call by its number."""
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        raise _error(name)
    return result


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    """mount(2)."""
    encoded = [None if text is None else os.fsencode(text) for text in (kind, data)]
    call(
        "mount", os.fsencode(source), os.fsencode(target), encoded[0],
        ctypes.c_ulong(flags), encoded[1],
    )  # fmt: skip


def open_tree(path: str) -> int:
    """A copy of the mounts at ``path``, which are nowhere yet, as a descriptor."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    return system_call("open_tree", _OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)


def restrict_mounts(tree: int, attributes: int, *, recursive: bool) -> None:
    """Set MOUNT_ATTR_* on the mount at ``tree``, or on all below it as well."""
    _set_attributes(tree, (attributes, 0, 0, 0), _AT_RECURSIVE if recursive else 0)


def idmap_mount(tree: int, namespace: int) -> None:
    """Owners on the mount at ``tree``, but on none below it, are those of a user namespace."""
    _set_attributes(tree, (_MOUNT_ATTR_IDMAP, 0, 0, namespace), 0)


def _set_attributes(tree: int, values: tuple[int, int, int, int], flags: int) -> None:
    """``values``: struct mount_attr (attr_set, attr_clr, propagation, userns_fd)."""
    value = (ctypes.c_uint64 * 4)(*values)
    size = ctypes.c_size_t(ctypes.sizeof(value))
    system_call(
        "mount_setattr",
        _MOUNT_SETATTR,
        tree,
        b"",
        _AT_EMPTY_PATH | flags,
        ctypes.byref(value),
        size,
    )


def attach(tree: int, place: str) -> None:
    """Mount ``tree`` at ``place``."""
    path = os.fsencode(place)
    system_call(
        "move_mount", _MOVE_MOUNT, tree, b"", _AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH
    )  # fmt: skip


def pivot_root(folder: str) -> None:
    """Make ``folder``, a mount, the root; the old one is gone."""
    os.chdir(folder)
    system_call("pivot_root", _PIVOT_ROOT[os.uname().machine], b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def drop_bounding_set() -> None:
    """No program that this one becomes gets a capability back."""
    for capability in range(_CAPABILITIES):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # this kernel has no more, or there is nothing to give back


def drop_capabilities() -> None:
    """Of the calling thread, all."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    number = _CAPSET[os.uname().machine]
    system_call("capset", number, ctypes.byref(header), ctypes.byref(none))
