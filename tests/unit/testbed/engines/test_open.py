# SPDX-License-Identifier: GPL-2.0-only
"""Options and engine: who decides, and what does not go together is refused at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from images.jail.start import MODE_VARIABLE, weaker_allowed
from testbed import ROOT
from testbed.engines.open import build_options, engine_named
from testbed.errors import ExitCode, UsageProblem
from testbed.options import ENGINES, Accel, Jail, RunOptions, Switch


def folder_of(engine: str) -> str:
    """The package an engine is alone in, dotted."""
    return ENGINES[engine].rpartition(".")[0]


@pytest.mark.parametrize("name", ENGINES)
def test_engine_imports_no_other_engine(name: str) -> None:
    """Of the registry, so that a further engine needs no line in the contracts."""
    text = "\n".join(
        file.read_text() for file in (ROOT / folder_of(name).replace(".", "/")).rglob("*.py")
    )
    others = {folder_of(other) for other in ENGINES} - {folder_of(name)}
    assert text
    assert not [other for other in others if re.search(rf"\b{re.escape(other)}\b", text)]


def test_what_is_no_engine_has_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    (engines,) = (one for one in contracts if one.get("containers") == ["testbed.engines"])
    layered = set(re.findall(r"\w+", " ".join(engines["layers"])))
    found = {
        file.stem for file in (ROOT / "testbed/engines").iterdir() if file.suffix in ("", ".py")
    }
    alone = {folder_of(name).rpartition(".")[2] for name in ENGINES}
    assert found - {"__init__", "__pycache__"} - alone <= layered


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
        ({"swiotlb": Switch.ON, "iommu": Switch.ON}, "with an IOMMU no DMA bounces"),
        ({"engine": "lab", "lab": Path("l.toml"), "nvm": Path("n")}, "--engine lab has no --nvm"),
        ({"engine": "uml", "swiotlb": Switch.ON}, "--engine uml has no --swiotlb on"),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageProblem, match=complaint) as caught:
        build_options(given, start=tmp_path)
    assert caught.value.exit_code is ExitCode.USAGE


def test_jail_is_of_the_whole_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as an option, in the file, or in the environment; the option first."""
    monkeypatch.setenv(MODE_VARIABLE, "weaker")
    assert build_options({}, start=tmp_path).jail is Jail.WEAKER
    assert build_options({"jail": Jail.FULL}, start=tmp_path).jail is Jail.FULL
    assert not weaker_allowed()
    (tmp_path / "testbed.toml").write_text('[run]\njail = "weaker"\n')
    assert build_options({}, start=tmp_path).jail is Jail.WEAKER
    assert weaker_allowed()
