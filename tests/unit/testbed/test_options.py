# SPDX-License-Identifier: GPL-2.0-only
"""Options from the command line and testbed.toml: what is wrong is named."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from kernels.flavours import FLAVOURS
from testbed import ROOT
from testbed.engines.open import build_options
from testbed.errors import ConfigProblem, ExitCode, UsageProblem
from testbed.options import ENGINES, Accel, Capture, Nic, RunOptions, Switch, settings


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
        ("[run]\nspeed = 3\n", "speed", "accel, activity, append"),
        ('[run]\nengine = "xen"\n', "engine", "qemu, uml, lab"),
        ('[run]\ncpus = "four"\n', "cpus", "an integer"),
        ("[run]\ncpus = 99\n", "cpus", "1..16"),
        ("[run]\nseed = true\n", "seed", "an integer"),
        ("[run]\nseed = -1\n", "seed", "0..9223372036854775807"),
        ("[run]\ncard_options = 3\n", "card_options", "a table"),
        ("[run]\ncard_options = {max_agg = 3}\n", "run.card_options.max_agg", "max_aggs"),
        ("[run.card_options]\nlimits = {x = 1}\n", "run.card_options.limits.x", "msix"),
        ("[run.card_options]\nboard = 2026-11-21\n", "board: 2026-11-21 is", "32 characters"),
        ("[run.card_options]\nchip_rev.a = 07:00:00\n", "{'a': 07:00:00} is", "in 0..255"),
        (f"[run]\nseed = {'[' * 3000}{']' * 3000}\n", "(whole file)", None),
        (f"[run.card_options{'.a' * 900}]\nx = 1\n", "(whole file)", None),
        (f"[run.card_options{'.a' * 200_000}]\nx = 1\n", "more than 1000 dots", None),
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
        {"cpus": 0}, {"cpus": 17}, {"watchdog_s": 0}, {"memory_mib": 64}, {"seed": -1},
        {"share": Path("/no/x")}, {"append": "a\nb"}, {"append": 'x="y'}, {"append": "x" * 1025},
        {"append": "\N{MICRO SIGN}"},
    ],
)  # fmt: skip
def test_values_out_of_range_are_a_usage_problem(given: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageProblem):
        build_options(given, start=tmp_path)


def test_card_options_of_the_file_are_those_of_the_run(tmp_path: Path) -> None:
    write(tmp_path, "[run]\ncard_options = {max_aggs = 0, limits = {msix = 9}}\n")
    chosen = build_options({}, start=tmp_path).card_options
    assert chosen == {"max_aggs": 0, "limits": {"msix": 9}}


def test_share_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path, '[run]\nshare = "mine"\n')
    assert build_options({}, start=tmp_path).share == tmp_path / "mine"


@pytest.mark.parametrize("start", ["", "oci:"])
def test_root_is_relative_to_the_file_and_below_it(tmp_path: Path, start: str) -> None:
    write(tmp_path, f'[run]\nroot = "{start}a.tar"\npackages = ["gdb"]\n')
    options = build_options({}, start=tmp_path)
    assert (options.root, options.packages) == (f"{start}{tmp_path / 'a.tar'}", ("gdb",))
    write(tmp_path, f'[run]\nroot = "{start}../a.tar"\n')
    with pytest.raises(ConfigProblem, match=r"run\.root: .* is elsewhere"):
        build_options({}, start=tmp_path)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"engine": "uml", "modules": ("dummy",)}, "--engine uml has no --module"),
        ({"engine": "uml", "share": Path("/tmp:rw")}, "a UML guest gets a copy"),
    ],
)
def test_what_uml_has_not_of_own_programs(
    tmp_path: Path, given: dict[str, object], problem: str
) -> None:
    with pytest.raises(UsageProblem, match=problem):
        build_options(given, start=tmp_path)


def test_seed_is_drawn_once_and_kept() -> None:
    drawn = RunOptions().with_seed()
    assert drawn.seed is not None
    assert drawn.with_seed() is drawn
    assert RunOptions(seed=7).with_seed().seed == 7


def test_every_field_but_the_cards_can_be_given() -> None:
    fields = {field.name for field in dataclasses.fields(RunOptions)}
    of_own_programs = {"packages", "modules", "root"}  # exec and shell have them: cli/own.py
    assert fields - settings().keys() == {"card_options", *of_own_programs}
    assert settings()["memory_mib"].flag == "memory"
    assert settings()["engine"].choices == tuple(ENGINES)


def test_help_names_every_flavour() -> None:
    for one in FLAVOURS:
        option = settings()["flavour" if one.arch == "um" else "kernel"].option
        assert one.name in re.findall(r"[\w-]+", option.help)


@pytest.mark.parametrize(("given", "writable"), [("mine", False), ("mine:rw", True)])
def test_share_is_read_only_unless_it_says_otherwise(
    tmp_path: Path, given: str, writable: bool
) -> None:
    (tmp_path / "mine").mkdir()
    options = RunOptions(share=tmp_path / given)
    assert (options.shared_folder, options.share_is_writable) == (tmp_path / "mine", writable)
    assert not RunOptions().share_is_writable


def test_example_is_a_file_that_can_be_used(tmp_path: Path) -> None:
    """docs/testbed-toml.md points to it."""
    write(tmp_path, (ROOT / "docs" / "testbed.example.toml").read_text())
    options = build_options({}, start=tmp_path)
    assert (options.capture, options.cpus, options.iommu) == (Capture.ALL, 4, Switch.ON)
    assert options.card_options == {"limits": {"msix": 16}}
