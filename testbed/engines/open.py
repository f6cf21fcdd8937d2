# SPDX-License-Identifier: GPL-2.0-only
"""The engines behind one door: whoever needs a machine comes through here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from images.jail.start import choose, mode
from testbed.card.personality import check_card_options, with_personality
from testbed.engines.engine import Engine, Prepared
from testbed.engines.session import Session
from testbed.options import ENGINES, Jail, RunOptions, merge_options


def engine_named(name: str) -> Engine[Any]:
    """The engine of that name, one of ENGINES; its modules are loaded at first use."""
    engine: Engine[Any] = importlib.import_module(ENGINES[name]).ENGINE
    return engine


def engine_of(options: RunOptions) -> Engine[Any]:
    """The engine a run has been given."""
    return engine_named(options.engine)


def build_options(given: Mapping[str, Any], *, start: Path | None = None) -> RunOptions:
    """Merge ``given`` (command line; None = not given) over the nearest ``testbed.toml``.

    From now on all jails of this process are of the mode that is asked for (TESTBED_JAIL, if no
    option does). Raises ConfigProblem or UsageProblem, also for what does not go with the engine.
    """
    merged = with_personality(merge_options(given, check_card_options, start=start))
    merged.setdefault("jail", Jail(mode()))
    choose(merged["jail"])
    plain = RunOptions(**merged)
    engine = engine_of(plain)
    options = RunOptions(**{**engine.defaults, **merged})
    engine.check(options)
    return options


def prepare_run(options: RunOptions, report: Callable[[str], None]) -> tuple[RunOptions, Prepared]:
    """Have all artefacts of a run with its engine, and its seed drawn.

    Raises UsageProblem, EnvironmentProblem.
    """
    engine = engine_of(options)
    engine.check(options)
    made: tuple[RunOptions, Prepared] = engine.prepare(options, report)
    return made


def new_session(
    options: RunOptions, run_dir: Path, prepared: Prepared, console: Console | None = None
) -> Session:
    """A session with what was prepared, not yet entered."""
    return engine_of(options).session(options, run_dir, prepared, console)
