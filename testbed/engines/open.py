# SPDX-License-Identifier: GPL-2.0-only
"""The engines behind one door: whoever needs a machine comes through here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from testbed.artifacts.prepare import Prepared
from testbed.engines.lab.session import LabPrepared, LabSession, prepare_lab
from testbed.engines.qemu import session as qemu
from testbed.engines.qemu.session import Session
from testbed.engines.uml.prepare import UmlPrepared, prepare_uml
from testbed.engines.uml.session import UmlSession
from testbed.options import Engine, RunOptions

AnyPrepared = Prepared | UmlPrepared | LabPrepared


def prepare_run(
    options: RunOptions, report: Callable[[str], None]
) -> tuple[RunOptions, AnyPrepared]:
    """Have all artefacts of a run with its engine, and its seed drawn.

    Raises UsageProblem, EnvironmentProblem.
    """
    if options.engine is Engine.UML:
        return prepare_uml(options, report)
    if options.engine is Engine.LAB:
        return prepare_lab(options, report)
    return qemu.prepare_run(options, report)


def new_session(
    options: RunOptions, run_dir: Path, prepared: AnyPrepared, console: Console | None = None
) -> Session:
    """A session with what was prepared, not yet entered."""
    if isinstance(prepared, UmlPrepared):
        return UmlSession(options, run_dir, prepared, console)
    if isinstance(prepared, LabPrepared):
        return LabSession(options, run_dir, prepared, console)
    return Session(options, run_dir, prepared, console)
