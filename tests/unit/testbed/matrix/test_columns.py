# SPDX-License-Identifier: GPL-2.0-only
"""What --kernels names."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.matrix.columns import Column, parse_kernels

PACKAGED = ["6.12.94", "6.12.107", "6.16.3", "6.16.12", "6.17.8", "6.18.5", "6.19.6", "7.2.12"]


def names(text: str) -> list[str]:
    return [column.label for column in parse_kernels(text, lambda: PACKAGED)]


def test_versions_and_ranges_in_their_order() -> None:
    assert names("7.2, 6.16..6.18,6.12.94") == ["7.2", "6.16", "6.17", "6.18", "6.12.94"]


def test_a_range_has_series_whose_packages_are_gone() -> None:
    assert names("6.18..7.2") == ["6.18", "6.19", "7.2"]


def test_each_kernel_once() -> None:
    assert names("6.17,6.16..6.18") == ["6.17", "6.16", "6.18"]


def test_flavour_in_front() -> None:
    [column] = parse_kernels("uml-san:7.2", lambda: PACKAGED)
    assert column == Column("7.2", "uml", "uml-san")
    assert column.label == "uml-san:7.2"
    assert column.arguments == ["kernel", "7.2", "engine", "uml", "flavour", "uml-san"]


def test_a_tree_of_the_user(tmp_path: Path) -> None:
    tree = tmp_path / "linux"
    tree.mkdir()
    found = parse_kernels(f"7.2,uml:{tree}", lambda: PACKAGED)
    assert [column.label for column in found] == ["7.2", "uml:linux"]
    assert found[1].kernel == str(tree)


@pytest.mark.parametrize(
    "text",
    ["", "kvm:7.2", "/no/such/tree", "6.12.1..6.13", "8.0..8.3", "6.16..", "uml:7.2,uml:./7.2"],
)
def test_what_names_no_kernel(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7.2").mkdir()
    with pytest.raises(UsageProblem):
        parse_kernels(text, lambda: PACKAGED)
