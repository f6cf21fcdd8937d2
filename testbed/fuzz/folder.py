# SPDX-License-Identifier: GPL-2.0-only
"""A campaign's folder, ``runs/fuzz-NAME``: who leads it; schedules come and go as files."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.fuzz.campaign import STOP
from testbed.fuzz.reading import Reader
from testbed.fuzz.schedule import Schedule, read_schedule
from testbed.fuzz.search import read_text
from testbed.report.rundir import RUNS

LOCK = "leader"
HEAD = "corpus.json"
FORMAT = 1
"""Of a folder of schedules."""


def folder_of(name: str, runs: Path | None) -> Path:
    """Of the campaign of that name. Raises UsageProblem."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", name, re.ASCII):
        raise UsageProblem(
            f"{name!r} is no name for a campaign", remedy="allowed: letters, digits, ., _ and -"
        )
    return (runs or Path.cwd() / RUNS).absolute() / f"fuzz-{name}"


@contextmanager
def leading(folder: Path) -> Iterator[None]:
    """Be the one process that leads the campaign. Raises UsageProblem if another one does."""
    path = folder / LOCK
    try:
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be written: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageProblem(
                f"the campaign in {folder} is running: process {_leader(path)}",
                remedy="testbed fuzz stop ends it",
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def is_led(folder: Path) -> bool:
    """Whether a process leads the campaign now."""
    try:
        with (folder / LOCK).open(encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def ask_to_stop(folder: Path) -> None:
    """Have its leader end after the runs under way. Raises UsageProblem if it has none."""
    if not is_led(folder):
        raise UsageProblem(f"the campaign in {folder} is not running")
    try:
        (folder / STOP).touch()
    except OSError as error:
        raise EnvironmentProblem(f"{folder / STOP} cannot be made: {error.strerror}") from error


def _leader(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "?"
    except OSError:
        return "?"


def export_corpus(store: Reader, out: Path) -> int:
    """Write the schedules in use into folder ``out``, each as a file named by its hash; how many.

    Raises EnvironmentProblem, UsageProblem.
    """
    head = {"format": FORMAT, "kernel": store.facts().get("release", "")}
    names = [row.schedule for row in store.corpus()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            (out / f"{name}.json").write_text(store.schedule(name).text + "\n", encoding="utf-8")
        (out / HEAD).write_text(json.dumps(head) + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{out} cannot be written: {error.strerror}") from error
    return len(names)


def read_corpus(place: Path) -> list[Schedule]:
    """Schedules of a folder that :func:`export_corpus` wrote, by name. Raises UsageProblem."""
    head = place / HEAD
    try:
        found = json.loads(head.read_text(encoding="utf-8"))
        version = found["format"]
    except FileNotFoundError as error:
        raise UsageProblem(
            f"{place} is no corpus: it has no {HEAD}",
            remedy="testbed fuzz corpus export writes one",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageProblem(f"{head} cannot be read: {error}") from error
    if version != FORMAT:
        raise UsageProblem(
            f"{place} is a corpus of format {version!r:.20}, this testbed reads format {FORMAT}"
        )
    return [read_schedule(path) for path in sorted(place.glob("*.json")) if path.name != HEAD]


def schedule_named(given: str, folder: Path) -> Schedule:
    """The schedule of a file, or of the campaign in ``folder``, by its name or the beginning of
    it. Raises UsageProblem, ConfigProblem."""
    path = Path(given)
    if path.suffix == ".json" or path.is_file():
        return read_schedule(path)
    with Reader.of(folder) as store:
        row = store.schedule(given)
    return read_text(row.text, f"schedule {row.name}")
