# SPDX-License-Identifier: GPL-2.0-only
"""Each seeded bug is caught by what its row names: oracle, sanitizer, tests of the suite.

A kernel is built for each, so CI does a sample, and a part that changes with the day
(``--seeded-part``); ``--all-seeded`` does all of them. What is not tried is deselected.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from testbed.engines.engine import Prepared
from testbed.engines.open import engine_named, engine_of, new_session, prepare_run
from testbed.engines.qemu.engine import PATCHED_FLAVOUR
from testbed.engines.uml.flavours import REAL_TIME
from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.splat_report import reports
from testbed.options import RunOptions, Switch
from testbed.plugin.watch import FINDING
from tests.seeded.choice import TRIED
from tests.seeded.play import Observed, play
from tests.seeded.record import ORDINARY, Oracle, Sanitizer, Seeded, SuiteTests
from tests.seeded.sanitizers.table import SANITIZERS

ROOT = Path(__file__).parents[2]
SEED = 1
BUILD_AND_RUN_TIMEOUT_S = 3600
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
ALL_SWITCHED = [bug.patch for bug in SANITIZERS]

Run = tuple[RunOptions, Prepared]
Prepare = Callable[[str, str, Sequence[Path]], Run]


def run_options(engine: str, flavour: str) -> RunOptions:
    """A guest that is quick, or one whose mappings the card sees."""
    if engine_named(engine).flavours:
        return RunOptions(engine=engine, flavour=flavour, cpus=1, seed=SEED, memory_mib=512)
    return RunOptions(
        engine=engine, seed=SEED, memory_mib=1024, kernel=PATCHED_FLAVOUR, iommu=Switch.ON, cpus=1
    )


@pytest.fixture(scope="session")
def prepare() -> Prepare:
    """Artefacts of an engine and flavour, with the kernel as it is or with patches."""
    unpatched: dict[tuple[str, str], Run] = {}

    def with_kernel(engine: str, flavour: str, patches: Sequence[Path]) -> Run:
        if (engine, flavour) not in unpatched:
            options = run_options(engine, flavour)
            unpatched[engine, flavour] = prepare_run(options, lambda _text: None)
        options, prepared = unpatched[engine, flavour]
        return options, engine_of(options).patched(options, prepared, patches)

    return with_kernel


def observe(run: Run, folder: Path, workloads: Sequence[str], parameter: str = "") -> Observed:
    """The workloads in a fresh guest."""
    options, prepared = run
    with new_session(options, folder, prepared) as session:
        observed = play(session, workloads, parameter)
    return replace(observed, complaints=tuple(session.kernel_log.events))  # its end as well


def require_verdicts(expected: Oracle, observed: Observed) -> None:
    assert set(expected.rules) <= observed.rules.keys(), observed
    assert observed.rules.keys() <= {*expected.rules, *expected.consequences}, observed
    assert observed.culprits <= {"driver"}, observed


def outcomes(
    bug: Seeded, patches: Sequence[Path], node_ids: Sequence[str], folder: Path
) -> tuple[Mapping[str, str], str]:
    """Outcome of each test in a fresh run of the suite, and what the run printed."""
    report = folder / "junit.xml"
    words = [sys.executable, "-m", "pytest", "-p", "tests.seeded.plugin", "-q"]
    words += [f"--kernel-patch={patch}" for patch in patches]
    words += [f"--junitxml={report}", f"--testbed-run-dir={folder}", f"--testbed-seed={SEED}"]
    if engine_named(bug.engine).flavours:
        words += [f"--testbed-engine={bug.engine}", f"--testbed-flavour={bug.flavour}"]
        words += ["--testbed-cpus=2"] if bug.flavour in REAL_TIME else []
    else:
        words += ["--testbed-swiotlb=on" if bug.bounces else "--testbed-iommu=on"]
    done = subprocess.run(
        [*words, "-o", "junit_family=xunit1", *node_ids], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=BUILD_AND_RUN_TIMEOUT_S, check=False,
    )  # fmt: skip
    printed = done.stdout[-6000:] + done.stderr[-2000:]
    if not report.exists():
        pytest.fail(f"the suite did not run:\n{printed}")
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        node = f"{case.get('file')}::{case.get('name')}"
        outcome = PASSED
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("type") != FINDING:
            outcome = SKIPPED
        if case.find("failure") is not None or case.find("error") is not None:
            outcome = FAILED
        found[node] = FAILED if FAILED in (outcome, found.get(node)) else outcome
    return found, printed


@pytest.fixture(scope="session")
def without_bug(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Seeded], Mapping[str, str]]:
    """Outcome of all tests that a run names, without bugs: one run for each kind of kernel."""
    bugs = [
        cast(Seeded, item.callspec.params["bug"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_bug_is_caught"
    ]
    known: dict[tuple[object, ...], Mapping[str, str]] = {}

    def run_once(bug: Seeded) -> Mapping[str, str]:
        kind = bug.kind
        if kind not in known:
            alike = [one for one in bugs if one.kind == kind]
            nodes = sorted({node for one in alike for node in one.node_ids})
            folder = tmp_path_factory.mktemp("without-bug")
            known[kind], _printed = outcomes(bug, bug.on_top_of, nodes, folder)
        return known[kind]

    return run_once


@pytest.mark.parametrize("bug", TRIED, ids=str)
def test_bug_is_caught(
    bug: Seeded, prepare: Prepare, without_bug: Callable[[Seeded], Mapping[str, str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    match bug.caught_by:
        case Oracle() as expected:
            run = prepare(bug.engine, bug.flavour, [*bug.on_top_of, bug.patch])
            require_verdicts(expected, observe(run, tmp_path, expected.workloads))
        case Sanitizer() as expected:
            run = prepare(bug.engine, bug.flavour, ALL_SWITCHED)
            observed = observe(run, tmp_path, expected.workloads, f"bug_{bug.name}")
            assert expected.signature in {
                report.signature for report in reports(observed.complaints)
            }
        case SuiteTests():
            patches = [*bug.on_top_of, bug.patch]
            found, printed = outcomes(bug, patches, bug.node_ids, tmp_path)
            assert found == dict.fromkeys(bug.node_ids, FAILED), printed
            clean = without_bug(bug)
            assert {node: clean.get(node) for node in bug.node_ids} == dict.fromkeys(
                bug.node_ids, PASSED
            )


@pytest.mark.parametrize("engine", ["qemu", "uml"])
def test_same_workloads_without_a_bug(
    engine: str, prepare: Prepare, findings_on_file: Findings, tmp_path: Path
) -> None:
    options, prepared = prepare(engine, "uml", [])
    observed = observe((options, prepared), tmp_path, ORDINARY)
    assert not observed.failures
    assert observed.rules == {}
    assert not findings_on_file.sort(
        observed.complaints, GuestKernel.of(prepared.kernel.release)
    ).unknown


def test_sanitizers_say_nothing_until_a_bug_is_switched_on(
    prepare: Prepare, tmp_path: Path
) -> None:
    run = prepare("uml", "uml-san", ALL_SWITCHED)
    observed = observe(run, tmp_path, ["ping"])
    assert observed.complaints == ()
    assert not observed.failures
