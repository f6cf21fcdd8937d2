# SPDX-License-Identifier: GPL-2.0-only
"""Files of one user of the host as another user's: an idmapped mount (mount_setattr(2)).

On disk nothing changes. What the other user makes there belongs to the one, and he can do to the
one's files what their owner can; all other files are nobody's.
"""

# ruff: noqa: PTH115, PTH116, PTH123
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import os

from images.jail.kernel import call, idmap_mount, open_tree

_NEWUSER = 0x10000000


def map_owner(tree: int, uid: int) -> None:
    """On the mount `tree`, files of its top folder's user and group are those of `uid`.

    For root. Raises OSError: EINVAL where this file system cannot do that.
    """
    owner = os.fstat(tree)
    told, tell = os.pipe()
    held, hold = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold)
        _have_namespace(tell, held)
    os.close(tell)
    try:
        pid = os.read(told, 32).decode()
        for name, number in (("uid_map", owner.st_uid), ("gid_map", owner.st_gid)):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(f"{number} {uid} 1")
        namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for end in (told, held, hold):
            os.close(end)
        os.waitpid(child, 0)
    idmap_mount(tree, namespace)
    os.close(namespace)


def can_map_owner(folder: str) -> bool:
    """Whether `map_owner` works for a folder of this host."""
    try:
        tree = open_tree(folder)
        try:
            map_owner(tree, os.stat(folder).st_uid + 1)
        finally:
            os.close(tree)
    except OSError:
        return False
    return True


def _have_namespace(tell: int, held: int) -> None:
    """Tell the number that /proc, perhaps of another PID namespace, has for us; live until held."""
    try:
        call("unshare", _NEWUSER)
        os.write(tell, os.readlink("/proc/self").encode())
        os.close(tell)
        os.read(held, 1)
    finally:
        os._exit(0)
