# SPDX-License-Identifier: GPL-2.0-only
"""Two recordings side by side: each difference is found, and nothing else."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from testbed.conformance.diff import ABSENT, ORDER, Comparison, Severity, compare
from testbed.conformance.recording import MADE, Recording
from tests.unit.testbed.conformance.sample import recording

PLANTED = 60


def comparable() -> list[str]:
    return sorted(p for p in recording().values if p.partition("/")[0] not in MADE)


def changed(*paths: str, gone: bool = False) -> Recording:
    """With another value at each path, or without it."""
    values = dict(recording().values)
    for path in paths:
        value = values.pop(path)
        if not gone:
            values[path] = f"{value} planted"
    return replace(recording(), values=values)


def found(comparison: Comparison) -> list[str]:
    return [one.path for one in comparison.differences]


def test_the_same_has_no_difference() -> None:
    comparison = compare(recording(), recording())
    assert comparison == Comparison([], len(comparable()), {})
    assert comparison.compared > 300
    assert comparison.worst() is None


def test_every_single_value_is_compared() -> None:
    """Each in turn is another, and each in turn is gone."""
    whole = recording()
    for path in comparable():
        assert found(compare(whole, changed(path))) == [path]
        lacking = compare(whole, changed(path, gone=True))
        gone = [(one.path, one.right) for one in lacking.differences]
        section = path.partition("/")[0]
        assert gone == [(path, ABSENT)] or lacking.one_sided == {section: "left"}


@pytest.mark.parametrize("seed", range(5))
def test_planted_differences_are_found_and_nothing_else(seed: int) -> None:
    draw = random.Random(seed)
    planted = draw.sample(comparable(), PLANTED)
    damaged = changed(*planted)
    for path in planted[: PLANTED // 3]:
        del damaged.values[path]
    more = {f"pci/planted {n}": "1" for n in range(5)}
    damaged.values.update(more)
    assert found(compare(recording(), damaged)) == sorted([*planted, *more])
    assert found(compare(damaged, recording())) == sorted([*planted, *more])


def test_what_one_has_left_out_is_not_compared() -> None:
    path = "ip/maxmtu"
    without = replace(recording(), left_out={path: "of this host"})
    assert found(compare(without, changed(path))) == []


def test_a_section_of_one_alone_is_told() -> None:
    values = {p: v for p, v in recording().values.items() if not p.startswith("hwrm/")}
    comparison = compare(recording(), Recording(values))
    assert comparison.differences == []
    assert comparison.one_sided == {"hwrm": "left"}


def test_a_scrubbed_value_agrees_with_what_is_left_of_it() -> None:
    scrubbed = changed()
    scrubbed.values["permanent/Permanent address"] = "00:10:18:xx:xx:xx"
    scrubbed.values["info/board.serial_number"] = "xxxx"
    assert found(compare(recording(), scrubbed)) == []
    assert found(compare(scrubbed, recording())) == []
    scrubbed.values["permanent/Permanent address"] = "00:0a:f7:xx:xx:xx"
    assert found(compare(recording(), scrubbed)) == ["permanent/Permanent address"]


@pytest.mark.parametrize(
    ("path", "severity", "whose"),
    [
        ("module/exit", Severity.HIGH, "personality: module"),
        ("features/tx-checksum-sctp", Severity.HIGH, "the card's model"),
        ("rings/Pre-set maximums/RX", Severity.HIGH, "the card's model"),
        ("coalesce/rx-usecs", Severity.MEDIUM, "the card's model"),
        ("pci/revision", Severity.MEDIUM, "personality: pci_revision"),
        ("info/board.serial_number", Severity.LOW, "personality: serial"),
        ("link/Speed", Severity.LOW, "cable and link partner"),
        ("eee/message", Severity.LOW, "the card's model"),
    ],
)
def test_how_much_it_matters_and_whose_it_is(path: str, severity: Severity, whose: str) -> None:
    (one,) = compare(recording(), changed(path)).differences
    assert (one.severity, one.whose) == (severity, whose)
    assert compare(recording(), changed(path)).worst() is severity


def test_the_worst_comes_first() -> None:
    several = changed("eee/message", "pci/revision", "module/exit")
    assert compare(recording(), several).worst() is ORDER[0] is Severity.HIGH
    assert compare(recording(), changed("eee/message", "pci/revision")).worst() is ORDER[1]


def test_another_kernel_may_have_other_features() -> None:
    other = changed("features/ntuple-filters", "eee/message", "pci/revision")
    other.values["kernel/name"] = "6.12"
    told = {one.path: one.whose for one in compare(recording(), other).differences}
    assert told == {
        "features/ntuple-filters": "kernel or tools: they differ",
        "eee/message": "kernel or tools: they differ",
        "pci/revision": "personality: pci_revision",
    }
