# SPDX-License-Identifier: GPL-2.0-only
"""Object trees of one flavour for another: what does not differ is not compiled again."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from images.inside import Inside
from images.store import Report
from kernels.source import check_space, locked

LOCK = "lock"
OBJECTS_BYTES = 2_000_000_000
"""The largest object tree (sanitizers and debug information), with some room."""


def take_over(plain: Path, slot: Path, label: str, report: Report) -> bool:
    """Copy the object tree of the slot `plain`, times included, into `slot`, whose lock is held.

    False if a build in `plain` has never come to its end; nothing is copied over what is there.
    Raises EnvironmentProblem when there is no room.
    """
    build = slot / "build"
    with locked(plain / LOCK, report, f"the objects of {label}"):
        if not (plain / "steps").exists():
            return False
        if not build.exists():
            report(f"taking over the objects of the unpatched {label}")
            check_space(slot, OBJECTS_BYTES)
            partial = slot / "build.partial"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(plain / "build", partial, symlinks=True, ignore=_special)
            partial.rename(build)
    return True


def _special(folder: str, names: list[str]) -> list[str]:
    """Pipes and the like, which no copy can hold, and a source may have had made."""
    inside = Inside(Path(folder))
    folders = [name for name in names if stat.S_ISDIR(inside.mode(name))]
    return [name for name in names if name not in folders and not inside.is_file_or_link(name)]
