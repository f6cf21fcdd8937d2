# SPDX-License-Identifier: GPL-2.0-only
"""A run directory becomes the record of a finding that explains that very run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import UsageProblem
from testbed.findings.head import Impact, Needs, Trigger
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import Finding, read_finding
from testbed.findings.record import record_check
from testbed.findings.splat_report import reports
from testbed.followup.file import SCHEDULE, TO_FILL, Known, file_finding, look
from tests.unit.testbed.followup.made_up import OOPS, check_of, leave, summary_of

LOG = """[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000032
[    1.000000] CPU: 0 PID: 77 Comm: sh
[    1.000000] RIP: 0010:bnxt_new_bug+0x1f0/0x3b0
"""
SPLAT = {**OOPS, "function": "bnxt_new_bug"}


def filed(tmp_path: Path, summary: dict[str, Any], log: str = "") -> tuple[Finding, list[str]]:
    leave(tmp_path / "run", summary, log)
    return file_finding("new-bug", look(tmp_path / "run"), tmp_path)


def test_of_a_test_with_a_splat(tmp_path: Path) -> None:
    check = check_of("fail", name="test_it (teardown)", reason="it broke", splats=[SPLAT])
    found, left = filed(tmp_path, summary_of(check), LOG)
    assert found.title == "bnxt_en: kernel NULL pointer dereference in bnxt_new_bug"
    assert (found.subsystem, found.files) == (
        "bnxt_en", ("drivers/net/ethernet/broadcom/bnxt/bnxt.c",),
    )  # fmt: skip
    assert (found.impact, found.needs) == (Impact.PANIC, Needs.NOTHING)
    assert found.reproducer.test == "tests/suite/link/test_reset.py::test_it"
    assert (found.reproducer.engine, found.reproducer.flavour, found.reproducer.seed) == (
        "uml", "uml", 1,
    )  # fmt: skip
    assert found.tests == ("tests/suite/link",)
    assert [(str(one.kernel), one.shown) for one in found.checked] == [("7.2.12", 1)]
    watcher = KernelLogWatcher()
    watcher.feed(LOG.encode())
    assert all(found.explains(one) for one in reports(watcher.events))
    text = found.path.read_text()
    assert TO_FILL in text
    assert 'files = ["drivers/net/ethernet/broadcom/bnxt/bnxt.c"]\n' in text
    checked = replace(found.checked[0], runs=20, shown=20)
    record_check(found.path, checked)
    assert read_finding(found.path).checked == (checked,), "what --record does later"
    assert any("pytest.mark.finding" in line for line in left)
    assert (found.folder / "evidence" / "7.2.12-uml" / "kernel.log").read_text() == LOG


@pytest.mark.parametrize(
    "provenance",
    [
        {"kernel release": "7.2.12"}, {"kernel packages own": "c0ffee"},
        {"kernel source version": "7.2.12-1", "kernel patches": "a.patch: applied"},
    ],
)  # fmt: skip
def test_of_a_kernel_that_nobody_else_has(provenance: dict[str, str], tmp_path: Path) -> None:
    """It is no check of the version that it calls itself."""
    found, _ = filed(tmp_path, summary_of(check_of("fail", reason="x"), provenance=provenance))
    assert not found.checked
    assert found.introduced is not None
    assert str(found.introduced.version) == "7.2.12"


@pytest.mark.parametrize(("graver", "named"), [([SPLAT], "oops"), ([], "failed HWRM command")])
def test_what_the_driver_says_of_the_card_is_the_bug_only_alone(
    tmp_path: Path, graver: list[dict[str, Any]], named: str
) -> None:
    refused = {
        **SPLAT, "sanitizer": "failed HWRM command", "function": None,
        "headline": "bnxt_en 0000:00:00.0 nut0: hwrm req_type 0x17 seq id 0x3f error 0x1",
    }  # fmt: skip
    check = check_of("fail", reason="it broke", splats=[refused] * 3 + graver)
    found, _ = filed(tmp_path, summary_of(check), LOG)
    assert {one.sanitizer for one in found.splat} == {named}


def test_the_pattern_has_no_address_and_no_line(tmp_path: Path) -> None:
    """Of the next build and the next run, too."""
    warning = {
        **SPLAT, "sanitizer": "WARNING", "kind": "WARN", "panicked": False,
        "headline": "WARNING: net/core/dev.c:123 at bnxt_new_bug+0x1f/0x30, CPU#0: sh/77",
    }  # fmt: skip
    found, _ = filed(tmp_path, summary_of(check_of("fail", splats=[warning])))
    [splat] = found.splat
    assert not any(character.isdigit() for character in splat.title.pattern), splat.title
    other = warning["headline"].replace("123", "456").replace("0x1f", "0xab").replace("77", "9")
    assert splat.title.search(other)
    assert found.impact is Impact.WARNING


@pytest.mark.parametrize("place", ["/kernel/source", "/build/reproducible-path/linux-7.2.12"])
def test_where_a_kernel_was_built_is_in_no_pattern(place: str, tmp_path: Path) -> None:
    where = f"{place}/net/core/dev.c:7"
    headline = f"UBSAN: array-index-out-of-bounds in {where}:4"
    splat = {**SPLAT, "sanitizer": "UBSAN", "headline": headline, "location": where}
    found, _ = filed(tmp_path, summary_of(check_of("fail", splats=[splat])))
    assert found.files == ("net/core/dev.c",)
    [one] = found.splat
    assert "build" not in one.title.pattern
    assert "source" not in one.title.pattern
    assert one.title.search("UBSAN: array-index-out-of-bounds in /elsewhere/net/core/dev.c:9:1")


def test_of_a_test_that_only_fails(tmp_path: Path) -> None:
    found, _ = filed(tmp_path, summary_of(check_of("fail", reason="7 of 10 bytes arrived")))
    assert found.title == f"{TO_FILL}: It works"
    assert found.is_failure("6 of 10 bytes arrived")
    assert found.failure is not None
    assert found.failure.pattern == r"\d+ of \d+ bytes arrived"
    assert not found.is_failure("all of 10 bytes arrived")
    assert not found.is_failure("all arrived")
    assert found.impact is Impact.WRONG_ANSWER


def test_the_failure_has_any_address_and_any_number(tmp_path: Path) -> None:
    reason = "assert 0xdeadbeef == 0\nwhere 0xdeadbeef = at (first.c)"
    found, _ = filed(tmp_path, summary_of(check_of("fail", reason=reason)))
    assert found.is_failure("assert 0xc0ffee == 1")
    assert not found.is_failure("assert 0xc0ffee is None")


def test_of_a_trial(tmp_path: Path) -> None:
    check = check_of("fail", name="restart-ring-refused", group="queue restart", splats=[SPLAT])
    found, left = filed(tmp_path, summary_of(check, job="faults"))
    assert found.reproducer.fault == "restart-ring-refused"
    assert (found.needs, found.tests) == (Needs.REFUSING_FIRMWARE, ("tests/suite/faults",))
    assert any("the catalogue's entry restart-ring-refused" in line for line in left)


def test_of_a_schedule(tmp_path: Path) -> None:
    """Whoever ran it knows more of it than a run directory says."""
    check = check_of("fail", name="0123abcd", group="", splats=[SPLAT])
    leave(tmp_path / "run", summary_of(check, job="fuzz"), LOG)
    (tmp_path / "run" / SCHEDULE).write_text('{"seed": 7}')
    known = Known({"needs": "lying card", "trigger": "card"}, "*Injected:* a lie", True)
    found, left = file_finding("new-bug", look(tmp_path / "run"), tmp_path, known)
    assert (found.reproducer.schedule, found.reproducer.script) == (SCHEDULE, None)
    assert (found.reproducer.seed, found.reproducer.deterministic) == (None, True)
    assert (found.needs, found.trigger) == (Needs.LYING_CARD, Trigger.CARD)
    assert (found.folder / SCHEDULE).read_text() == '{"seed": 7}'
    assert "*Injected:* a lie\n\n*Cause:*" in found.path.read_text()
    assert len(left) == 1, left


def test_of_a_command(tmp_path: Path) -> None:
    found, _ = filed(tmp_path, summary_of(job="exec"), LOG)
    script = found.folder / "reproduce.sh"
    assert found.reproducer.script == script.name
    assert "\nip link\ndmesg | grep -q bnxt_new_bug && exit 1\nexit 0\n" in script.read_text()
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["New", "../x", "a--b", "", "a b"])
def test_names(name: str, tmp_path: Path) -> None:
    leave(tmp_path / "run", summary_of(check_of("fail", reason="x")))
    with pytest.raises(UsageProblem, match="is no id"):
        file_finding(name, look(tmp_path / "run"), tmp_path)


def test_what_is_there_stays(tmp_path: Path) -> None:
    found, _ = filed(tmp_path, summary_of(check_of("fail", reason="x")))
    before = found.path.read_text()
    with pytest.raises(UsageProblem, match="exists"):
        file_finding("new-bug", look(tmp_path / "run"), tmp_path)
    assert found.path.read_text() == before


def test_of_several_the_one_with_a_splat_or_the_one_named(tmp_path: Path) -> None:
    checks = [check_of("fail", name="a"), check_of("fail", name="b", splats=[SPLAT]), check_of()]
    leave(tmp_path / "run", summary_of(*checks))
    chosen = look(tmp_path / "run").failed
    assert chosen is not None
    assert chosen["name"] == "b"
    chosen = look(tmp_path / "run", "a").failed
    assert chosen is not None
    assert chosen["name"] == "a"
    with pytest.raises(UsageProblem, match="no check 'c' failed"):
        look(tmp_path / "run", "c")


def test_what_is_on_record_is_not_filed_again(tmp_path: Path) -> None:
    known = {**SPLAT, "function": "bnxt_poll_p5"}  # napi-poll-after-complete
    found, _ = filed(tmp_path, summary_of(check_of("fail", splats=[known, SPLAT])))
    assert [one.function for one in found.splat] == ["bnxt_new_bug"]


def test_nothing_wrong_is_nothing_to_file(tmp_path: Path) -> None:
    leave(tmp_path / "run", summary_of(check_of()))
    with pytest.raises(UsageProblem, match="not on record"):
        look(tmp_path / "run")
    with pytest.raises(UsageProblem, match="no run directory"):
        look(tmp_path)


def test_what_the_guest_says_is_escaped(tmp_path: Path) -> None:
    hostile = {**SPLAT, "headline": "BUG: \x1b[31m+++", "function": "f\x1b[0m", "location": None}
    found, _ = filed(tmp_path, summary_of(check_of("fail", splats=[hostile])))
    assert "\x1b" not in found.path.read_text()
