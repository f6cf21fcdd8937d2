# SPDX-License-Identifier: GPL-2.0-only
"""The two engines behind one door: whoever starts a guest comes through here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from testbed import session as qemu
from testbed.artifacts.prepare import Prepared
from testbed.options import Engine, RunOptions
from testbed.session import Session
from testbed.uml.prepare import UmlPrepared, prepare_uml
from testbed.uml.session import UmlSession

AnyPrepared = Prepared | UmlPrepared


def prepare_run(
    options: RunOptions, report: Callable[[str], None]
) -> tuple[RunOptions, AnyPrepared]:
    """Have all artefacts of a run with its engine, and its seed drawn.

    Raises UsageProblem, EnvironmentProblem.
    """
    if options.engine is Engine.UML:
        return prepare_uml(options, report)
    return qemu.prepare_run(options, report)


def new_session(
    options: RunOptions, run_dir: Path, prepared: AnyPrepared, console: Console | None = None
) -> Session:
    """A session with what was prepared, not yet entered."""
    if isinstance(prepared, UmlPrepared):
        return UmlSession(options, run_dir, prepared, console)
    return Session(options, run_dir, prepared, console)
