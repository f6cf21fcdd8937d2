# SPDX-License-Identifier: GPL-2.0-only
"""Free space on disks, checked before it runs out: some programs hang on a full disk (apt does)."""

from __future__ import annotations

import shutil
from pathlib import Path

from images.errors import EnvironmentProblem


def free_bytes(path: Path) -> int:
    """Free space where `path` is, or will be."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def disk_full(path: Path, needs_bytes: int = 0, who: str = "") -> EnvironmentProblem:
    """The problem that the disk of `path` is full; `who` failed on it."""
    needed = f", {needs_bytes} bytes are needed" if needs_bytes else ""
    failed = f" ({who} failed)" if who else ""
    return EnvironmentProblem(
        f"the disk that holds {path} is full: {free_bytes(path)} bytes are free{needed}{failed}",
        "Free some space, run `testbed cache prune`, or point TESTBED_CACHE at another disk.",
    )


def require_space(path: Path, needs_bytes: int) -> None:
    """Raise EnvironmentProblem unless that much is free."""
    if free_bytes(path) < needs_bytes:
        raise disk_full(path, needs_bytes)
