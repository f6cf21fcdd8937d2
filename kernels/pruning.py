# SPDX-License-Identifier: GPL-2.0-only
"""Unpacked sources and object trees in the cache: what there is, and what can go."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernels.objects import ABOUT, LOCK, OBJECTS
from kernels.source import SOURCES, lock_of, unpacked


@dataclass(frozen=True)
class Tree:
    """An unpacked source or an object tree; `idle_s` since it was last used."""

    label: str
    path: Path
    lock: Path
    size_bytes: int
    idle_s: float


def unpacked_sources(root: Path) -> list[Tree]:
    """The unpacked sources below a cache, the longest unused first."""
    found = []
    for marker in unpacked(root / SOURCES):
        about = _read(marker)
        label = " ".join(str(about[key]) for key in ("name", "version", "tarball") if key in about)
        lock = lock_of(marker.parent)
        found.append(_tree(label, marker.parent, lock, lock))
    return sorted(found, key=lambda tree: -tree.idle_s)


def slots(root: Path) -> list[Tree]:
    """The object trees below a cache, the longest unused first."""
    found = []
    for slot in (root / OBJECTS).glob("[!.]*"):
        facts = _read(slot / ABOUT)
        label = f"{facts.get('flavour', '?')} of {facts.get('source', '?')}"
        used = slot / ABOUT if (slot / ABOUT).exists() else slot
        found.append(_tree(label, slot, slot / LOCK, used))
    return sorted(found, key=lambda tree: -tree.idle_s)


def prune_kernels(root: Path, unused_for_s: float) -> int:
    """Remove what was not used for that long and is not in use; bytes freed."""
    freed = 0
    building = False
    for tree in slots(root):
        with _held(tree.lock) as free:
            building |= not free
            if free and tree.idle_s >= unused_for_s:
                shutil.rmtree(tree.path, ignore_errors=True)
                freed += tree.size_bytes
    for tree in unpacked_sources(root):
        if tree.idle_s < unused_for_s or building:  # a build reads a source without its lock
            continue
        with _held(tree.lock) as free:
            if free:
                shutil.rmtree(tree.path, ignore_errors=True)
                freed += tree.size_bytes
    return freed


@contextlib.contextmanager
def _held(lock: Path) -> Iterator[bool]:
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _tree(label: str, path: Path, lock: Path, used: Path) -> Tree:
    size = 0
    for current, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += Path(current, name).lstat().st_blocks * 512
    idle_s = time.time() - used.stat().st_mtime if used.exists() else 0.0
    return Tree(label, path, lock, size, idle_s)


def _read(file: Path) -> dict[str, object]:
    try:
        about = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}
