# SPDX-License-Identifier: GPL-2.0-only
"""Free space on disks, checked before it runs out (apt hangs on a full disk), and what a cache that
cannot be written is to the user.
"""

from __future__ import annotations

import errno
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


def write_problem(
    error: OSError, cache: Path, purpose: str, needs_bytes: int = 0
) -> EnvironmentProblem | None:
    """What it means that something could not be written to the cache; None for other errors.

    `purpose` completes "to ...". A cache may be read-only, as part of an image of CI: all that it
    holds can be used, but nothing built.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(cache, needs_bytes)
    if error.errno == errno.EROFS:
        return EnvironmentProblem(
            f"the cache {cache} is read-only, and to {purpose} it has to be written: {error}",
            "Fill it where it can be written (`testbed cache fill`, and the same command as now), "
            "or point TESTBED_CACHE at another folder.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.ENOTDIR):
        return EnvironmentProblem(
            f"the cache {cache} cannot be written, which is needed to {purpose}: {error}",
            "Point TESTBED_CACHE at a folder you own.",
        )
    return None
