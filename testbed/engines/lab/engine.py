# SPDX-License-Identifier: GPL-2.0-only
"""A lab: machines that exist, with a card that is no model, over SSH; docs/lab.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from testbed.engines.engine import Engine
from testbed.engines.lab.session import LabPrepared, LabSession, prepare_lab
from testbed.errors import UsageProblem
from testbed.options import RunOptions


class LabEngine(Engine[LabPrepared]):
    """A machine of somebody's, left as it was found."""

    name = "lab"
    summary = "a machine with a real card, over SSH"
    lacks = ("coverage",)
    owns_machine = False

    def check(self, options: RunOptions) -> None:
        """Raise UsageProblem without a lab.toml."""
        if options.lab is None:
            raise UsageProblem("a lab is a file and its engine", remedy="give --lab lab.toml")
        super().check(options)

    def prepare(
        self, options: RunOptions, report: Callable[[str], None]
    ) -> tuple[RunOptions, LabPrepared]:
        """See :func:`testbed.engines.lab.session.prepare_lab`."""
        return prepare_lab(options, report)

    def session(
        self,
        options: RunOptions,
        run_dir: Path,
        prepared: LabPrepared,
        console: Console | None = None,
    ) -> LabSession:
        """A session with what :meth:`prepare` returned, not yet entered."""
        return LabSession(options, run_dir, prepared, console)


ENGINE = LabEngine()
