# SPDX-License-Identifier: GPL-2.0-only
"""Interrupts and kills at any moment: a part of what ``python -P -m tests.kills`` and
``python -P -m tests.kills.steps`` do.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from testbed.host import interrupt, starter
from tests.kills.at_step import DIRECTORY
from tests.kills.commands import UML
from tests.kills.processes import adopt_orphans
from tests.kills.steps import Place, interrupt_at, places
from tests.kills.trial import draw, new_stand, run_trial

STEPS = {("boot", 1), ("zcrx_eight_flows", 10), ("queue_restarts", 1), ("queue_restarts", 10)}
SEED = 13
TRIALS = 3
RUN_S = 4.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name, as sockets need."""
    starter.close()  # ours is no process that a command has left
    adopt_orphans()
    with TemporaryDirectory(prefix="kills-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("place", [one for one in places() if one[:2] in STEPS], ids=str)
def test_uml_step(place: Place, folder: Path) -> None:
    assert interrupt_at(place, "uml", folder) == []


@pytest.mark.parametrize(
    ("job", "engine"),
    [
        (["run"], "uml"),
        (["soak", "--minutes", "0.1"], "uml"),
        (["exec", "true"], "uml"),
        (["repeat", "ping", "--runs", "2"], ""),
        (["faults", "run", "irq-lost"], "uml"),
        (["matrix", "--kernels", "uml:7.2", "--suite", "link"], ""),
    ],
    ids=lambda value: value[0] if value and isinstance(value, list) else "",
)
@pytest.mark.parametrize("number", interrupt.SIGNALS)
def test_when_the_run_directory_is_made(
    job: list[str], engine: str, number: int, folder: Path
) -> None:
    assert interrupt_at((DIRECTORY, 1, number), engine, folder, job) == []


@pytest.mark.parametrize("place", [("channels", 1, signal.SIGTERM)], ids=str)
def test_qemu_step(place: Place, folder: Path) -> None:
    assert interrupt_at(place, "qemu", folder) == []


@pytest.mark.parametrize("number", range(TRIALS))
def test_kill_at_a_random_moment(number: int, folder: Path) -> None:
    command = UML[0]
    trial = draw(number, command, Random(f"{SEED}/{number}"), RUN_S)
    run_trial(trial, command, new_stand(folder, number))
    assert trial.wrong == [], trial
