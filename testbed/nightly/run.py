# SPDX-License-Identifier: GPL-2.0-only
"""A night: cell after cell, as long as there is time; one that was killed is gone on with."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Protocol

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.nightly.config import NightlyConfig
from testbed.nightly.plan import MINUTE_S, Step, cells_of, fair_order, next_step
from testbed.nightly.reading import Attempt
from testbed.nightly.store import Night, Store

LOCK = "leader"
NIGHTS = "nights"
LEAST_S = 60.0
"""That a cell has at least once it is begun: the budget does not end it in its boot."""


class Workers(Protocol):
    """Who does the steps: this process, one after the other, or others at once."""

    def size(self) -> int:
        """How many steps are worth giving at once."""

    def give(self, step: Step, folder: Path, limit_s: float) -> None:
        """Have it done; ``folder`` is where its files go."""

    def collect(self) -> tuple[Step, Attempt]:
        """The next that has ended. Raises TestbedError, Interrupted."""

    def close(self) -> None:
        """Let go; what is under way is lost."""


@contextmanager
def leading(folder: Path) -> Iterator[None]:
    """Be the one process that leads the nightly. Raises UsageProblem if another one does."""
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be written: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise UsageProblem(
                f"the nightly in {folder} is running: process {stream.read().partition(' ')[0]}",
                remedy="wait for it, or end it: the next one goes on where it was",
            ) from error
        stream.truncate(0)
        stream.write(f"{os.getpid()} {secrets.token_hex(8)}")  # who reads it sees this folder
        stream.flush()
        yield


def night_of(
    store: Store, config: NightlyConfig, started_at: str, *, new: bool, minutes: float | None
) -> Night:
    """The night that is not over, with its own cells; else, or if it is to be ``new``, another.

    ``minutes`` is its budget, if not the file's.
    """
    nights = store.nights()
    budget = config.minutes if minutes is None else minutes
    last = nights[-1] if nights else None
    if last is not None and not last.ended_at:
        if not new:
            return store.allow(last, last.minutes if minutes is None else minutes)
        store.end(last, started_at)
    cells = cells_of(config, date.fromisoformat(started_at[:10]))
    if not cells:
        raise UsageProblem(
            "no work of the file can run on any of its kernels",
            remedy="docs/nightly.md says what each kind of work needs",
        )
    return store.begin(started_at, budget, fair_order(cells, store.last_ended()))


def run_night(
    store: Store, night: Night, config: NightlyConfig, folder: Path, workers: Workers,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Everything that is left of it, as far as the time allows. Raises TestbedError,
    Interrupted: what has ended until then is stored."""
    cells = store.cells(night.number)
    expected = store.expected_s()
    under_way: set[str] = set()
    while True:
        left_s = night.minutes * MINUTE_S - store.spent_s(night) / workers.size()
        step = None
        if len(under_way) < workers.size():
            step = next_step(
                cells, store.tried(night), left_s, expected, retries=config.retries,
                most_retried=config.most_retried, under_way=under_way,
            )  # fmt: skip
        if step is not None:
            say(_told(step, left_s))
            place = folder_of(folder, night, step)
            workers.give(step, place, min(step.cell.limit_s, max(left_s, LEAST_S)))
            under_way.add(step.cell.name)
            continue
        if not under_way:
            return
        step, found = workers.collect()
        under_way.discard(step.cell.name)
        done = folder_of(folder, night, step).relative_to(folder)
        store.add(night, step.cell, step.number, found, str(done))
        say(f"{step.cell.name}: {found.verdict}{_reason(found)} in {found.seconds:.0f} s")


def _told(step: Step, left_s: float) -> str:
    again = f", again: {len(step.only) or 'all'}" if step.number > 1 else ""
    return f"{step.cell.name}{again} ({left_s / MINUTE_S:.0f} min left)"


def _reason(found: Attempt) -> str:
    return f" ({found.reason})" if found.reason and found.verdict != "pass" else ""


def folder_of(folder: Path, night: Night, step: Step) -> Path:
    """Where the files of an attempt go."""
    return folder / NIGHTS / str(night.number) / step.cell.folder / str(step.number)


def prune(folder: Path, night: Night, keep: int) -> None:
    """Remove the files of all but the last ``keep`` nights; the history stays."""
    try:
        for path in (folder / NIGHTS).iterdir():
            if path.name.isdecimal() and int(path.name) <= night.number - keep:
                shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise EnvironmentProblem(f"{folder / NIGHTS}: {error.strerror}") from error
