# SPDX-License-Identifier: GPL-2.0-only
"""Writes into a finding's file on which kernels it was checked."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.errors import EnvironmentProblem
from testbed.findings.head import Checked
from testbed.findings.load import FENCE, read_finding

_TABLE = re.compile(r"\n\[\[checked\]\]\n(?:\w+ = .*\n)*")


def record_check(path: Path, checked: Checked) -> bool:
    """Put ``checked`` in the place of what the file has of that kernel; the rest stays.

    A count of more runs stays, too, if it says the same: each run shows it, or none does.
    Returns whether the file has changed.

    Raises ConfigProblem if the file is no finding, EnvironmentProblem if it cannot be written.
    """
    known = {(one.kernel, one.flavour): one for one in read_finding(path).checked}
    place = checked.kernel, checked.flavour
    if place in known and known[place].says_no_less_than(checked):
        return False
    known[place] = checked
    before, head, text = path.read_text(encoding="utf-8").split(f"{FENCE}\n", 2)
    head = _TABLE.sub("", head) + "".join(_table(known[key]) for key in sorted(known))
    try:
        path.write_text(f"{FENCE}\n".join([before, head, text]), encoding="utf-8")
    except OSError as err:
        raise EnvironmentProblem(f"{path} cannot be written: {err.strerror}") from err
    return True


def _table(one: Checked) -> str:
    lines = ["", "[[checked]]", f'kernel = "{one.kernel}"', f'flavour = "{one.flavour}"']
    lines += [f"date = {one.date}", f"runs = {one.runs}", f"shown = {one.shown}"]
    if one.event_hashes:
        lines.append(f"event_hashes = {one.event_hashes}")
    return "\n".join([*lines, ""])
