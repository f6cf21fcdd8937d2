# SPDX-License-Identifier: GPL-2.0-only
"""Figures of documents: counts that hold today, and measurements that name their day and command.

A count stands before a comment that says what is counted: ``34<!-- count: tests/suite/zcrx -->``.
``python -P -m tests.figures`` prints them all, and with ``--write`` corrects the documents.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from testbed import ROOT
from testbed.faults.catalogue import load_catalogue
from testbed.findings.load import load_findings
from tests.seeded.table import SEEDED

DOCUMENTS = (
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
)  # fmt: skip
COUNT = re.compile(r"(?P<figure>\d+)<!-- count: (?P<what>[\w/ -]+) -->")
FIGURE = re.compile(r"\b\d+ (?:tests|passed|seeded bugs)\b")
DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b|\b\d{1,2} \w+ 20\d\d\b")
COMMAND = re.compile(r"`+[^`]*(?:\./tb |pytest |python |testbed )[^`]*`+")
_SECTION = re.compile(r"(?m)^(?=#+ )")


@cache
def _collected() -> list[str]:
    """Node ids of the whole suite."""
    words = [sys.executable, "-P", "-m", "pytest", "tests/suite", "--collect-only", "-q"]
    words += ["--all-faults", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def _tests(folder: str) -> int:
    return sum(node.startswith(f"{folder}/") for node in _collected())


COUNTED: Mapping[str, Callable[[], int]] = {
    "faults of the catalogue": lambda: len(load_catalogue()),
    "findings": lambda: len(load_findings()),
    "seeded bugs": lambda: len(SEEDED),
    **{
        f"seeded bugs of {area}": lambda area=area: sum(bug.area == area for bug in SEEDED)
        for area in sorted({bug.area for bug in SEEDED})
    },
    "tests/suite": lambda: _tests("tests/suite"),
    **{
        f"tests/suite/{folder.name}": lambda folder=folder: _tests(f"tests/suite/{folder.name}")
        for folder in sorted((ROOT / "tests" / "suite").iterdir())
        if list(folder.glob("test_*.py"))
    },
}
"""What can be counted at once, by the words of the comment."""


def corrected(text: str) -> str:
    """``text`` with each marked count as it is now. Raises ValueError for an unknown one."""

    def now(found: re.Match[str]) -> str:
        what = found["what"]
        if what not in COUNTED:
            raise ValueError(f"count: {what}: allowed: {', '.join(COUNTED)}")
        return f"{COUNTED[what]()}<!-- count: {what} -->"

    return COUNT.sub(now, text)


def undated(text: str) -> Iterator[str]:
    """Figures that are neither marked nor in a section with the day and the command."""
    for section in _SECTION.split(text):
        if DATE.search(section) and COMMAND.search(section):
            continue
        for found in FIGURE.finditer(COUNT.sub("", section)):
            yield f"{section.splitlines()[0]}: {found[0]}"


def main() -> None:
    """Print every count, or write them where documents have them."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.figures", description=__doc__)
    parser.add_argument("--write", action="store_true", help="correct the documents")
    if not parser.parse_args().write:
        for what, count in COUNTED.items():
            print(f"{count():5}  {what}")
        return
    for document in DOCUMENTS:
        document.write_text(corrected(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
