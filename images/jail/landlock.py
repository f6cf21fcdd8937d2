# SPDX-License-Identifier: GPL-2.0-only
"""Landlock: only the named files and folders, no TCP, no signals or abstract sockets outside.

Constants are those of include/uapi/linux/landlock.h.
"""

# ruff: noqa: PTH112
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import ctypes
import os

from images.jail.kernel import system_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI -> number of file system access rights it knows (the lowest bits)."""
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract Unix sockets, signals

LIST = _READ_DIR
READ = _EXECUTE | _READ_FILE | _READ_DIR
WRITE = 0xFFFF & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV


def restrict(allowed: Iterable[tuple[str, int]]) -> None:
    """Leave the calling thread only the rights (LIST, READ, WRITE, DEVICE) below each path.

    Raises OSError, ENOSYS or EOPNOTSUPP on a kernel without Landlock.
    """
    abi = system_call(
        "landlock_create_ruleset", _CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG
    )
    known = (1 << _RIGHTS_BY_ABI.get(abi, 16)) - 1
    rights = [known, _TCP, _SCOPES][: 3 if abi >= 6 else 2 if abi >= 4 else 1]
    attributes = (ctypes.c_uint64 * len(rights))(*rights)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    ruleset = system_call(
        "landlock_create_ruleset", _CREATE_RULESET, ctypes.byref(attributes), size, 0
    )
    for path, wanted in allowed:
        _allow(ruleset, path, wanted & known)
    system_call("landlock_restrict_self", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):
        rights &= _OF_A_FILE
    # struct landlock_path_beneath_attr is packed: a u64 and an s32
    rule = rights.to_bytes(8, "little") + target.to_bytes(4, "little")
    system_call("landlock_add_rule", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(target)
