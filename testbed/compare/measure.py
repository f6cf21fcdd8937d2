# SPDX-License-Identifier: GPL-2.0-only
"""Measures variants: one guest per kernel, one program per variant, one window per run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console

from images.plugin import counter_plugin
from testbed.artifacts import Artifacts
from testbed.compare.results import Measurement, Run, functions_of
from testbed.compare.session import SOURCE_MAC, SOURCE_V4, CountingSession, counting_options
from testbed.compare.symbols import Symbols
from testbed.compare.variants import PROGRAM_METHODS, MeasurementPlan, Method, Variant, labels
from testbed.dut.huge_pages import HUGE_PAGE_BYTES
from testbed.dut.programs import program
from testbed.errors import GuestCommandFailed

SETUP = Path(__file__).with_name("setup.sh")
LOCAL_PORT, SOURCE_PORT = 40000, 5001
QUEUE = 3
APP_CPU = 0
AREA_BYTES = 64 << 20
RUN_TIMEOUT_S = 600.0
_SYMBOLS = "grep -v ' [^tTwW] \\|__pfx_' /proc/kallsyms"


def measure(
    variants: Sequence[Variant], plan: MeasurementPlan, run_dir: Path,
    report: Callable[[str], None], console: Console | None = None,
) -> list[Measurement]:  # fmt: skip
    """Measure every variant, in the given order.

    A guest serves all variants of its kernel, one after the other. Raises UsageProblem,
    EnvironmentProblem, GuestCommandFailed, LostVM, ModelFailure.
    """
    for variant in variants:
        variant.stream_bytes(plan)
    names = labels(variants)
    found: dict[Variant, Measurement] = {}
    by_kernel = sorted(dict.fromkeys(variants), key=lambda variant: variant.kernel or "")
    for kernel, members in groupby(by_kernel, key=lambda variant: variant.kernel):
        group = list(members)
        for boot in range(plan.boots):
            folder = run_dir / f"{(kernel or 'default').replace('/', '_')}-{boot + 1}"
            folder.mkdir()
            for variant, now in _one_guest(kernel, group, plan, folder, report, console):
                before = found[variant].runs if variant in found else []
                found[variant] = Measurement(names[variant], now.kernel, [*before, *now.runs])
    return [found[variant] for variant in variants]


def _one_guest(
    kernel: str | None, variants: Sequence[Variant], plan: MeasurementPlan, folder: Path,
    report: Callable[[str], None], console: Console | None,
) -> list[tuple[Variant, Measurement]]:  # fmt: skip
    artifacts = Artifacts(report=report)
    prepared = artifacts.prepare(kernel)
    plugin = counter_plugin(artifacts.store, lambda: artifacts.build_root, artifacts.build_packages)
    options = counting_options(kernel, plan.seed)
    with CountingSession(options, folder, prepared, plugin, console) as session:
        symbols = Symbols(session.dut.run(["sh", "-c", _SYMBOLS]).text)
        measured = []
        for variant in variants:
            runs = _runs(session, variant, plan, symbols)
            release = session.kernel_release
            measured.append((variant, Measurement(variant.label, release, runs)))
            report(f"{variant.label}: {measured[-1][1].cost.median:.1f} instructions per KiB")
        return measured


def _runs(
    session: CountingSession, variant: Variant, plan: MeasurementPlan, symbols: Symbols
) -> list[Run]:
    stream_bytes = variant.stream_bytes(plan)
    huge = variant.method is Method.ZCRX and variant.buf > Variant.buf
    session.dut.run(
        [
            "sh", "-s", str(variant.mtu), "on" if variant.gro == "hw" else "off",
            str(APP_CPU if variant.vcpu == "same" else APP_CPU + 1), SOURCE_MAC, SOURCE_V4,
            str(LOCAL_PORT), str(AREA_BYTES // HUGE_PAGE_BYTES if huge else 0),
        ],
        input=SETUP.read_bytes(),
    )  # fmt: skip
    argv = [
        program("receive_cost"), PROGRAM_METHODS[variant.method], SOURCE_V4, str(SOURCE_PORT),
        "--from", str(LOCAL_PORT), "--bytes", str(stream_bytes), "--runs", str(plan.runs),
        "--cpu", str(APP_CPU), "--ifname", session.dut.netdev, "--queue", str(QUEUE),
        "--area", str(AREA_BYTES), *(["--rx-buf-len", str(variant.buf)] if huge else []),
    ]  # fmt: skip
    result, windows = session.count(argv, plan.runs, RUN_TIMEOUT_S)
    wire = session.card.state()["wire"]
    if wire.get("source_repeats"):
        raise GuestCommandFailed(f"{variant.label}: the card lost packets, so the counts are void")
    load = os.getloadavg()[0]
    packets = -(-stream_bytes // variant.payload_bytes)
    return [
        Run(run["bytes"], packets, run["calls"], run["copied"], run["seconds"], load,
            functions_of(window, symbols))
        for run, window in zip(result["runs"], windows, strict=True)
    ]  # fmt: skip
