# SPDX-License-Identifier: GPL-2.0-only
"""The options of a run, made of the fields of RunOptions, on the command line and for pytest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from testbed.cli.options import REQUIRED, run_options
from testbed.options import Accel, settings
from testbed.plugin.main import pytest_addoption

ALL = [f"--{one.flag}" for one in settings().values()]


def command(*only: str, **more: Any) -> tuple[typer.Typer, list[Mapping[str, Any]]]:
    app = typer.Typer(add_completion=False)
    seen: list[Mapping[str, Any]] = []

    @app.command()
    @run_options(*only, **more)
    def play(given: Mapping[str, Any], song: str) -> None:
        """Play."""
        seen.append({**given, "song": song})

    return app, seen


def test_command_gets_what_was_given_and_none_for_the_rest() -> None:
    app, seen = command("accel", "memory_mib", "coverage", "share", "seed", seed=3)
    arguments = ["a", "--accel", "kvm", "--memory", "600", "--no-coverage", "--share", "x"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert CliRunner().invoke(app, ["b"]).exit_code == 0
    assert seen == [
        {"accel": Accel.KVM, "memory_mib": 600, "coverage": False, "share": Path("x"), "seed": 3,
         "song": "a"},
        {"accel": None, "memory_mib": None, "coverage": None, "share": None, "seed": 3,
         "song": "b"},
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [["--engine", "xen"], ["--accel", "hvf"], ["--cpus", "two"]])
def test_wrong_value_is_refused(arguments: list[str]) -> None:
    app, seen = command()
    assert CliRunner().invoke(app, ["a", *arguments]).exit_code == 2
    assert not seen


@pytest.mark.parametrize(
    ("only", "without", "there"),
    [
        ([], [], ALL),
        ([], ["lab", "dut"], [flag for flag in ALL if flag not in ("--lab", "--dut")]),
        (["seed", "cpus"], [], ["--cpus", "--seed"]),
    ],
)
def test_command_has_the_options_it_names_and_no_other(
    only: list[str], without: list[str], there: list[str]
) -> None:
    app, _ = command(*only, without=without)
    options = [one.opts[0] for one in typer.main.get_command(app).params]
    assert options == [*there, "song"]


def test_option_can_be_required() -> None:
    app, seen = command("lab", lab=REQUIRED)
    assert CliRunner().invoke(app, ["a"]).exit_code == 2
    assert CliRunner().invoke(app, ["a", "--lab", "lab.toml"]).exit_code == 0
    assert seen == [{"lab": Path("lab.toml"), "song": "a"}]


def test_pytest_has_them_under_a_name_of_ours(pytestconfig: pytest.Config) -> None:
    for name in ("engine", "lab", "dut", "kernel", "flavour", "accel", "iommu", "cpus", "timing",
                 "oracle", "seed", "coverage"):  # fmt: skip
        assert f"testbed_{name}" in vars(pytestconfig.option)


def test_pytest_names_the_values_of_an_option() -> None:
    parser = pytest.Parser(_ispytest=True)
    pytest_addoption(parser)
    assert parser.parse_known_args(["--testbed-accel", "kvm"]).testbed_accel == "kvm"
    with pytest.raises(pytest.UsageError, match=r"choose from '?auto'?, '?kvm'?, '?tcg'?"):
        parser.parse_known_args(["--testbed-accel", "hvf"])
