# SPDX-License-Identifier: GPL-2.0-only
"""What card and kernel complain of during a test, and what is on record of it."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.errors import ExitCode
from testbed.findings.kernel import GuestKernel
from tests.unit.testbed.plugin.played import PlayedPool

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("mark", "found", "outcome"),
    [
        ("", "{'doorbell_range': 2}", {"failed": 1}),
        ("@pytest.mark.expect_violation('doorbell_range')", "{'doorbell_range': 2}", {"passed": 1}),
        ("@pytest.mark.expect_violation('doorbell_range')", "{}", {"passed": 1, "errors": 1}),
        (
            "@pytest.mark.expect_violation('doorbell_range')",
            "{'doorbell_range': 1, 'dma_fault': 1}",
            {"failed": 1},
        ),
    ],
    ids=["unexpected", "expected", "did not come", "another one"],
)
def test_violations_fail_the_test(run: Any, mark: str, found: str, outcome: dict[str, int]) -> None:
    result, _ = run(
        f"import pytest\n{mark}\ndef test_it(dut, session_pool): session_pool.found = {found}\n"
    )
    result.assert_outcomes(**outcome)


def test_kernel_complaint_fails_the_test(run: Any) -> None:
    result, summary = run(
        """
def test_it(dut, session_pool):
    session_pool.complain("WARNING: net/core/dev.c:1 at f+0x1/0x2\\n")
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*WARNING: net/core/dev.c:1 at f*"])
    assert summary["checks"][0]["splats"][0]["function"] == "f"


REFUSED = "bnxt_en 0000:00:00.0 nut0: hwrm req_type 0x40 seq id 0x1 error 0x4\\n"
WARNS = "WARNING: hwrm.c:1 at req_type+0x1/0x2\\n"
EXPECTED = "import pytest\n@pytest.mark.expect_complaint('req_type')\n"


@pytest.mark.parametrize(
    ("mark", "said", "outcome"),
    [
        ("", [REFUSED], {"failed": 1}),
        (EXPECTED, [REFUSED], {"passed": 1}),
        (EXPECTED, [], {"passed": 1, "errors": 1}),
        (EXPECTED, [REFUSED, REFUSED.replace("req_type", "stat")], {"failed": 1}),
        (EXPECTED, [REFUSED, WARNS], {"failed": 1}),
    ],
    ids=["unexpected", "expected", "did not come", "another one", "the kernel's own"],
)
def test_driver_says_what_the_test_has_it_say(
    run: Any, mark: str, said: list[str], outcome: dict[str, int]
) -> None:
    result, _ = run(complaining(*said, mark=mark))
    result.assert_outcomes(**outcome)


@pytest.mark.parametrize("mark", ["expect_violation", "expect_complaint"])
def test_nothing_is_expected_of_a_test_that_is_skipped(run: Any, mark: str) -> None:
    result, _ = run(
        f"import pytest\n@pytest.mark.{mark}('x')\ndef test_it(dut): pytest.skip('not here')\n"
    )
    result.assert_outcomes(skipped=1)


KNOWN = "WARNING: bnxt.c:7 at bnxt_tx_int+0x1/0x2\\n"
OTHER = "WARNING: net/core/dev.c:1 at f+0x1/0x2\\n"
PANIC = "Oops: x\\nRIP: 0010:bnxt_tx_int+0x1/0x2\\nKernel panic - not syncing: Fatal exception\\n"
HANGS = "from testbed.errors import LostVM; raise LostVM('hangs')"
MARK = "import pytest\n@pytest.mark.finding('tx-warning')\n"


def complaining(*lines: str, more: str = "pass", mark: str = "") -> str:
    complaints = "".join(f'    session_pool.complain("{line}")\n' for line in lines)
    return f"{mark}def test_it(dut, defer, session_pool):\n{complaints}    {more}\n"


def test_complaint_on_file_is_a_finding_and_not_red(run: Any) -> None:
    result, summary = run(complaining(KNOWN))
    result.stdout.fnmatch_lines(["*tx-warning: *test_it*", "*1 finding*"])
    result.assert_outcomes()
    assert result.ret == 0
    assert summary["tests"] == {"passed": 0, "failed": 0, "skipped": 0, "findings": 1, "gone": 0}
    assert summary["findings"][0]["id"] == "tx-warning"
    assert summary["checks"][0]["reason"] == "tx-warning: It breaks"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (complaining(KNOWN, OTHER), "*dev.c:1 at f*"),
        (complaining(KNOWN, more="assert not 'the data differs'"), "*the data differs*"),
        (complaining(KNOWN, more="session_pool.found = {'dma_fault': 1}"), "*dma_fault*"),
        (complaining(KNOWN, mark=MARK, more="assert False"), "*assert False*"),
        (complaining(mark=MARK, more="assert False  # queue 3 is dead"), "*assert False*"),
        (complaining(mark=MARK), "*finding gone: tx-warning*"),
        (complaining(OTHER, mark=MARK), "*finding gone: tx-warning*"),
    ],
    ids=[
        "another complaint",
        "failed besides",
        "violation besides",
        "marked and failed besides",
        "words of the source line",
        "gone",
        "another instead",
    ],
)
def test_finding_hides_nothing_else(run: Any, text: str, reason: str) -> None:
    result, summary = run(text)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([reason])
    assert summary["verdict"] == "fail"


def test_marked_test_that_fails_as_the_file_says_is_a_finding(run: Any) -> None:
    result, summary = run(complaining(mark=MARK, more="assert False, 'queue 3 is dead'"))
    assert result.ret == 0
    assert summary["tests"]["findings"] == 1


BOTH = MARK + "@pytest.mark.finding('stays')\n"
KNOWN_TOO = KNOWN.replace("bnxt_tx_int", "bnxt_free")


SAID = "@pytest.mark.expect_complaint('req_type')\n"
SAID_THEN = SAID.replace(")", ", of='tx-warning')")


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        (complaining(more="assert False, 'queue 3 is dead'", mark=MARK + SAID), 0),
        (complaining(KNOWN, mark=MARK + SAID), 0),
        (complaining(KNOWN, mark="import pytest\n" + SAID), 1),  # it is not marked
        (complaining(KNOWN, mark=MARK + SAID_THEN), 1),
    ],
)
def test_what_a_finding_keeps_the_driver_from_saying_is_not_missed(
    run: Any, text: str, missed: int
) -> None:
    result, _ = run(text)
    result.assert_outcomes(errors=missed)
    result.stdout.fnmatch_lines(["*1 finding*"])


def test_test_is_marked_with_two_findings(run: Any) -> None:
    result, summary = run(complaining(KNOWN, KNOWN_TOO, mark=BOTH))
    assert result.ret == 0
    assert {one["id"] for one in summary["findings"]} == {"tx-warning", "stays"}
    result, _ = run(complaining(KNOWN_TOO, mark=BOTH))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*finding gone: tx-warning*"])


@pytest.mark.parametrize(
    ("mark", "rules", "findings"),
    [
        (MARK, "{'mapping_leaked': 2}", 1),
        ("", "{'mapping_leaked': 2}", 0),
        (MARK, "{'mapping_leaked': 2, 'dma_fault': 1}", 0),
    ],
    ids=["on file", "test not marked", "another besides"],
)
def test_violation_on_file_is_for_the_marked_test(
    run: Any, mark: str, rules: str, findings: int
) -> None:
    result, summary = run(complaining(mark=mark, more=f"session_pool.found = {rules}"))
    result.assert_outcomes(failed=1 - findings)
    assert summary["tests"]["findings"] == findings


def test_marked_test_on_a_kernel_before_it_is_an_ordinary_one(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = GuestKernel.of("7.1.0-testbed-uml-san")
    monkeypatch.setattr(PlayedPool, "kernel", kernel)
    result, summary = run(complaining(mark=MARK))
    result.assert_outcomes(passed=1)
    assert summary["gone"] == [], "it was never there"
    result, _ = run(complaining(KNOWN, mark=MARK))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*7.1.0-testbed-uml-san does not have as far as *"])


NEWER = GuestKernel.of("7.3.1-testbed-uml-san")
PATCHED = GuestKernel.of("7.2.12-testbed-uml-san", stock=False)


@pytest.mark.parametrize("kernel", [NEWER, PATCHED])
def test_finding_that_does_not_show_is_gone_and_not_red(
    run: Any, monkeypatch: pytest.MonkeyPatch, kernel: GuestKernel
) -> None:
    """On a kernel that may have it, other than the very one that showed it every time."""
    monkeypatch.setattr(PlayedPool, "kernel", kernel)
    result, summary = run(complaining(mark=MARK))
    result.stdout.fnmatch_lines(["*gone: bugs on record*", "tx-warning: *test_it*", "*1 gone*"])
    result.assert_outcomes()
    assert result.ret == 0
    tests = {"passed": 0, "failed": 0, "skipped": 0, "findings": 0, "gone": 1}
    assert (summary["tests"], summary["verdict"]) == (tests, "pass")
    assert [one["id"] for one in summary["gone"]] == ["tx-warning"]
    assert summary["checks"][0]["reason"] == "did not show: tx-warning: It breaks"
    result, summary = run(complaining(KNOWN, mark=MARK))
    assert (summary["tests"]["findings"], summary["gone"]) == (1, [])


TIED = f"{MARK}@pytest.mark.expect_complaint('req_type', of='tx-warning')\n"


@pytest.mark.parametrize(
    ("said", "outcome", "count"),
    [
        ([KNOWN, REFUSED], {}, "1 finding"),
        ([KNOWN], {"errors": 1}, "1 finding"),
        ([], {}, "1 gone"),
        ([REFUSED], {"failed": 1}, "tx-warning does not show"),
    ],
    ids=["both", "finding alone", "neither", "complaint alone"],
)
def test_what_is_said_because_of_a_finding_goes_with_it(
    run: Any, monkeypatch: pytest.MonkeyPatch, said: list[str], outcome: dict[str, int], count: str
) -> None:
    monkeypatch.setattr(PlayedPool, "kernel", PATCHED)
    result, _ = run(complaining(*said, mark=TIED))
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines([f"*{count}*"])


STAYS = KNOWN.replace("bnxt_tx_int", "bnxt_free")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (complaining(OTHER, mark=MARK), "fail"),
        (complaining(mark=MARK, more="assert not 'the data differs'"), "fail"),
        (complaining(STAYS, mark=MARK), "finding"),
    ],
    ids=["another complaint", "failed", "another finding"],
)
def test_what_happens_instead_is_judged_as_ever(
    run: Any, monkeypatch: pytest.MonkeyPatch, text: str, outcome: str
) -> None:
    monkeypatch.setattr(PlayedPool, "kernel", NEWER)
    _, summary = run(text)
    (check,) = summary["checks"]
    assert check["outcome"] == outcome
    assert check["gone"] == (["tx-warning"] if outcome == "finding" else [])


def test_finding_is_not_looked_for_on_a_flavour_that_does_not_show_it(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedPool, "kernel", GuestKernel.of("7.3.1-testbed-uml"))
    result, summary = run(complaining(mark=MARK))
    result.assert_outcomes(passed=1)
    assert summary["gone"] == []


def test_machine_lost_to_a_panic_on_file_is_a_finding(run: Any) -> None:
    lost = "from testbed.errors import LostVM; raise LostVM('panic')"
    result, summary = run(
        complaining(PANIC, more=lost)
        + "def test_next(dut, session_pool): assert session_pool.boots == 2\n"
    )
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert summary["tests"]["findings"] == 1


@pytest.mark.parametrize("mark", ["", MARK], ids=["not marked", "marked"])
def test_machine_lost_without_a_panic_is_lost_whatever_else_was_said(run: Any, mark: str) -> None:
    result, summary = run(complaining(KNOWN, more=HANGS, mark=mark))
    assert result.ret != 0
    assert summary["verdict"] == "lost-vm"


UNDONE = """
def test_complains(session_pool, dut, defer):
    defer(session_pool.lose)
    defer(session_pool.complain, "{}")
def test_next(dut, session_pool): assert session_pool.boots == 2
"""


def test_panic_in_the_undo_is_a_failure_with_its_splat(run: Any) -> None:
    result, summary = run(UNDONE.format(PANIC.replace("bnxt_tx_int", "bnxt_unknown")))
    result.assert_outcomes(passed=2, errors=1)
    assert (result.ret, summary["verdict"]) == (ExitCode.TEST_FAILURE, "fail")
    (undo,) = (check for check in summary["checks"] if check["outcome"] == "fail")
    assert (undo["name"], undo["fault"]) == ("test_complains (teardown)", None)
    assert (undo["splats"][0]["function"], undo["splats"][0]["panicked"]) == ("bnxt_unknown", True)
    result.stdout.fnmatch_lines(["*RIP: 0010:bnxt_unknown*"])


def test_panic_on_record_in_the_undo_is_a_finding(run: Any) -> None:
    result, summary = run(UNDONE.format(PANIC))
    assert result.ret == 0
    assert [check["findings"] for check in summary["checks"]] == [["tx-warning"], []]


def test_machine_lost_in_the_undo_without_a_panic_is_lost(run: Any) -> None:
    _, summary = run(UNDONE.format(OTHER))
    assert summary["verdict"] == "lost-vm"


def test_unknown_panic_of_the_test_itself_is_a_lost_machine(run: Any) -> None:
    _, summary = run(
        complaining(PANIC.replace("bnxt_tx_int", "bnxt_unknown"), more="session_pool.lose()")
    )
    assert (summary["verdict"], summary["checks"][0]["fault"]) == ("lost-vm", "lost VM")


def test_one_bug_repeated_is_counted_not_copied(run: Any, pytester: pytest.Pytester) -> None:
    trace = "".join(f"[ 1.0]  frame_{number}+0x1/0x2\\n" for number in range(150))
    one = "WARNING: net/core/dev.c:7 at odd+0x1/0x2, CPU#1: ip/%d\\n" + trace
    text = f"{one}[ 1.0] ---[ end trace 0 ]---\\n"
    result, summary = run(
        f"""
def test_complains(session_pool, dut):
    for number in range(2000): session_pool.complain("{text}" % number)
"""
    )
    result.assert_outcomes(failed=1)
    (splat,) = summary["checks"][0]["splats"]
    assert (splat["count"], splat["function"]) == (2000, "odd")
    assert len(result.stdout.str()) < 20_000
    for name in ("summary.json", "junit.xml", "results.ktap"):
        assert (pytester.path / "runs/latest" / name).stat().st_size < 20_000
    result.stdout.fnmatch_lines(["*more lines", "(2000 times; *", "all of it: vm-1/kernel.log"])


def test_verdict_of_the_card_comes_before_the_splats(run: Any) -> None:
    result, _ = run(
        """
def test_complains(session_pool, dut):
    session_pool.complain("WARNING: CPU: 1 PID: 7 at net/core/dev.c:7 odd+0x1/0x2\\n")
    session_pool.verdicts = [{"rule": "double_post", "t": 0, "culprit": "RX ring 1"}]
"""
    )
    text = result.stdout.str().partition("card or kernel complained:")[2]
    assert 0 < text.index("double_post at") < text.index("WARNING: CPU: 1")


def test_what_a_test_failed_with_stays_its_reason(run: Any) -> None:
    result, summary = run(
        """
def test_complains(session_pool, dut):
    session_pool.complain("WARNING: CPU: 1 PID: 7 at net/core/dev.c:7 odd+0x1/0x2\\n")
    assert session_pool.boots == 77, "one machine too few"
"""
    )
    (check,) = summary["checks"]
    assert check["reason"].startswith("AssertionError: one machine too few"), check["reason"]
    result.stdout.fnmatch_lines(["*one machine too few*", "*card or kernel complained:*WARNING*"])


def test_undo_that_shows_a_finding_makes_the_test_one(run: Any) -> None:
    result, summary = run(complaining(more=f'defer(session_pool.complain, "{KNOWN}")'))
    result.assert_outcomes()
    result.stdout.fnmatch_lines(["*1 finding*"])
    assert [check["outcome"] for check in summary["checks"]] == ["finding"]


@pytest.mark.parametrize(("function", "boots"), [("bnxt_tx_int", 1), ("bnxt_free", 2)])
def test_after_a_lasting_finding_comes_a_new_machine(run: Any, function: str, boots: int) -> None:
    text = complaining(KNOWN.replace("bnxt_tx_int", function))
    result, _ = run(
        text + f"def test_next(dut, session_pool):\n    assert session_pool.boots == {boots}\n"
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 passed, 1 finding*"])


HUNG = "raise AssertionError('queue 3 is dead')"
UNKILLED = "process 7 of the guest cannot be killed"


@pytest.mark.parametrize(
    ("finding", "fails", "why", "is_known"),
    [
        ("stays", HUNG, UNKILLED, True), ("stays", HUNG, "it is gone", False),
        ("tx-warning", HUNG, UNKILLED, False), ("stays", "pass", UNKILLED, False),
    ],
    ids=["what hangs", "something else", "of a finding that goes", "nothing hung before"],
)  # fmt: skip
def test_what_hangs_by_a_lasting_finding_cannot_be_killed_in_the_undo_either(
    run: Any, monkeypatch: pytest.MonkeyPatch, finding: str, fails: str, why: str, is_known: bool
) -> None:
    monkeypatch.setattr(PlayedPool, "kernel", NEWER)
    lose = f"defer(session_pool.lose, {why!r}); {fails}"
    result, _ = run(complaining(mark=MARK.replace("tx-warning", finding), more=lose))
    result.stdout.fnmatch_lines(["*2 finding*" if is_known else "*1 lost VM*"])
    assert (result.ret == 0) is is_known


def test_mark_of_no_finding_is_an_error_that_lists_them(run: Any) -> None:
    result, _ = run(complaining(mark=MARK.replace("tx-warning", "nothing")))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no finding 'nothing' is on record*"])


def test_undo_that_shows_the_finding_a_test_missed(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlayedPool, "kernel", NEWER)
    _, summary = run(complaining(mark=MARK, more=f'defer(session_pool.complain, "{KNOWN}")'))
    assert [check["outcome"] for check in summary["checks"]] == ["finding"]
    assert summary["checks"][0]["findings"] == ["tx-warning"]
    assert summary["gone"] == []
