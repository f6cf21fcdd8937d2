# SPDX-License-Identifier: GPL-2.0-only
"""What programs inside the jails reached, as the table of docs/SECURITY.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbed import ROOT
from tests.containment.capture import JAILS
from tests.containment.host import KINDS, REACHED

DOCUMENT = ROOT / "docs" / "SECURITY.md"
BLOCK = re.compile(r"(?s)(<!-- reached: .*? -->\n)(.*?)(<!-- /reached -->)")
NOTHING = "no"
Tried = Mapping[str, str]
"""Attempt -> REACHED, or why not."""


def table(without: Tried, inside: Mapping[str, Mapping[str, Tried]]) -> str:
    """Markdown; ``without`` a jail, ``inside`` by kind of host and name of the jail."""
    head = ["attempt", "no jail", *KINDS.values()]
    rows = [head, ["---"] * len(head)]
    for attempt, outcome in without.items():
        row = [attempt, "yes" if outcome == REACHED else NOTHING]
        rows.append([*row, *(_who(attempt, inside[kind]) for kind in KINDS)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _who(attempt: str, jails: Mapping[str, Tried]) -> str:
    """The jails in which it could be reached."""
    return ", ".join(JAILS[name] for name in JAILS if jails[name][attempt] == REACHED) or NOTHING


def written() -> list[list[str]]:
    """The cells of the table in the document, row by row."""
    found = BLOCK.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None
    return [
        [cell.strip() for cell in line.strip("| \n").split(" | ")]
        for line in found[2].strip().splitlines()
    ]


def write(text: str) -> None:
    """Put a table into the document."""
    document = DOCUMENT.read_text(encoding="utf-8")
    changed = BLOCK.sub(lambda found: found[1] + "\n" + text + "\n" + found[3], document)
    DOCUMENT.write_text(changed, encoding="utf-8")
