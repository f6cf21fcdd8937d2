# SPDX-License-Identifier: GPL-2.0-only
"""Packages by name: which are let through to apt, and what of them the guest lacks."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from images.debian import Archive, Package, Selection
from images.layer import UnknownPackage, checked_names, layer_recipe, missing, packages_layer
from images.recipe import HERE
from images.store import Store
from images.toolroot import ToolRoot


@pytest.mark.parametrize("name", ["strace", "g++", "libc6-dev", "liburing-dev/sid", "linux-perf"])
def test_names(name: str) -> None:
    assert checked_names([name]) == [name]


@pytest.mark.parametrize(
    "name",
    ["", "-o=Dir::Etc=/tmp", "strace-", "../a", "a b", "A", "a/", "a/b/c", "*", "a=1", "a\n"],
)
def test_what_apt_would_take_for_something_else(name: str) -> None:
    with pytest.raises(UnknownPackage, match="is no name of a package"):
        checked_names(["strace", name])


def test_recipe_has_the_guests_packages_and_suites() -> None:
    recipe = layer_recipe(["strace", "gdb", "strace"])
    assert {"bash", "liburing2"} <= set(recipe.packages)
    assert list(recipe.packages[-2:]) == ["gdb", "strace"]
    assert {"liburing2", "src:liburing"} <= set(recipe.pins["sid"])
    assert "src:linux" in recipe.pins["trixie-backports"]
    assert not recipe.exclude
    assert "src:liburing" not in (HERE / "guest.toml").read_text()


def package(name: str, version: str = "1") -> Package:
    return Package(name, version, "", 0)


def test_what_the_guest_has_is_left_out_but_for_what_it_has_of_others_or_in_part() -> None:
    guest = [package("libc6"), package("perl-base"), package("bash")]
    wanted = [package("libc6", "2"), package("perl-base"), package("bash"), package("gdb")]
    assert [(one.name, one.version) for one in missing(wanted, guest)] == [
        ("libc6", "2"), ("perl-base", "1"), ("gdb", "1"),
    ]  # fmt: skip


class KnowsStrace:
    """An archive in which nothing can be solved but for the guest."""

    def refresh(self) -> None:
        pass

    def names(self) -> list[str]:
        return ["strace", "ltrace", "gdb"]

    def resolve(self, _selection: Selection) -> list[Package]:
        return []


def test_unknown_package_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownPackage, match="no package starce; there is strace"):
        packages_layer(
            Store(tmp_path), lambda: cast(Archive, KnowsStrace()),
            lambda: cast(ToolRoot, None), ["gdb", "starce"],
        )  # fmt: skip
