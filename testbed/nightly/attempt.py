# SPDX-License-Identifier: GPL-2.0-only
"""One attempt at a cell: its kernel is had, the command runs, what it left is read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import tomli_w

from kernels.git import export_branch, git_description
from testbed.artifacts.translated import translated
from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.host.child import Ended, run_python
from testbed.nightly.cell import Cell, KernelSource
from testbed.nightly.plan import Step
from testbed.nightly.reading import Attempt, read_attempt
from testbed.nightly.work import (
    CAMPAIGNS,
    build_words,
    campaign_of,
    command,
    result_folder,
)
from testbed.options import CONFIG_NAME, SECTION
from testbed.report.provenance import repository_commit
from testbed.report.rundir import LATEST

OUTPUT = "output.log"
"""In the folder of an attempt: what its process printed."""

RUN = "run"
"""In the folder of an attempt: where the run directory goes."""

BUILD_LIMIT_S = 4 * 3600.0
PAGE_LIMIT_S = 600.0
CAMPAIGN_PAGE = "campaign"

Run = Callable[..., Ended]


def attempt(
    step: Step, folder: Path, state: Path, limit_s: float, run: Run = run_python
) -> Attempt:
    """Do ``step`` in ``folder``, which is made anew. ``state`` is the folder of the nightly.

    Raises EnvironmentProblem if nothing can be started or written, Interrupted.
    """
    cell, began = step.cell, time.monotonic()
    _make(folder, cell)
    try:
        kernel = cell.source.given or _built(cell, folder, run)
    except _NotBuilt as problem:
        return Attempt(
            verdict="does not build", reason=str(problem), reached=False,
            seconds=time.monotonic() - began,
        )  # fmt: skip
    runs = folder / RUN
    words = command(cell, kernel, step.only, runs, state)
    ended = run(words, folder / OUTPUT, limit_s, folder=folder)
    place = result_folder(cell, runs, state)
    if cell.kind == "fuzz":
        _keep_campaign(cell, place, runs, state, run)
    took = time.monotonic() - began
    found = read_attempt(cell, runs / LATEST, reason=ended.reason, seconds=took)
    return replace(
        found, source=made_of(cell.source) or found.source,
        commit=found.commit or repository_commit() or "",
    )  # fmt: skip


def made_of(source: KernelSource) -> str:
    """Commit and patches, for people; nothing where a version says it all."""
    tree = source.tree or source.given
    commit = git_description(Path(tree), source.branch) if Path(tree).is_dir() else None
    parts = [source.branch, commit, *(Path(one).name for one in source.series)]
    return " + ".join(filter(None, parts))


class _NotBuilt(Exception):
    """The kernel cannot be had; the message says why."""


def _make(folder: Path, cell: Cell) -> None:
    """Empty but for the card of the cell. The user's own testbed.toml is not looked at."""
    table = {"card_options": dict(cell.card_options)} if cell.card_options else {}
    try:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / RUN).mkdir(parents=True)
        (folder / CONFIG_NAME).write_text(tomli_w.dumps({SECTION: table}), encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be made: {error.strerror}") from error


def _built(cell: Cell, folder: Path, run: Run) -> str:
    """The path of the image, which the last line of the build says."""
    source, tarball = cell.source, None
    if source.branch:
        tarball = folder / "source" / f"linux-{cell.kernel}.tar"
        try:
            with translated():
                export_branch(Path(source.tree), source.branch, tarball)
        except (EnvironmentProblem, UsageProblem) as problem:
            raise _NotBuilt(problem.message) from problem
    ended = run(build_words(cell, tarball), folder / "build.log", BUILD_LIMIT_S, folder=folder)
    if tarball is not None:
        tarball.unlink(missing_ok=True)
    if ended.returncode != 0:
        raise _NotBuilt(ended.reason)
    return ended.last_line


def _keep_campaign(cell: Cell, place: Path, runs: Path, state: Path, run: Run) -> None:
    """A campaign is gone on with the next night: what is said of it now is copied."""
    kept = runs / LATEST
    kept.mkdir(exist_ok=True)
    for path in place.glob("*"):
        if path.suffix in (".json", ".html", ".xml", ".ktap", ".log") and path.is_file():
            shutil.copy(path, kept)
    (kept / "key.json").unlink(missing_ok=True)
    words = ["-m", "testbed", "fuzz", "page", "--name", campaign_of(cell)]
    words += ["--out", str(kept / CAMPAIGN_PAGE), "--run-dir", str(state / CAMPAIGNS)]
    run(words, runs.parent / "page.log", PAGE_LIMIT_S, folder=runs.parent)
