# SPDX-License-Identifier: GPL-2.0-only
"""Of a build of ours: which findings its patches mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernels.build import ABOUT_KERNEL
from kernels.mended import mended_in, patches_of
from kernels.patches import ALL_FIXES, FIXES, load_series
from kernels.patching import PATCHES, PatchAccount, PatchOutcome

TWO = "open-memory-irq-kept"
"""A finding whose fix has two patches."""


def lines_of(name: str, outcome: PatchOutcome = PatchOutcome.APPLIED) -> list[str]:
    accounts = [PatchAccount(one, outcome) for one in load_series(Path(name)).patches]
    return [line for one in accounts for line in one.lines()]


def test_all_fixes_mend_all_that_have_one() -> None:
    mended = mended_in({PATCHES: [*lines_of(ALL_FIXES)]})
    assert mended == {one.name for one in FIXES.iterdir() if one.is_dir()}


def test_a_fix_is_there_whole_or_not_at_all() -> None:
    first, second = lines_of(TWO)
    assert mended_in({PATCHES: [first, second]}) == {TWO}
    assert mended_in({PATCHES: [second]}) == frozenset()
    failed, _ = lines_of(TWO, PatchOutcome.FAILED)
    assert mended_in({PATCHES: [failed, second]}) == frozenset()


def test_what_the_kernel_has_or_does_not_need_is_no_lack() -> None:
    first, second = lines_of(TWO)
    for outcome in (PatchOutcome.ALREADY_THERE, PatchOutcome.NOT_FOR_THIS_KERNEL):
        other, _ = lines_of(TWO, outcome)
        assert mended_in({PATCHES: [other, second]}) == {TWO}
    assert mended_in({PATCHES: [*lines_of(TWO, PatchOutcome.NOT_FOR_THIS_KERNEL)]}) == frozenset()
    assert first.startswith("applied: ")


@pytest.mark.parametrize("provenance", [{}, {PATCHES: []}, {PATCHES: "x"}, {PATCHES: [1, None]}])
def test_a_kernel_without_patches_has_them_all(provenance: dict[str, object]) -> None:
    assert mended_in(provenance) == frozenset()  # type: ignore[arg-type]


def test_a_build_is_known_by_what_lies_beside_its_image(tmp_path: Path) -> None:
    about = {"release": "7.2.12", "provenance": {PATCHES: lines_of(TWO)}}
    (tmp_path / ABOUT_KERNEL).write_text(json.dumps(about))
    assert patches_of(tmp_path / "linux") == lines_of(TWO)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"provenance": 1}', '{"provenance": {"patches": 1}}', "[" * 99999],
)
def test_what_is_beside_somebody_elses_image_may_be_anything(tmp_path: Path, text: str) -> None:
    (tmp_path / ABOUT_KERNEL).write_text(text)
    assert patches_of(tmp_path / "linux") == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.json"
    real.write_text(json.dumps({"provenance": {PATCHES: ["applied: x y"]}}))
    (tmp_path / ABOUT_KERNEL).symlink_to(real)
    assert patches_of(tmp_path / "linux") == []
