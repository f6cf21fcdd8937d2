# SPDX-License-Identifier: GPL-2.0-only
"""The bugs of the bench: each has a row, a patch that applies, and no other bug's name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from images.buildroot import HOST
from images.store import cache_root
from kernels.patches import ALL_FIXES, load_series
from kernels.patching import PatchOutcome, apply_series
from kernels.source import SOURCES, makefile_version, unpacked
from kernels.version import KernelVersion
from testbed.fuzz.schedule import Schedule, read_schedule
from tests.bug_bench.table import (
    BUGS,
    DOCUMENT,
    HERE,
    KINDS,
    SUBJECT,
    TOGETHER,
    USE,
    BenchBug,
    document,
)
from tests.seeded.record import HERE as SEEDED_HERE

LEAST = 25
LEAST_WITH_A_FAULT = 20
MOST_CHANGED = 24
SETS = sorted(TOGETHER.parent.glob("*.patch"))


def source() -> tuple[Path, KernelVersion]:
    """The kernel that the patches are for, if the cache has it. Skips."""
    for marker in unpacked(cache_root() / SOURCES):
        tree = marker.parent / "source"
        version = makefile_version(tree)
        if version.series == "7.2":
            return tree, version
    pytest.skip("the cache has no source of Linux 7.2: ./tb kernel fetch unpacks it")


def test_there_are_enough() -> None:
    assert len(BUGS) >= LEAST
    assert sum(bug.kind != USE for bug in BUGS) >= LEAST_WITH_A_FAULT
    assert {bug.kind for bug in BUGS} == set(KINDS)


def test_every_patch_has_a_row() -> None:
    assert sorted(bug.patch for bug in BUGS) == sorted(HERE.glob("*.patch"))
    assert {path.stem for path in HERE.glob("*.json")} <= {bug.name for bug in BUGS}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_patch_is_small_and_says_what_it_breaks(bug: BenchBug) -> None:
    (patch,) = load_series(bug.patch).patches
    assert patch.title.startswith(SUBJECT)
    changed = [line for line in patch.diff.splitlines() if re.match(r"[+-](?!\+\+|--)", line)]
    assert 0 < len(changed) <= MOST_CHANGED
    head = bug.patch.read_text(encoding="utf-8").partition("\n--- ")[0]
    assert " Here " in head.replace("\n", " "), "a sentence on what is right, one on what is wrong"


def test_none_is_a_seeded_bug() -> None:
    """Those have scripted tests of their own."""
    seeded = {load_series(path).patches[0].diff for path in SEEDED_HERE.glob("*/*.patch")}
    ours = {load_series(bug.patch).patches[0].diff for bug in BUGS}
    assert len(ours) == len(BUGS)
    assert not ours & seeded


def test_every_patch_applies(tmp_path: Path) -> None:
    tree, version = source()
    for bug in BUGS:
        work = tmp_path / bug.name
        work.mkdir()
        applied = apply_series([load_series(bug.patch)], tree, version, work, HOST)
        assert [one.outcome for one in applied.accounts] == [PatchOutcome.APPLIED], bug.name


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KernelVersion]:
    """With all our fixes: the files that any bench of many bugs changes."""
    tree, version = source()
    work = tmp_path_factory.mktemp("fixes")
    overlay = apply_series([load_series(Path(ALL_FIXES))], tree, version, work, HOST).overlay
    fixed = tmp_path_factory.mktemp("mended")
    for name in {name for path in SETS for one in load_series(path).patches for name in one.files}:
        here = overlay.get(name, tree / name)
        if here is not None and here.exists():
            (fixed / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(here, fixed / name)
    return fixed, version


@pytest.mark.parametrize("patch", SETS, ids=lambda path: path.stem)
def test_all_bugs_together_apply_behind_all_fixes(
    patch: Path, mended: tuple[Path, KernelVersion], tmp_path: Path
) -> None:
    (bugs,) = apply_series([load_series(patch)], *mended, tmp_path, HOST).accounts
    assert bugs.outcome is PatchOutcome.APPLIED


@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if bug.schedule.exists()], ids=lambda bug: bug.name
)
def test_schedule_by_hand(bug: BenchBug) -> None:
    """Of the plain kernel: who tries it on the broken one names that."""
    schedule: Schedule = read_schedule(bug.schedule)
    assert schedule.kernel is None
    if bug.kind == USE:
        assert not schedule.faults
        assert not schedule.companions
    else:
        assert schedule.faults or schedule.companions


def test_document_shows_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert BUGS[0].title in text
    assert text == document(text), "run: python -P -m tests.bug_bench.table"
