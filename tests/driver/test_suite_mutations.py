# SPDX-License-Identifier: GPL-2.0-only
"""Each mutation of the kernel is caught by the tests of the suite that say so, and by each of them.

A kernel is built for each, so CI does a sample; ``--all-mutations`` does all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from testbed.engines.open import engine_named
from tests.kernel_mutations.mutation import Mutation
from tests.kernel_mutations.table import MUTATIONS

ROOT = Path(__file__).parents[2]
SEED = 1
BUILD_AND_RUN_TIMEOUT_S = 3600
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def engine_options(mutation: Mutation) -> list[str]:
    """Where the suite runs: simulated time, or QEMU with its mappings on view."""
    if engine_named(mutation.engine).flavours:
        return [f"--testbed-engine={mutation.engine}", f"--testbed-flavour={mutation.flavour}"]
    return ["--testbed-iommu=on"]


def outcomes(
    mutation: Mutation, patches: Sequence[Path], node_ids: Sequence[str], folder: Path
) -> tuple[Mapping[str, str], str]:
    """Outcome of each test in a fresh run of the suite, and what the run printed."""
    report = folder / "junit.xml"
    words = [sys.executable, "-m", "pytest", "-p", "tests.kernel_mutations.plugin", "-q"]
    words += [f"--kernel-patch={patch}" for patch in patches]
    words += [f"--junitxml={report}", f"--testbed-run-dir={folder}", f"--testbed-seed={SEED}"]
    words += ["-o", "junit_family=xunit1", *engine_options(mutation), *node_ids]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_AND_RUN_TIMEOUT_S,
        check=False,
    )
    said = done.stdout[-6000:] + done.stderr[-2000:]
    if not report.exists():
        pytest.fail(f"the suite did not run:\n{said}")
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        node = f"{case.get('file')}::{case.get('name')}"
        outcome = PASSED
        if case.find("skipped") is not None:
            outcome = SKIPPED
        if case.find("failure") is not None or case.find("error") is not None:
            outcome = FAILED
        found[node] = FAILED if FAILED in (outcome, found.get(node)) else outcome
    return found, said


@pytest.fixture(scope="session")
def chosen(request: pytest.FixtureRequest) -> list[Mutation]:
    """The mutations of this run."""
    everything = request.config.getoption("all_mutations")
    given = [
        cast(Mutation, item.callspec.params["mutation"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_mutation_is_caught"
    ]
    return [one for one in given if one.in_sample or everything]


@pytest.fixture(scope="session")
def unmutated(
    chosen: list[Mutation], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mutation], Mapping[str, str]]:
    """Outcome of all tests that a run names, without mutation: one run for each kind of kernel."""
    known: dict[tuple[object, ...], Mapping[str, str]] = {}

    def ask(mutation: Mutation) -> Mapping[str, str]:
        kind = (mutation.engine, mutation.flavour, *mutation.on_top_of)
        if kind not in known:
            alike = [one for one in chosen if (one.engine, one.flavour, *one.on_top_of) == kind]
            nodes = sorted({node for one in alike for node in one.node_ids})
            folder = tmp_path_factory.mktemp("unmutated")
            known[kind], _said = outcomes(mutation, mutation.on_top_of, nodes, folder)
        return known[kind]

    return ask


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.feature}-{one.name}")
def test_mutation_is_caught(
    mutation: Mutation,
    unmutated: Callable[[Mutation], Mapping[str, str]],
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    if not mutation.in_sample and not pytestconfig.getoption("all_mutations"):
        pytest.skip("not in the sample; --all-mutations builds a kernel for every mutation")
    patches = [*mutation.on_top_of, mutation.patch]
    mutated, said = outcomes(mutation, patches, mutation.node_ids, tmp_path)
    assert mutated == dict.fromkeys(mutation.node_ids, FAILED), said
    without = unmutated(mutation)
    assert {node: without.get(node) for node in mutation.node_ids} == dict.fromkeys(
        mutation.node_ids, PASSED
    )
