# SPDX-License-Identifier: GPL-2.0-only
"""User Mode Linux: a kernel of its own as a process of the host; docs/uml.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.engines.engine import Engine
from testbed.engines.uml.flavours import NAMES, SIMULATED
from testbed.engines.uml.prepare import UmlPrepared, prepare_uml
from testbed.engines.uml.session import UmlSession
from testbed.errors import UsageProblem
from testbed.options import RunOptions


class UmlEngine(Engine[UmlPrepared]):
    """Kernels built from source; all but those with SMP run in simulated time on one CPU."""

    name = "uml"
    summary = "a kernel as a process of this host, in simulated time"
    lacks = ("lab", "iommu", "icount", "share", "nic", "accel")
    defaults = {"cpus": 1}  # noqa: RUF012 - declared as a ClassVar of a Mapping
    flavours = NAMES
    can_restart = True
    short_runs = True

    def check(self, options: RunOptions) -> None:
        """Raise UsageProblem for a flavour or options that UML does not have."""
        if options.flavour not in self.flavours:
            raise UsageProblem(
                f"flavour {options.flavour!r} is no UML kernel",
                remedy=f"allowed: {', '.join(self.flavours)}",
            )
        super().check(options)

    def prepare(
        self, options: RunOptions, report: Callable[[str], None]
    ) -> tuple[RunOptions, UmlPrepared]:
        """See :func:`testbed.engines.uml.prepare.prepare_uml`."""
        return prepare_uml(options, report)

    def session(
        self,
        options: RunOptions,
        run_dir: Path,
        prepared: UmlPrepared,
        console: Console | None = None,
    ) -> UmlSession:
        """A session with what :meth:`prepare` returned, not yet entered."""
        return UmlSession(options, run_dir, prepared, console)

    def with_patches(
        self, options: RunOptions, prepared: UmlPrepared, patches: Sequence[Path]
    ) -> UmlPrepared:
        """The same with the flavour's kernel patched. Raises UsageProblem, EnvironmentProblem."""
        kernel = SourceKernels().build(KernelRequest(options.flavour, patches=patches))
        return replace(prepared, kernel=kernel)

    def simulated_time(self, options: RunOptions) -> bool:
        """As the flavour has it."""
        return options.flavour in SIMULATED


ENGINE = UmlEngine()
