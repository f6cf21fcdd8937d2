# SPDX-License-Identifier: GPL-2.0-only
"""Patterns and ranges of the catalogue and of the findings can fail, and match whole numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Expect, Fault
from testbed.findings.load import Finding, load_findings

_DIGITS = r"(?:\d|\\d|(?<!\\)\[[^\]]*\d[^\]]*\])"
_REPEATED = r"(?:[*+?]|\{\d+(?:,\d*)?\})*"
_GROUP = r"(?:\((?:\?:|\?i:)?)*"
NUMBER_OPEN_BEFORE = re.compile(rf"^{_GROUP}{_DIGITS}")
NUMBER_OPEN_AFTER = re.compile(rf"(?:{_DIGITS}|\b0x[0-9a-f]+){_REPEATED}(?:\){_REPEATED})*$")
LOST = re.compile(r"of (\d+) lost")
CATALOGUE = load_catalogue()
FINDINGS = load_findings()


def alternatives(pattern: str) -> list[str]:
    """The parts of ``pattern`` between its outermost bars."""
    parts, depth, escaped = [""], 0, False
    for letter in pattern:
        depth += not escaped and (letter in "([") - (letter in ")]")
        if letter == "|" and not depth and not escaped:
            parts.append("")
        else:
            parts[-1] += letter
        escaped = letter == "\\" and not escaped
    return parts


def is_inside_a_number(pattern: str) -> bool:
    """Whether it may match the end or the beginning of a longer number than it means."""
    return any(
        NUMBER_OPEN_BEFORE.search(one) or NUMBER_OPEN_AFTER.search(one)
        for one in alternatives(pattern)
    )


def matches_any_loss(pattern: str) -> bool:
    """Whether it matches however many echoes are lost."""
    found = LOST.search(pattern)
    if found is None:
        return False
    sent = int(found[1])
    return all(re.search(pattern, f"ping: {lost} of {sent} lost") for lost in range(sent + 1))


def wrong_in(expect: Expect) -> Iterator[str]:
    """What cannot fail, or means another number, one by one."""
    for pattern in (*expect.kernel_log, *expect.complaints, expect.output, expect.refused):
        if is_inside_a_number(pattern):
            yield f"{pattern!r} matches inside a longer number: add \\b"
        if matches_any_loss(pattern):
            yield f"{pattern!r} matches any number of losses"
    for counters in (expect.ethtool, expect.hwrm, expect.card, expect.fired):
        for name, (least, most) in counters.items():
            if not least and most is None:
                yield f"{name} 0 to any cannot fail"
            elif most is not None and most < least:
                yield f"{name} {least} to {most} cannot pass"


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_expectations_of_an_entry_can_fail(fault: Fault) -> None:
    assert [wrong for expect in fault.expect.all for wrong in wrong_in(expect)] == []


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_patterns_of_a_finding_match_whole_numbers(finding: Finding) -> None:
    patterns = [splat.title.pattern for splat in finding.splat]
    patterns += [finding.failure.pattern] if finding.failure is not None else []
    assert [one for one in patterns if is_inside_a_number(one)] == []


@pytest.mark.parametrize(
    "pattern",
    ["0 outstanding", "[1-9] channels", r"\d+ lost", "type 0x5[01]", "type 127", "(?:0|1) of",
     "a 0x(46|50)", "boom|1 of", "boom 7|x", "([0-9]{2,})", "error 1?", "type 0x4b",
     r"\[count=[12]"],
)  # fmt: skip
def test_open_numbers_are_refused(pattern: str) -> None:
    assert is_inside_a_number(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"\b0 outstanding", "ping: 1[0-9] of 20 lost", r"type 0x5[01]\b", "error 127$",
     "cons .* != expected cons", r"a 0x(46|50)\b", r"boom|\b1 of", "ready .*ms after", "",
     r"\[count=1\]"],
)  # fmt: skip
def test_closed_numbers_are_not(pattern: str) -> None:
    assert not is_inside_a_number(pattern)


def test_losses_of_any_number_are_refused() -> None:
    assert matches_any_loss("ping: [0-9]+ of 40 lost")
    assert matches_any_loss(r"\d+ of 20 lost")
    assert not matches_any_loss("ping: [1-9][0-9]* of 40 lost")
    assert not matches_any_loss("ping: [0-1] of 20 lost")
