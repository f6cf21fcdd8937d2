# SPDX-License-Identifier: GPL-2.0-only
"""Card options as the card understands them, checked before anything is built or started.

A personality is a file of such options: one of ours, by its name, or the user's, by its path.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from testbed.errors import ConfigProblem, UsageProblem
from testbed.schema import WrongValue, read_text, readable, toml_as_json

SHIPPED = Path(__file__).with_name("personalities")


def check_card_options(options: Mapping[str, Any]) -> None:
    """Raises WrongValue, which names key and allowed values."""
    from devmodel.bnxt.options import OptionError, read_options

    try:
        read_options({key: readable(value) for key, value in options.items()})
    except OptionError as wrong:
        raise WrongValue(wrong.problem, key=wrong.key, allowed=wrong.allowed) from wrong


def default_card() -> dict[str, Any]:
    """The card options of the default card, as a file would have them."""
    from devmodel.bnxt.options import read_options

    return _plain(read_options({}).nic)


def _plain(table: Any) -> dict[str, Any]:
    """A dataclass of options as data of TOML."""
    return {one.name: _plain_value(getattr(table, one.name)) for one in dataclasses.fields(table)}


def _plain_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain(value)
    if isinstance(value, Enum):  # also a sum of flags
        return value.value
    if isinstance(value, tuple):
        return [_plain_value(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def personalities() -> dict[str, Path]:
    """Those of ours, by name."""
    return {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}


def load_personality(name: str) -> dict[str, Any]:
    """The card options of one of ours, or of a file.

    Raises UsageProblem if it is neither, and ConfigProblem, which names file, key and what is
    allowed.
    """
    file = personalities().get(name, Path(name))
    if not file.exists():
        raise UsageProblem(
            f"--personality {name}: neither a file nor one of ours",
            remedy=f"allowed: a TOML file, {', '.join(personalities())}",
        )
    options: dict[str, Any] = json.loads(toml_as_json(file, read_text(file)))
    try:
        check_card_options(options)
    except WrongValue as wrong:
        raise ConfigProblem(file, wrong.key, str(wrong), allowed=wrong.allowed) from wrong
    return options


def with_personality(merged: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a run, with the card options of their personality below those they have.

    Raises UsageProblem and ConfigProblem.
    """
    name = merged.get("personality")
    if name is None:
        return dict(merged)
    below, own = load_personality(name), merged.get("card_options", {})
    limits = {**below.get("limits", {}), **own.get("limits", {})}
    options = {**below, **own, **({"limits": limits} if limits else {})}
    return {**merged, "card_options": options}
