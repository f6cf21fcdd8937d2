# SPDX-License-Identifier: GPL-2.0-only
"""Each seeded bug of driver, io_uring and page_pool is caught by the oracle and named correctly.

A kernel is built for each, so CI does a sample; ``--all-bugs`` does all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.engines.open import AnyPrepared, new_session, prepare_run
from testbed.findings.judge import Findings
from testbed.options import Engine, RunOptions, Switch
from tests.kernel_bugs.patched import X86, with_patches
from tests.kernel_bugs.table import BUGS, Bug
from tests.kernel_bugs.workload import PHASES, Life, live

SEED = 1


def options_of(engine: Engine) -> RunOptions:
    """A guest whose mappings the card sees, or one that is quick."""
    if engine is Engine.UML:
        return RunOptions(engine=engine, seed=SEED, memory_mib=512)
    return RunOptions(
        engine=engine, seed=SEED, memory_mib=1024, kernel=X86, iommu=Switch.ON, cpus=1
    )


@pytest.fixture(scope="session")
def unpatched() -> dict[Engine, tuple[RunOptions, AnyPrepared]]:
    """Artefacts with the kernels as they are, made as they are asked for."""
    return {}


def artefacts(
    made: dict[Engine, tuple[RunOptions, AnyPrepared]], engine: Engine, patches: list[Path]
) -> tuple[RunOptions, AnyPrepared]:
    """The artefacts of a run, with another kernel if there are patches."""
    if engine not in made:
        made[engine] = prepare_run(options_of(engine), lambda _text: None)
    options, prepared = made[engine]
    return options, with_patches(options, prepared, patches)


def lived(
    run: tuple[RunOptions, AnyPrepared], folder: Path, phases: Sequence[str] = tuple(PHASES)
) -> Life:
    """A whole life in a fresh guest."""
    options, prepared = run
    with new_session(options, folder, prepared) as session:
        return live(session, phases)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_is_caught_and_named(
    bug: Bug,
    unpatched: dict[Engine, tuple[RunOptions, AnyPrepared]],
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    if not bug.in_sample and not pytestconfig.getoption("all_bugs"):
        pytest.skip("not in the sample; --all-bugs builds a kernel for every seeded bug")
    life = lived(artefacts(unpatched, bug.engine, [bug.patch]), tmp_path, bug.phases)
    assert set(bug.rules) <= life.rules.keys(), life
    assert life.rules.keys() <= {*bug.rules, *bug.consequences}, life
    assert life.culprits <= {"driver"}, life


@pytest.mark.parametrize("engine", [Engine.QEMU, Engine.UML])
def test_the_same_life_without_a_bug(
    engine: Engine,
    unpatched: dict[Engine, tuple[RunOptions, AnyPrepared]],
    findings_on_file: Findings,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    if engine is Engine.QEMU and not pytestconfig.getoption("all_bugs"):
        pytest.skip(f"--all-bugs builds the {X86} kernel for it")
    options, prepared = artefacts(unpatched, engine, [])
    life = lived((options, prepared), tmp_path)
    assert life.rules == {}
    assert not findings_on_file.sort(life.complaints, prepared.kernel.release).unknown
