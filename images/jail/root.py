# SPDX-License-Identifier: GPL-2.0-only
"""The root of a jailed program: empty but for what its specification names."""

# ruff: noqa: PTH103, PTH112, PTH120, PTH211
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import errno
import os

from images.jail.idmap import map_owner
from images.jail.kernel import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    attach,
    mount,
    open_tree,
    pivot_root,
    restrict_mounts,
    unmount,
)
from images.jail.spec import JailSpec

_BASE = "/tmp"  # any folder would do: it is covered in our mount namespace only
_WRITE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
_READ = _WRITE | MOUNT_ATTR_RDONLY
_DEVICE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC


def enter_root(spec: JailSpec) -> None:
    """Make the root and leave the host's; for process 1 of a PID namespace.

    Raises OSError; the host's root is as it was then.
    """
    os.umask(0o022)
    wanted = [(place, source, _READ) for place, source in spec.read.items()]
    wanted += [(place, source, _WRITE) for place, source in spec.write.items()]
    wanted += [(device, device, _DEVICE) for device in spec.devices]
    trees = {place: (_copy(spec, place, source, attributes), os.path.isdir(source))
             for place, source, attributes in wanted}  # fmt: skip
    mount("jail", _BASE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    try:
        _furnish(spec, trees)
        pivot_root(_BASE)
    except OSError:
        unmount(_BASE)
        raise


def _furnish(spec: JailSpec, trees: dict[str, tuple[int, bool]]) -> None:
    """``trees``: place -> what is to be there, and whether it is a folder."""
    for place, target in spec.links.items():
        _make_folder(os.path.dirname(place))
        os.symlink(target, _BASE + place)
    for place in sorted([*trees, *spec.memory]):  # a folder before what is to be seen in it
        if place in trees:
            _attach(place, *trees[place])
        else:
            _make_folder(place)
            _mount_memory(_BASE + place, spec.memory[place])
    _make_folder("/proc")
    mount("proc", _BASE + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    root = os.open(_BASE, os.O_PATH | os.O_CLOEXEC)
    restrict_mounts(root, _READ, recursive=False)
    os.close(root)


def _attach(place: str, tree: int, is_folder: bool) -> None:
    _make_folder(place if is_folder else os.path.dirname(place))
    if not is_folder:
        os.close(os.open(_BASE + place, os.O_CREAT | os.O_CLOEXEC, 0o444))
    attach(tree, _BASE + place)
    os.close(tree)


def _copy(spec: JailSpec, place: str, source: str, attributes: int) -> int:
    tree = open_tree(source)
    restrict_mounts(tree, attributes, recursive=True)
    if spec.uid is not None and place in spec.owned:
        map_owner(tree, spec.uid)
    return tree


def _mount_memory(place: str, size: int) -> None:
    """Memory of a guest, in huge pages if this kernel has them: it takes thousands of faults less
    to touch, and to give back, what a guest uses.
    """
    options = f"mode=1777,size={size}"
    try:
        mount("jail", place, "tmpfs", MS_NOSUID | MS_NODEV, f"{options},huge=within_size")
    except OSError as err:
        if err.errno != errno.EINVAL:
            raise
        mount("jail", place, "tmpfs", MS_NOSUID | MS_NODEV, options)


def _make_folder(place: str) -> None:
    os.makedirs(_BASE + place, mode=0o755, exist_ok=True)
