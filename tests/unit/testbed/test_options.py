# SPDX-License-Identifier: GPL-2.0-only
"""Options from the command line and testbed.toml: what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.engines.open import build_options
from testbed.errors import ConfigProblem, ExitCode, UsageProblem
from testbed.options import Accel, Nic, RunOptions, Switch


def write(folder: Path, text: str) -> Path:
    file = folder / "testbed.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_command_line_wins_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, '[run]\ncpus = 4\nnic = "igb"\naccel = "tcg"\n')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    options = build_options({"cpus": 1, "nic": None, "iommu": Switch.ON}, start=deep)
    assert options == RunOptions(cpus=1, nic=Nic.IGB, accel=Accel.TCG, iommu=Switch.ON)


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ('[run]\naccel = "hvf"\n', "accel", "auto, kvm, tcg"),
        ('[run]\nengine = "bochs"\n', "engine", "qemu, uml, lab"),
        ("[run]\niommu = true\n", "iommu", "on, off"),
        ("[run]\nspeed = 3\n", "speed", "accel, card_options, coverage"),
        ('[run]\ncpus = "four"\n', "cpus", None),
        ("[run]\nseed = true\n", "seed", None),
        ('[run]\nicount = "yes"\n', "icount", "true, false"),
        ("[walk]\n", "walk", "run"),
        ("run = 3\n", "run", "a table"),
        ("[run\n", "(whole file)", None),
    ],
)
def test_a_wrong_file_names_file_key_and_allowed_values(
    tmp_path: Path, text: str, key: str, allowed: str | None
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigProblem) as caught:
        build_options({}, start=tmp_path)
    said = "\n".join(caught.value.lines())
    assert str(file) in said
    assert key in said
    assert allowed is None or allowed in said
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    "given",
    [
        {"cpus": 0},
        {"cpus": 17},
        {"watchdog_s": 0},
        {"memory_mib": 64},
        {"seed": -1},
        {"share": Path("/no/x")},
    ],
)
def test_values_out_of_range_are_a_usage_problem(given: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageProblem):
        build_options(given, start=tmp_path)


def test_share_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path, '[run]\nshare = "mine"\n')
    assert build_options({}, start=tmp_path).share == tmp_path / "mine"


def test_seed_is_drawn_once_and_kept() -> None:
    drawn = RunOptions().with_seed()
    assert drawn.seed is not None
    assert drawn.with_seed() is drawn
    assert RunOptions(seed=7).with_seed().seed == 7
