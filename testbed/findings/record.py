# SPDX-License-Identifier: GPL-2.0-only
"""Writes into a finding's file on which kernels it was checked, and on which its fix was tried."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from testbed.errors import EnvironmentProblem
from testbed.findings.head import Checked, Verified
from testbed.findings.load import FENCE, read_finding

_Table = TypeVar("_Table", Checked, Verified)
_TABLE = re.compile(r"\n\[\[(?:checked|verified)\]\]\n(?:\w+ = .*\n)*")


def record_check(path: Path, checked: Checked) -> bool:
    """Put ``checked`` in the place of what the file has of that kernel; the rest stays.

    A count of more runs stays, too, if it says the same: each run shows it, or none does.
    Returns whether the file has changed.

    Raises ConfigProblem if the file is no finding, EnvironmentProblem if it cannot be written.
    """
    finding = read_finding(path)
    for one in finding.checked:
        if _place(one) == _place(checked) and one.says_no_less_than(checked):
            return False
    _write(path, _with(finding.checked, checked), finding.verified)
    return True


def record_fix(path: Path, verified: Verified) -> None:
    """Put ``verified`` in the place of what the file has of that kernel; the rest stays.

    Raises ConfigProblem if the file is no finding, EnvironmentProblem if it cannot be written.
    """
    finding = read_finding(path)
    _write(path, finding.checked, _with(finding.verified, verified))


def _place(one: Checked | Verified) -> tuple[object, str]:
    return one.kernel, one.flavour


def _with(tables: Iterable[_Table], new: _Table) -> list[_Table]:
    found = [one for one in tables if _place(one) != _place(new)]
    found.append(new)
    return found


def _write(path: Path, checked: Iterable[Checked], verified: Iterable[Verified]) -> None:
    before, head, text = path.read_text(encoding="utf-8").split(f"{FENCE}\n", 2)
    head = _TABLE.sub("", head)
    for one in sorted(checked, key=lambda one: (one.kernel, one.flavour)):
        hashes = {"event_hashes": one.event_hashes} if one.event_hashes else {}
        head += _table("checked", one, runs=one.runs, shown=one.shown, **hashes)
    for fix in sorted(verified, key=lambda one: (one.kernel, one.flavour)):
        head += _table("verified", fix, runs=fix.runs, tests=fix.tests)
        head += "together = true\n" if fix.together else ""
    try:
        path.write_text(f"{FENCE}\n".join([before, head, text]), encoding="utf-8")
    except OSError as err:
        raise EnvironmentProblem(f"{path} cannot be written: {err.strerror}") from err


def _table(name: str, one: Checked | Verified, **counts: int) -> str:
    lines = ["", f"[[{name}]]", f'kernel = "{one.kernel}"', f'flavour = "{one.flavour}"']
    lines += [f"date = {one.date}", *(f"{key} = {count}" for key, count in counts.items())]
    return "\n".join([*lines, ""])
