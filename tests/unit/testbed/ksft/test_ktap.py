# SPDX-License-Identifier: GPL-2.0-only
"""Reading the output of the kernel's selftests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.ksft.ktap import Case, KtapResult, count, parse, settle

HDS = """\
TAP version 13
1..4
ok 1 hds.get_hds
# Exception| Traceback (most recent call last):
# Exception|   File "hds.py", line 7, in set_hds
# Exception| lib.py.utils.CmdExitFailure: Command failed
# Exception| CMD: ethtool -G nut0
not ok 2 hds.set_hds
ok 3 hds.set_xdp # SKIP tcp-data-split not supported by device
ok 4 hds.late # XFAIL known
# Totals: pass:1 fail:1 xfail:1 xpass:0 skip:1 error:0
"""


def outcomes(text: str, exit_code: int | None = 0, lost: str = "") -> list[KtapResult]:
    cases = settle(parse(text), file="drivers/net/x.py", exit_code=exit_code, lost=lost)
    return [case.outcome for case in cases]


def test_parse_reads_outcomes_names_and_reasons() -> None:
    document = parse(HDS)
    assert document.planned == 4
    assert [(case.name, case.outcome) for case in document.cases] == [
        ("hds.get_hds", KtapResult.PASS),
        ("hds.set_hds", KtapResult.FAIL),
        ("hds.set_xdp", KtapResult.SKIP),
        ("hds.late", KtapResult.XFAIL),
    ]
    assert document.cases[1].reason == "lib.py.utils.CmdExitFailure: Command failed"
    assert document.cases[2].reason == "tcp-data-split not supported by device"
    assert len(document.cases[1].diagnostics) == 4
    assert document.trailing == ("Totals: pass:1 fail:1 xfail:1 xpass:0 skip:1 error:0",)


def test_failed_check_is_the_reason() -> None:
    document = parse("1..1\n# Check| At x.py, line 3\n# Check failed 1 != 2\nnot ok 1 a\n")
    assert document.cases[0].reason == "Check failed 1 != 2"


def test_skip_whose_undo_failed_is_a_failure() -> None:
    assert outcomes("1..1\nnot ok 1 a # SKIP no hardware\n", exit_code=1) == [KtapResult.FAIL]


def test_planned_cases_without_a_result_failed() -> None:
    text = "TAP version 13\n1..3\nok 1 a\n# last words\n"
    cases = settle(parse(text), file="f.py", exit_code=None, lost="lost VM: kernel panic")
    assert [case.outcome for case in cases] == [KtapResult.PASS, KtapResult.FAIL, KtapResult.FAIL]
    assert "kernel panic" in cases[1].reason
    assert cases[1].diagnostics == ("last words",)


def test_exit_code_judges_a_program_without_results() -> None:
    assert outcomes("all is well\n", exit_code=0) == [KtapResult.PASS]
    assert outcomes("no such device\n", exit_code=1) == [KtapResult.FAIL]
    assert outcomes("SKIP: two ports needed\n", exit_code=4) == [KtapResult.SKIP]
    assert outcomes("", exit_code=None, lost="time limit") == [KtapResult.FAIL]
    assert outcomes("TAP version 13\n1..0 # SKIP nothing to do\n", exit_code=0) == [KtapResult.SKIP]


def test_failing_exit_code_is_never_lost() -> None:
    assert outcomes("1..1\nok 1 a\n", exit_code=0) == [KtapResult.PASS]
    assert outcomes("1..1\nok 1 a\n", exit_code=1) == [KtapResult.PASS, KtapResult.FAIL]
    assert outcomes("1..1\nok 1 a\n", exit_code=0, lost="time limit") == [
        KtapResult.PASS, KtapResult.FAIL,
    ]  # fmt: skip
    assert outcomes("1..1\nnot ok 1 a\n", exit_code=1) == [KtapResult.FAIL]


def test_nested_results_are_not_counted_twice() -> None:
    text = "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 x\n  not ok 2 y\nnot ok 1 a\n"
    document = parse(text)
    assert [case.name for case in document.cases] == ["a"]
    assert "  not ok 2 y" in document.cases[0].diagnostics


def test_count_has_every_outcome() -> None:
    assert count([Case("a", KtapResult.PASS), Case("b", KtapResult.PASS)]) == {
        KtapResult.PASS: 2, KtapResult.FAIL: 0, KtapResult.SKIP: 0, KtapResult.XFAIL: 0,
    }  # fmt: skip


def test_escape_sequences_do_not_survive() -> None:
    case = parse("1..1\nok 1 \x1b[31mred\x1b[0m\x07\n").cases[0]
    assert "\x1b" not in case.name
    assert "\x07" not in case.name


@given(st.text())
def test_any_text_parses(text: str) -> None:
    cases = settle(parse(text), file="f.py", exit_code=1)
    assert any(case.outcome is KtapResult.FAIL for case in cases) or any(
        case.outcome is KtapResult.XFAIL for case in cases
    )
