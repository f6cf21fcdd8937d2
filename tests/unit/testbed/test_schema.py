# SPDX-License-Identifier: GPL-2.0-only
"""TOML against a dataclass: nothing is converted; an error names file, key and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Interval

from testbed.errors import ConfigProblem
from testbed.schema import Date, FilePath, Texts, read_json, read_toml


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Wheel:
    spokes: Annotated[int, Interval(ge=3, le=99)]
    light: bool = False


@dataclass(frozen=True)
class Bicycle:
    version: Literal[1] = 1
    colour: Colour = Colour.RED
    wheel: tuple[Wheel, ...] = ()
    weight: float | None = None
    bought: Date | None = None
    bill: FilePath | None = None
    riders: Texts = ()


FILE = Path("shed/bicycle.toml")


def test_table_becomes_a_dataclass() -> None:
    text = 'colour = "blue"\nbill = "bill.txt"\nweight = 9\n[[wheel]]\nspokes = 36\n'
    bicycle = read_toml(Bicycle, FILE, text)
    assert bicycle == Bicycle(
        colour=Colour.BLUE, bill=Path("shed/bill.txt"), weight=9.0, wheel=(Wheel(36),)
    )


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("colour = 3", "colour", "red, blue"),
        ("version = 2", "version", "1"),
        ("gears = 3", "gears", "bill, bought, colour, riders, version, weight, wheel"),
        ("[[wheel]]\nspokes = 36\n[[wheel]]\nspokes = 2", "[[wheel]] 2.spokes", "3..99"),
        ("[[wheel]]\nspokes = 36.0", "[[wheel]] 1.spokes", "an integer"),
        ("[[wheel]]\nspokes = true", "[[wheel]] 1.spokes", "an integer"),
        ("[[wheel]]\nspokes = 36\nlight = 1", "[[wheel]] 1.light", "true, false"),
        ("[[wheel]]\nspoke = 36", "[[wheel]] 1.spoke", "spokes"),
        ("[[wheel]]\nlight = true", "[[wheel]] 1.spokes", "an integer"),
        ("wheel = [3]", "wheel", "a table"),
        ("[wheel]", "wheel", "a list"),
        ('weight = "9"', "weight", "a number"),
        ("weight = nan", "weight", "a number"),
        ('bought = "2026-11-20"', "bought", "a date"),
        ("bought = 2026-11-20T00:00:00", "bought", "a date"),
        ('riders = ["me", 3]', "riders", "a string"),
        ("riders = []", "riders", "a list that is not empty"),
        ("[wheel", "(whole file)", None),
        ("weight = " + "[" * 5000, "(whole file)", None),
        ("weight = " + "[" * 300 + "]" * 300, "(whole file)", None),
        ("[" + "a." * 5000 + "a]", "(whole file)", None),
        ("weight = 0x" + "f" * 5000, "(whole file)", None),
    ],
)
def test_mistake_is_named_with_file_key_and_what_is_allowed(
    text: str, key: str, allowed: str | None
) -> None:
    with pytest.raises(ConfigProblem) as caught:
        read_toml(Bicycle, FILE, text)
    assert (caught.value.file, caught.value.key) == (FILE, key)
    assert allowed is None or allowed in str(caught.value.remedy)
    assert len(str(caught.value)) < 200


def test_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="cannot be read"):
        read_toml(Bicycle, tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'colour = "\xe9"')
    with pytest.raises(ConfigProblem, match="not TOML"):
        read_toml(Bicycle, tmp_path / "latin.toml")


def test_json_follows_the_rules_of_toml() -> None:
    text = '{"colour": "blue", "wheel": [{"spokes": 36}]}'
    assert read_json(Bicycle, FILE, text) == Bicycle(colour=Colour.BLUE, wheel=(Wheel(36),))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"colour": "pink"}', "colour: 'pink' is not allowed"),
        ('{"bill": null}', "bill: null is not allowed"),
        ('{"riders": [null]}', "riders: null is not allowed"),
        ('{"wheel": [{"spokes": 36}, {"spokes": 1}]}', "[[wheel]] 2.spokes: 1 is not allowed"),
        ('{"weight": 1e400}', "weight: is not finite"),
        ('{"weight": Infinity}', "(whole file): not JSON: Infinity is no number"),
        (f'{{"version": {1 << 64}}}', "version: has more than 64 bits"),
        ('{"version": 1, "version": 1}', "(whole file): not JSON: key 'version' is there twice"),
        ("[" * 17 + "]" * 17, "(whole file): more than 16 levels deep"),
        ("[" * 9999, "(whole file): not JSON"),
        ('"\\udcff"', "(whole file): not JSON"),
        (f'{{"{"x" * 101}": 1}}', "(whole file): has a key of more than 100"),
        ("colour = 3", "(whole file): not JSON"),
    ],
)
def test_json_that_is_wrong(text: str, told: str) -> None:
    with pytest.raises(ConfigProblem) as problem:
        read_json(Bicycle, FILE, text)
    assert str(problem.value).startswith(f"{FILE}: {told}")
