# SPDX-License-Identifier: GPL-2.0-only
"""From what the user typed to the selftest files meant by it."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from testbed.errors import UsageProblem

PREFIXES = ("", "drivers/net/", "drivers/", "drivers/net/hw/")
"""Tried in this order, so that ``hw/ntuple.py`` and ``hds.py`` need not be spelt in full."""

_TREE = "tools/testing/selftests/"
_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True, order=True)
class TestFile:
    """One installed test program, e.g. folder ``drivers/net/hw``, name ``ntuple.py``."""

    __test__ = False  # not a pytest class

    folder: str
    name: str

    @property
    def path(self) -> str:
        """Below the installed tree, and in reports."""
        return f"{self.folder}/{self.name}"

    @property
    def short(self) -> str:
        """As the kernel's own documentation speaks of it: ``hw/ntuple.py``."""
        return self.path.removeprefix("drivers/net/")


def parse_list(text: str) -> tuple[TestFile, ...]:
    """The installed programs from ``kselftest-list.txt``: lines ``folder:name``."""
    found = []
    for line in text.splitlines():
        folder, colon, name = line.strip().partition(":")
        if colon and folder and name:
            found.append(TestFile(folder, name))
    return tuple(sorted(found))


def select(wanted: Sequence[str], installed: Iterable[TestFile]) -> tuple[TestFile, ...]:
    """The files that ``wanted`` names, each once, in the order named.

    An entry is a file (``drivers/net/hds.py``, ``hw/ntuple.py``, ``hds.py``), a folder (its files
    and those of the folders below) or a glob over either. Raises UsageProblem, with near names,
    for an entry that names nothing.
    """
    tests = tuple(installed)
    chosen: dict[TestFile, None] = {}
    for entry in wanted:
        matches = _matches(entry, tests)
        if not matches:
            raise _nothing(entry, tests)
        chosen.update(dict.fromkeys(matches))
    return tuple(chosen)


def _matches(entry: str, tests: Sequence[TestFile]) -> list[TestFile]:
    path = entry.strip().rstrip("/").removeprefix("./").removeprefix(_TREE)
    for prefix in PREFIXES if path else ():
        pattern = prefix + path
        if _GLOB & set(path):
            # A shell's rule: a star stays within one folder.
            parts = pattern.count("/")
            found = [
                test
                for test in tests
                if test.path.count("/") == parts and fnmatch.fnmatchcase(test.path, pattern)
            ]
        else:
            found = [
                test
                for test in tests
                if test.path == pattern or pattern in map(str, PurePosixPath(test.path).parents)
            ]
        if found:
            return found
    return []


def _nothing(entry: str, tests: Sequence[TestFile]) -> UsageProblem:
    names = {test.short: test.short for test in tests}
    by_name = {test.name: test.short for test in tests}
    near = difflib.get_close_matches(entry, names, n=3, cutoff=0.5)
    last = entry.rstrip("/").rpartition("/")[2]
    near += [by_name[name] for name in difflib.get_close_matches(last, by_name, n=3, cutoff=0.5)]
    near = list(dict.fromkeys(near))[:4]
    folders = sorted({test.folder for test in tests})
    if near:
        remedy = f"near: {', '.join(near)}"
    else:
        remedy = f"the folders are {', '.join(folders)}; `testbed ksft --list` shows every file"
    return UsageProblem(f"{entry!r} names no selftest of this kernel", remedy=remedy)
