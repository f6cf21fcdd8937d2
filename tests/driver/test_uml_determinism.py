# SPDX-License-Identifier: GPL-2.0-only
"""One seed is one run: of suite tests, in another place, on another day."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.prepare import UmlPrepared
from testbed.options import RunOptions
from testbed.repeat.recorded import FILE, find, inputs_of
from testbed.repeat.repeat import one_run
from testbed.workloads.table import SCENARIOS
from tests.driver.conftest import ROOT

SEED = 1
MEMORY_MIB = 512
PACKAGES = ("devmodel", "docs", "images", "kernels", "testbed")
SAMPLE = (
    "tests/suite/zcrx/test_receive.py",
    "tests/suite/rings/test_restart.py",
    "tests/suite/link/test_link.py",
)


@pytest.fixture(scope="module")
def prepared() -> tuple[RunOptions, UmlPrepared]:
    options = RunOptions(engine="uml", cpus=1, seed=SEED, memory_mib=MEMORY_MIB)
    return UML.prepare(options, lambda _text: None)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_run_is_that_of_another_day(
    prepared: tuple[RunOptions, UmlPrepared], tmp_path: Path, name: str
) -> None:
    options, artefacts = prepared
    record = find(name, inputs_of(options, artefacts))
    if record is None:
        pytest.skip(f"{FILE.name} is of other inputs or another host: testbed repeat --record")
    assert one_run(options, artefacts, name, tmp_path) == record.event_hash


def test_run_in_another_clone_is_the_same(
    prepared: tuple[RunOptions, UmlPrepared], tmp_path: Path
) -> None:
    options, artefacts = prepared
    clone = tmp_path / "another clone"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, clone / package, symlinks=True)
    done = subprocess.run(
        [sys.executable, "-m", "testbed", "repeat", "ping", "--runs", "1", "--seed", str(SEED)],
        cwd=clone, env={**os.environ, "PYTHONPATH": str(clone)}, capture_output=True, text=True,
        check=True, timeout=300,
    )  # fmt: skip
    found = re.search(r"1 x ([0-9a-f]{64})$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    assert found[1] == one_run(options, artefacts, "ping", tmp_path)


def suite_event_hash(folder: Path) -> str:
    """Run SAMPLE in a process of its own, once; the hash of its guest's events."""
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SAMPLE,
        "--testbed-engine=uml", f"--testbed-seed={SEED}", f"--testbed-run-dir={folder}",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-4000:]
    found = json.loads((folder / "latest" / "summary.json").read_text())["event_hash"]
    assert isinstance(found, str)
    return found


def test_suite_run_twice_is_one_run(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    first, second = map(suite_event_hash, folders)
    assert first == second
