# SPDX-License-Identifier: GPL-2.0-only
"""What lies in the cache, and what of it can go."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from images.store import Store
from kernels.pruning import prune_kernels, slots, unpacked_sources

DAY_S = 24 * 3600.0
ENVIRONMENTS, APT, PIP = "venv", "apt", "pip"
KERNEL_TREES = "kernel-trees"


@dataclass(frozen=True)
class Item:
    """Something in the cache; `idle_s` since it was last used."""

    kind: str
    path: Path
    size_bytes: int
    idle_s: float


def folder_bytes(folder: Path) -> int:
    """The sum of the sizes of all files below a folder (or of the file itself)."""
    if not folder.is_dir():
        return folder.lstat().st_size
    total = 0
    for current, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(current, name).lstat().st_size
    return total


def contents(store: Store) -> list[Item]:
    """Everything in the cache, the longest unused first."""
    items = [
        Item(usage.kind, usage.path, usage.size_bytes, usage.idle_s) for usage in store.entries()
    ]
    items += [
        Item(KERNEL_TREES, tree.path, tree.size_bytes, tree.idle_s)
        for tree in [*unpacked_sources(store.root), *slots(store.root)]
    ]
    items += [_item(ENVIRONMENTS, path) for path in _environments(store.root)]
    items += [_item("downloads", path) for path in _downloads(store.root)]
    items += [_item("index", path) for path in store.root.glob(f"{APT}/*/lists")]
    return sorted(items, key=lambda item: -item.idle_s)


def prune(store: Store, unused_for_s: float) -> int:
    """Remove what was not used for that long, and what no version of ours reads; bytes freed.

    The environment this program runs in stays, and whatever another run is building.
    """
    before = folder_bytes(store.root)
    store.prune(unused_for_s)
    prune_kernels(store.root, unused_for_s)
    for item in contents(store):
        if item.idle_s < unused_for_s:
            continue
        if item.kind == ENVIRONMENTS:
            if item.path.resolve() != Path(sys.prefix).resolve():
                item.path.with_name(item.path.name + ".complete").unlink(missing_ok=True)
                shutil.rmtree(item.path, ignore_errors=True)
        elif item.kind == "downloads":
            item.path.unlink(missing_ok=True)
        elif item.kind == "index":
            # first: without it the rest is not used
            (item.path.parent / "updated").unlink(missing_ok=True)
            shutil.rmtree(item.path, ignore_errors=True)
    return before - folder_bytes(store.root)


def _environments(root: Path) -> list[Path]:
    return [path for path in (root / ENVIRONMENTS).glob("*") if path.is_dir()]


def _downloads(root: Path) -> list[Path]:
    return [*root.glob(f"{APT}/*/debs/*"), *root.glob(f"{APT}/*/archives/*.deb")]


def _item(kind: str, path: Path) -> Item:
    marker = path.with_name(path.name + ".complete")
    used = marker if marker.exists() else path
    return Item(kind, path, folder_bytes(path), time.time() - used.lstat().st_mtime)
