# SPDX-License-Identifier: GPL-2.0-only
"""The table of operations: its file, its page, and what guest.sh prints."""

from __future__ import annotations

import subprocess

import pytest

from tests.operations.__main__ import GUEST
from tests.operations.table import (
    PAGE,
    Group,
    Operation,
    Real,
    Result,
    Results,
    Table,
    agrees,
    page,
    problems,
    read_results,
    read_table,
    results_of,
    to_do,
    unlisted,
)

PRINTED = """\
=== 0 0
Settings:
\tSpeed

=== 1 75
netlink error: no
=== log 0
<4>[    1.0] before all
<14>[    2.0] operation 0 begins
<6>[    2.1] quiet
<14>[    2.2] operation 1 begins
<3>[    2.3] bnxt_en: wrong | bad
<14>[    2.4] operation end begins
<3>[    2.5] later
"""


def operation(run: str, **more: str) -> Operation:
    return Operation(run, Real(more.pop("real", "works")), more.pop("source", "guess"), **more)


def test_the_page_is_of_the_table_and_its_results() -> None:
    table, results = read_table(), read_results()
    assert list(problems(table, results)) == []
    assert PAGE.read_text(encoding="utf-8") == page(table, results)


def test_no_operation_leaves_a_line_that_is_not_explained() -> None:
    found = read_results().by_command()
    assert [one.run for one in read_table().operations() if unlisted(one, found[one.run])] == []


def test_what_the_guest_prints_is_read() -> None:
    operations = [operation("a"), operation("b", log="wrong", why="x")]
    results = results_of(operations, PRINTED, "7.2")
    assert results.results[0] == Result("a", 0, "Settings:", [])
    assert results.results[1] == Result("b", 75, "netlink error: no", ["bnxt_en: wrong | bad"])
    assert unlisted(operations[1], results.results[1]) == []
    assert unlisted(operation("b"), results.results[1]) == ["bnxt_en: wrong | bad"]
    assert agrees(operations[0], results.results[0])
    assert not agrees(operations[1], results.results[1])
    assert agrees(operation("b", real="refused"), results.results[1])


SPLAT = [
    "WARNING: net/devlink/dev.c:439 at devlink_reload+0x22e/0x270, CPU#0: devlink/730",
    "RIP: 0010:devlink_reload+0x22e/0x270",
    "Call Trace:",
    " devlink_nl_reload_doit+0x4d9/0x660",
    "---[ end trace 0000000000000000 ]---",
]


def test_a_finding_explains_its_splat_and_nothing_beside_it() -> None:
    one = operation("a", finding="devlink-reload-port-left")
    other = [line.replace("devlink_reload", "devlink_free") for line in SPLAT]
    result = Result("a", 0, "", ["before", *SPLAT, "after", *other])
    assert unlisted(one, result) == ["before", "after", *other]


def test_what_is_wrong_is_named() -> None:
    twice = operation("a", source="hearsay: x", log=".", finding="no-such")
    table = Table((Group("g", (twice, twice)),))
    assert set(problems(table, Results("7.2", [Result("a", 0, "")]))) == {
        "twice: a",
        "a: source: allowed: driver, log, vendor, kernel, guess",
        "a: log and why belong together",
        "a: log is of every line: name a finding, or words of the line",
        "a: no-such is not in docs/findings",
        "results.json is of other operations: python -P -m tests.operations",
    }


@pytest.mark.parametrize("real", ["works", "refused"])
def test_the_page_tells_lines_and_disagreement(real: str) -> None:
    table = Table((Group("g", (operation("a | b", real=real),)),))
    text = page(table, Results("7.2", [Result("a | b", 1, "no <x>", ["bad line"])]))
    assert "| `a \\| b` | 1: no &lt;x> | bad line |" in text
    assert ("## End otherwise here" in text) is (real == "works")
    assert "## Leave lines here" in text
    assert "1 leave an error" in text


def test_the_guest_takes_what_it_is_given() -> None:
    assert subprocess.run(["sh", "-n", GUEST], check=False).returncode == 0
    assert to_do([operation("a", undo="b")]) == "0\ta\tb\n"
    assert all("\t" not in one.run + one.undo for one in read_table().operations())
