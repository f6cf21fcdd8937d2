# SPDX-License-Identifier: GPL-2.0-only
"""Which options choose a kernel, for each flavour that shows a finding, and what is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.errors import UsageProblem
from testbed.followup.target import KernelChoice, NotHad, Target
from tests.unit.testbed.followup.made_up import Kernels

PATCH = (Path("fix.patch"),)


def chosen(target: Target, flavour: str, kernels: Any = None) -> tuple[dict[str, str], list[Any]]:
    kernels = kernels or Kernels()
    choice = KernelChoice(target, lambda _text: None, kernels)
    return dict(choice.options(flavour)), kernels.built


@pytest.mark.parametrize(
    ("target", "flavour", "options"),
    [
        (Target(), "uml", {"engine": "uml", "flavour": "uml"}),
        (Target(), "debian", {"engine": "qemu"}),
        (Target("7.3"), "uml-san", {"engine": "uml", "flavour": "uml-san", "kernel": "7.3"}),
        (Target("7.3"), "debian", {"engine": "qemu", "kernel": "7.3"}),
    ],
)
def test_a_version_is_named_and_nothing_built(
    target: Target, flavour: str, options: dict[str, str]
) -> None:
    assert chosen(target, flavour) == (options, [])
    assert target.is_stock


@pytest.mark.parametrize(
    ("flavour", "built", "engine"),
    [("uml-san", "uml-san", "uml"), ("debian", "x86", "qemu"), ("debug", "debug", "qemu")],
)
def test_with_patches_it_is_built(flavour: str, built: str, engine: str) -> None:
    options, [request] = chosen(Target("7.3", PATCH), flavour)
    assert (request.flavour, request.base, request.tree) == (built, "7.3", None)
    assert request.patches == PATCH
    assert (options["engine"], options["kernel"]) == (engine, f"/cache/{built}/linux")


def test_a_tree_is_built(tmp_path: Path) -> None:
    (tmp_path / "Kconfig").touch()
    target = Target(str(tmp_path))
    assert not target.is_stock
    options, built = chosen(target, "uml")
    assert (options["kernel"], built) == (str(tmp_path), [])  # the engine builds it
    _, [request] = chosen(target, "debian")
    assert (request.tree, request.flavour) == (tmp_path, "x86")
    _, [request] = chosen(Target(str(tmp_path), PATCH), "uml")
    assert (request.tree, request.base) == (tmp_path, None)


def test_a_build_is_of_one_flavour(tmp_path: Path) -> None:
    program = tmp_path / "linux"
    program.touch()
    target = Target(str(program))
    assert chosen(target, "uml") == (
        {"engine": "uml", "flavour": "uml", "kernel": str(program)}, []
    )  # fmt: skip
    with pytest.raises(NotHad, match="linux is a kernel of flavour uml, not uml-san"):
        chosen(target, "uml-san")
    assert chosen(target, "uml-san", Kernels("7.4.0-rc1-mine"))[0]["flavour"] == "uml-san"
    with pytest.raises(UsageProblem, match="is built already"):
        chosen(Target(str(program), PATCH), "uml")


def test_what_cannot_be_had_is_asked_for_once() -> None:
    kernels = Kernels()
    choice = KernelChoice(Target("9.9", PATCH), lambda _text: None, kernels)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(NotHad, match=r"no kernel source '9\.9'"):
            choice.options("uml")
    assert kernels.asked == 1


def test_labels() -> None:
    assert Target().label == "pinned"
    assert Target("7.3").label == "7.3"
    assert Target("/home/me/linux", PATCH).label == "linux+fix.patch"
