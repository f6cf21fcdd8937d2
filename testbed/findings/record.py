# SPDX-License-Identifier: GPL-2.0-only
"""Writes into a finding's file how often it was replayed."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.errors import EnvironmentProblem
from testbed.findings.load import FENCE, Replayed, read_finding

_TABLE = re.compile(r"\n\[\[replayed\]\]\n(?:\w+ = .*\n)*")


def record_replay(path: Path, replayed: Replayed) -> None:
    """Put ``replayed`` in the place of what the file has of that kernel; the rest stays.

    Raises ConfigProblem if the file is no finding, EnvironmentProblem if it cannot be written.
    """
    others = [one for one in read_finding(path).replayed if one.kernel != replayed.kernel]
    before, head, text = path.read_text(encoding="utf-8").split(f"{FENCE}\n", 2)
    tables = "".join(_table(one) for one in sorted([*others, replayed], key=lambda r: r.kernel))
    head = _TABLE.sub("", head) + tables
    try:
        path.write_text(f"{FENCE}\n".join([before, head, text]), encoding="utf-8")
    except OSError as err:
        raise EnvironmentProblem(f"{path} cannot be written: {err.strerror}") from err


def _table(one: Replayed) -> str:
    lines = ["", "[[replayed]]", f'kernel = "{one.kernel}"']
    lines += [f"runs = {one.runs}", f"shown = {one.shown}"]
    if one.event_hashes:
        lines.append(f"event_hashes = {one.event_hashes}")
    return "\n".join([*lines, ""])
