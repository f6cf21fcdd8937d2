# SPDX-License-Identifier: GPL-2.0-only
"""A recording as a personality: a file of card options for ``--personality``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from testbed.card.personality import check_card_options, default_card
from testbed.conformance.keys import KEYS, keys_of
from testbed.conformance.recording import MADE, Recording
from testbed.schema import WrongValue

_HEAD = """\
# SPDX-License-Identifier: GPL-2.0-only
# The card of {source}, as far as card options go (docs/conformance.md). All that is not here is as
# on the default card.
"""


@dataclass(frozen=True)
class Made:
    """A personality out of a recording.

    :ivar options: those that differ from the default card's.
    :ivar untold: options that the recording says nothing of.
    :ivar refused: option -> why its value in the recording cannot be had.
    :ivar without: sections of the recording none of whose values an option decides.
    """

    options: dict[str, Any]
    untold: list[str]
    refused: dict[str, str]
    without: list[str]

    def text(self, source: Path) -> str:
        """The file."""
        return _HEAD.format(source=source.name) + "\n" + tomli_w.dumps(self.options)


def make_personality(recording: Recording) -> Made:
    """Every option that the recording tells and that is not the default card's."""
    defaults = default_card()
    flat: dict[str, Any] = {}
    untold: list[str] = []
    refused: dict[str, str] = {}
    for key in KEYS:
        value = key.read(recording.values)
        if value is None:
            untold.append(key.name)
        elif value != _of(defaults, key.name):
            try:
                check_card_options(_nested({key.name: value}))
            except WrongValue as wrong:
                refused[key.name] = f"{value}: allowed: {', '.join(wrong.allowed)}"
            else:
                flat[key.name] = value
    decided = {path.partition("/")[0] for path in recording.values if keys_of(path)}
    without = sorted(recording.sections() - decided - set(MADE))
    return Made(_nested(flat), untold, refused, without)


def _of(defaults: Mapping[str, Any], name: str) -> Any:
    table, _, key = name.rpartition(".")
    return (defaults[table] if table else defaults)[key]


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Tables come last, as TOML wants them."""
    options = {name: value for name, value in flat.items() if "." not in name}
    for name, value in flat.items():
        table, _, key = name.partition(".")
        if key:
            options.setdefault(table, {})[key] = value
    return options
