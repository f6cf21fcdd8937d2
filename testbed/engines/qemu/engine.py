# SPDX-License-Identifier: GPL-2.0-only
"""QEMU: an emulated PC, with Debian's kernels or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.artifacts.source_kernels import KernelRequest
from testbed.engines.engine import Engine
from testbed.engines.qemu.session import QemuSession
from testbed.errors import UsageProblem
from testbed.options import Accel, RunOptions
from testbed.report.results import RunReport

PATCHED_FLAVOUR = "x86"
"""Of a kernel with patches: its only extra is DMA_API_DEBUG."""


class QemuEngine(Engine[Prepared]):
    """An emulated PC whose NIC under test is the card behind vfio-user, or one of QEMU's own."""

    name = "qemu"
    summary = "an emulated PC"

    def check(self, options: RunOptions) -> None:
        """Raise UsageProblem for options that do not go with QEMU, or not with each other."""
        super().check(options)
        if options.icount and options.accel is Accel.KVM:
            raise UsageProblem(
                "instruction counting needs --accel tcg", remedy="drop --accel kvm or --icount"
            )

    def prepare(
        self, options: RunOptions, report: Callable[[str], None]
    ) -> tuple[RunOptions, Prepared]:
        """Have all artefacts of a run, its accelerator settled and its seed drawn.

        Raises UsageProblem, EnvironmentProblem.
        """
        artifacts = Artifacts(report=report)
        prepared = artifacts.prepare(options.kernel)
        verdict = artifacts.probe_accelerator(options.accel.value)
        return replace(options.with_seed(), accel=Accel(verdict.accelerator)), prepared

    def session(
        self,
        options: RunOptions,
        run_dir: Path,
        prepared: Prepared,
        console: Console | None = None,
    ) -> QemuSession:
        """A session with what :meth:`prepare` returned, not yet entered."""
        return QemuSession(options, run_dir, prepared, console)

    def with_patches(
        self, options: RunOptions, prepared: Prepared, patches: Sequence[Path]
    ) -> Prepared:
        """The same with a kernel of PATCHED_FLAVOUR. Raises UsageProblem, EnvironmentProblem."""
        built = Artifacts().prepare_built(KernelRequest(PATCHED_FLAVOUR, patches=patches))
        return replace(prepared, kernel=built.kernel)

    def describe(self, options: RunOptions, report: RunReport) -> None:
        """Write into ``report`` which machine this was, and what ran its instructions."""
        super().describe(options, report)
        report.accelerator = None if options.accel is Accel.AUTO else options.accel.value


ENGINE = QemuEngine()
