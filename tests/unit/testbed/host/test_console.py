# SPDX-License-Identifier: GPL-2.0-only
"""What is printed to a pipe keeps its lines."""

from __future__ import annotations

import pytest
from rich.table import Table

from testbed.host.console import console

LONG = "/a/folder" * 30 + "/20261122-064854-44537c"


@pytest.mark.parametrize("stderr", [False, True])
def test_nothing_is_wrapped_or_cut_off_a_terminal(
    stderr: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table("test", "why")
    table.add_row(LONG, "a reason " * 40)
    made = console(stderr=stderr)
    made.print(table)
    made.print(LONG)
    said = capsys.readouterr()[stderr]
    assert LONG in said.splitlines()
    assert any(LONG in line and "a reason " * 39 in line for line in said.splitlines())
    assert max(map(len, said.splitlines())) < 1000


def test_columns_of_the_environment_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "57")
    assert console().width == 57
