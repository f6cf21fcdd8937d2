# SPDX-License-Identifier: GPL-2.0-only
"""Each seeded bug of driver, io_uring and page_pool is caught by the oracle and named correctly.

A kernel is built for each, so CI does a sample; ``--all-bugs`` does all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.engines.engine import Prepared
from testbed.engines.open import engine_of, new_session, prepare_run
from testbed.engines.qemu.engine import PATCHED_FLAVOUR as X86
from testbed.findings.judge import Findings
from testbed.options import RunOptions, Switch
from tests.kernel_bugs.table import BUGS, Bug
from tests.kernel_bugs.workload import PHASES, Life, live

SEED = 1
Made = tuple[RunOptions, Prepared]


OPTIONS = {
    "uml": RunOptions(engine="uml", seed=SEED, memory_mib=512),
    "qemu": RunOptions(
        engine="qemu", seed=SEED, memory_mib=1024, kernel=X86, iommu=Switch.ON, cpus=1
    ),
}
"""A guest that is quick, or one whose mappings the card sees."""


@pytest.fixture(scope="session")
def unpatched() -> dict[str, Made]:
    """Artefacts with the kernels as they are, made as they are asked for."""
    return {}


def artefacts(made: dict[str, Made], engine: str, patches: list[Path]) -> Made:
    """The artefacts of a run, with another kernel if there are patches."""
    if engine not in made:
        made[engine] = prepare_run(OPTIONS[engine], lambda _text: None)
    options, prepared = made[engine]
    if patches:
        prepared = engine_of(options).with_patches(options, prepared, patches)
    return options, prepared


def lived(run: Made, folder: Path, phases: Sequence[str] = tuple(PHASES)) -> Life:
    """A whole life in a fresh guest."""
    options, prepared = run
    with new_session(options, folder, prepared) as session:
        return live(session, phases)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_is_caught_and_named(
    bug: Bug,
    unpatched: dict[str, Made],
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    if not bug.in_sample and not pytestconfig.getoption("all_bugs"):
        pytest.skip("not in the sample; --all-bugs builds a kernel for every seeded bug")
    life = lived(artefacts(unpatched, bug.engine, [bug.patch]), tmp_path, bug.phases)
    assert set(bug.rules) <= life.rules.keys(), life
    assert life.rules.keys() <= {*bug.rules, *bug.consequences}, life
    assert life.culprits <= {"driver"}, life


@pytest.mark.parametrize("engine", [*OPTIONS])
def test_the_same_life_without_a_bug(
    engine: str,
    unpatched: dict[str, Made],
    findings_on_file: Findings,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    if OPTIONS[engine].kernel == X86 and not pytestconfig.getoption("all_bugs"):
        pytest.skip(f"--all-bugs builds the {X86} kernel for it")
    options, prepared = artefacts(unpatched, engine, [])
    life = lived((options, prepared), tmp_path)
    assert life.rules == {}
    assert not findings_on_file.sort(life.complaints, prepared.kernel.release).unknown
