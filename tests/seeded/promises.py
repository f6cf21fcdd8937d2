# SPDX-License-Identifier: GPL-2.0-only
"""The promises of a suite's document, and those of them that no seeded bug breaks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.seeded.zcrx.unbroken import UNBROKEN as ZCRX

_TABLE = re.compile(r"^\| promise.*\n((?:\|.*\n)+)", re.MULTILINE)
_SECTION = "**"
UNBROKEN: Mapping[str, Mapping[str, str]] = {"zcrx": ZCRX}
"""Area -> promise -> why no bug breaks it. Of these areas each promise has a bug or a reason."""


def promises(document: Path) -> Sequence[str]:
    """First cells of the tables whose first column is headed *promise*; no headings of sections."""
    return [
        cell
        for table in _TABLE.findall(document.read_text(encoding="utf-8"))
        for row in table.splitlines()
        if (cell := row.split("|")[1].strip()).strip("-") and not cell.startswith(_SECTION)
    ]
