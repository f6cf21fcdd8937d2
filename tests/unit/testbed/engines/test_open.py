# SPDX-License-Identifier: GPL-2.0-only
"""Options and engine: who decides, and what does not go together is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.engines.open import build_options, engine_named
from testbed.errors import ExitCode, UsageProblem
from testbed.options import ENGINES, Accel, RunOptions


@pytest.mark.parametrize("name", ENGINES)
def test_engine_of_the_registry_knows_its_name(name: str) -> None:
    assert engine_named(name).name == name


def test_uml_has_one_cpu_unless_more_are_asked_for(tmp_path: Path) -> None:
    smp = {"engine": "uml", "flavour": "uml-smp"}
    assert build_options(smp, start=tmp_path).cpus == 1
    assert build_options({**smp, "cpus": 4}, start=tmp_path).cpus == 4
    assert build_options({}, start=tmp_path).cpus == RunOptions().cpus


def test_a_lab_chooses_its_engine(tmp_path: Path) -> None:
    assert build_options({"lab": tmp_path / "lab.toml"}, start=tmp_path).engine == "lab"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"engine": "bochs"}, "no engine 'bochs'"),
        ({"engine": "lab"}, "a lab is a file and its engine"),
        ({"engine": "uml", "lab": Path("lab.toml")}, "a lab is a file and its engine"),
        ({"coverage": True}, "only UML counts coverage"),
        ({"icount": True, "accel": Accel.KVM}, "instruction counting needs --accel tcg"),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageProblem, match=complaint) as caught:
        build_options(given, start=tmp_path)
    assert caught.value.exit_code is ExitCode.USAGE
