# SPDX-License-Identifier: GPL-2.0-only
"""The report as an lcov tracefile, for genhtml and whatever reads it.

Source: geninfo(1), "TRACE FILE FORMAT". A count stands at SATURATED for that and more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed.coverage.account import FileCoverage


def render(files: Iterable[FileCoverage], root: Path, test: str = "testbed") -> str:
    """The tracefile's text; names of files are made absolute with ``root``, the kernel's source."""
    lines = [f"TN:{test}"]
    for file in files:
        if file.lines:
            lines += _file(file, root)
    return "\n".join(lines) + "\n"


def _file(file: FileCoverage, root: Path) -> Iterator[str]:
    yield f"SF:{root / file.name}"
    counted = file.counted
    for known in counted:
        yield f"FN:{known.function.line},{known.function.name}"
    for known in counted:
        yield f"FNDA:{known.tally.count},{known.function.name}"
    yield f"FNF:{len(counted)}"
    yield f"FNH:{file.functions_hit}"
    for number, line in sorted(file.lines.items()):
        yield f"DA:{number},{line.count}"
    yield f"LF:{len(file.lines)}"
    yield f"LH:{sum(line.count > 0 for line in file.lines.values())}"
    yield "end_of_record"
