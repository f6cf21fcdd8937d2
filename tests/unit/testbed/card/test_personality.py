# SPDX-License-Identifier: GPL-2.0-only
"""Personalities: ours are cards that can be built, and a wrong file is named with its key."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from devmodel.bnxt.options import read_options
from testbed.card.personality import (
    default_card,
    load_personality,
    personalities,
    with_personality,
)
from testbed.engines.open import build_options
from testbed.errors import ConfigProblem, UsageProblem
from testbed.options import settings


@pytest.mark.parametrize("name", personalities())
def test_each_of_ours_is_another_card(name: str) -> None:
    assert read_options(load_personality(name)).nic != read_options({}).nic
    assert f" {name}," in settings()["personality"].option.help, "the help names it"


def test_guesses_are_marked() -> None:
    text = personalities()["bcm57508"].read_text()
    assert all("guess" in line for line in text[text.index("[limits]") :].splitlines()[1:])


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("firmware = [220, 0, 0, 1]\n[limits]\nmsix = 9\n")
    options = build_options({"personality": str(file)}, start=tmp_path)
    assert options.card_options == {"firmware": [220, 0, 0, 1], "limits": {"msix": 9}}


def test_own_card_options_go_before_it(tmp_path: Path) -> None:
    own = {"max_aggs": 3, "limits": {"vnics": 7}}
    merged = with_personality({"personality": "minimal", "card_options": own})
    assert (merged["card_options"]["max_aggs"], merged["card_options"]["limits"]["vnics"]) == (3, 7)
    assert merged["card_options"]["limits"]["tx_rings"] == 1
    assert with_personality({"seed": 3}) == {"seed": 3}
    (tmp_path / "testbed.toml").write_text(
        '[run]\npersonality = "minimal"\n[run.card_options]\nmax_aggs = 3\n'
    )
    assert build_options({}, start=tmp_path).card_options["max_aggs"] == 3


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ('colour = "red"\n', "colour", "board"),
        ("[limits]\nmsix = 2000\n", "limits.msix", "an integer in 0..1024"),
        ("doorbell_bar_mib = 3\n", "doorbell_bar_mib", "16"),
        ("firmware = [1, 2]\n", "firmware", "4 integers in 0..65535"),
        ("pci_revision = 1979-05-27\n", "pci_revision", "an integer in 0..255"),
    ],
)
def test_a_wrong_file_is_named_with_key_and_what_is_allowed(
    tmp_path: Path, text: str, key: str, allowed: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigProblem) as wrong:
        load_personality(str(file))
    said = "\n".join(wrong.value.lines())
    assert str(file) in said
    assert f"{key}: " in said
    assert allowed in said


def test_a_name_that_is_none_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"--personality bcm5719: neither") as wrong:
        build_options({"personality": "bcm5719"}, start=tmp_path)
    assert "minimal, new-firmware" in "\n".join(wrong.value.lines())


def test_the_default_card_as_a_file_is_the_default_card(tmp_path: Path) -> None:
    card = default_card()
    assert (card["chip_num"], card["firmware"], card["module"]) == (0x1750, [232, 0, 1, 0], "dac")
    assert card["limits"]["msix"] == 32
    file = tmp_path / "default.toml"
    file.write_text(tomli_w.dumps(card))
    assert read_options(load_personality(str(file))) == read_options({})
