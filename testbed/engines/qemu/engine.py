# SPDX-License-Identifier: GPL-2.0-only
"""QEMU: an emulated PC, with Debian's kernels or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.artifacts.source_kernels import KernelRequest
from testbed.engines.engine import Engine
from testbed.engines.qemu.session import QemuSession
from testbed.errors import UsageProblem
from testbed.options import Accel, RunOptions, Switch

PATCHED_FLAVOUR = "x86"
"""Of a kernel with patches: its only extra is DMA_API_DEBUG."""


def _prepare(options: RunOptions, report: Callable[[str], None]) -> tuple[RunOptions, Prepared]:
    artifacts = Artifacts(report=report, modules=options.modules)
    prepared = artifacts.prepare(options.kernel)
    layers = artifacts.layers(options.packages, options.root)
    prepared = replace(
        prepared, layers=layers, provenance={**prepared.provenance, **layers.provenance}
    )  # fmt: skip
    verdict = artifacts.probe_accelerator(options.accel.value)
    return replace(options.with_seed(), accel=Accel(verdict.accelerator)), prepared


def _with_patches(_options: RunOptions, prepared: Prepared, patches: Sequence[Path]) -> Prepared:
    built = Artifacts().prepare_built(KernelRequest(PATCHED_FLAVOUR, patches=patches))
    provenance = {**prepared.provenance, "kernel": built.provenance["kernel"]}
    return replace(prepared, kernel=built.kernel, provenance=provenance)


def _refuse(options: RunOptions) -> None:
    if options.icount and options.accel is Accel.KVM:
        raise UsageProblem(
            "instruction counting needs --accel tcg", remedy="drop --accel kvm or --icount"
        )
    if options.swiotlb is Switch.ON and options.iommu is Switch.ON:
        raise UsageProblem("with an IOMMU no DMA bounces", remedy="drop --swiotlb on or --iommu on")


ENGINE = Engine(
    name="qemu", prepare=_prepare, session=QemuSession, with_patches=_with_patches, refuse=_refuse
)
