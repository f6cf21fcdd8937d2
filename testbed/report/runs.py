# SPDX-License-Identifier: GPL-2.0-only
"""The runs there are in a folder, and which of them may go."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import EnvironmentProblem
from testbed.host.terminal import escape
from testbed.report.rundir import LATEST
from testbed.report.summary import FILE_NAME

DAY_S = 24 * 3600.0
UNFINISHED = "unfinished"
"""In the place of a verdict: there is no summary, so the run goes on, or was killed."""

_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True)
class StoredRun:
    """One run directory; ``age_s`` since something in it changed. Words are escaped."""

    path: Path
    job: str
    verdict: str
    started_at: str
    kernel: str
    size_bytes: int
    age_s: float

    @property
    def may_go_on(self) -> bool:
        """Whether it may still be running."""
        return self.verdict == UNFINISHED and self.age_s < DAY_S


def runs_in(folder: Path) -> list[StoredRun]:
    """The runs of a folder, the newest first; what has another name than a run's is left alone.

    Raises EnvironmentProblem.
    """
    try:
        found = [
            _read(path)
            for path in folder.iterdir()
            if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        ]
    except FileNotFoundError:
        return []
    except OSError as err:
        raise EnvironmentProblem(f"{folder} cannot be read: {err.strerror}") from err
    return sorted(found, key=lambda run: run.path.name, reverse=True)


def _read(path: Path) -> StoredRun:
    size, changed = 0, path.stat().st_mtime
    for entry in path.rglob("*"):
        with suppress(OSError):
            about = entry.lstat()
            size, changed = size + about.st_size, max(changed, about.st_mtime)
    summary: dict[str, Any] = {}
    with suppress(OSError, ValueError, RecursionError):
        read = json.loads((path / FILE_NAME).read_text(encoding="utf-8"))
        summary = read if isinstance(read, dict) else {}

    def word(name: str) -> str:
        return escape(str(summary.get(name) or ""))

    return StoredRun(
        path, word("job"), word("verdict") or UNFINISHED, word("started_at"),
        word("kernel_release"), size, time.time() - changed,
    )  # fmt: skip


def to_prune(
    runs: Sequence[StoredRun], *, keep: int | None = None, older_days: float | None = None,
    most_bytes: int | None = None,
) -> list[StoredRun]:  # fmt: skip
    """Of ``runs``, newest first, those that may go: all limits that are given have to say so.

    ``keep``: not the newest so many. ``older_days``: only what is older. ``most_bytes``: only what
    is beyond, counted from the newest. One that may still be running stays.
    """
    gone, total = [], 0
    for number, run in enumerate(runs):
        total += run.size_bytes
        if (
            not run.may_go_on
            and (keep is None or number >= keep)
            and (older_days is None or run.age_s > older_days * DAY_S)
            and (most_bytes is None or total > most_bytes)
        ):
            gone.append(run)
    return gone


def remove(runs: Iterable[StoredRun]) -> int:
    """Remove these; bytes freed. ``latest`` then points to the newest that is left.

    Raises EnvironmentProblem.
    """
    freed, folders = 0, set()
    for run in runs:
        try:
            shutil.rmtree(run.path)
        except OSError as err:
            raise EnvironmentProblem(f"{run.path} cannot be removed: {err.strerror}") from err
        freed += run.size_bytes
        folders.add(run.path.parent)
    for folder in folders:
        _point_to_newest(folder)
    return freed


def _point_to_newest(folder: Path) -> None:
    latest = folder / LATEST
    if not latest.is_symlink() or latest.exists():
        return
    left = runs_in(folder)
    with suppress(OSError):
        latest.unlink()
        if left:
            latest.symlink_to(left[0].path.name)
