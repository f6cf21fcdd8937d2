# SPDX-License-Identifier: GPL-2.0-only
"""The mode of a process's jails, and what is made of a jail's report."""

from __future__ import annotations

import pytest

from images.jail import start
from images.jail.start import JailReport


@pytest.fixture(autouse=True)
def _own_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(start.MODE_VARIABLE, start.FULL)


def test_less_must_be_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(start.MODE_VARIABLE)
    assert start.mode() == start.FULL
    monkeypatch.setenv(start.MODE_VARIABLE, "yes")
    assert start.mode() == start.FULL
    start.choose(start.WEAKER)
    assert start.weaker_allowed()


def test_report_is_read_among_other_lines() -> None:
    text = "jail lacks root: mount: no\nother\njail\njail lacks Landlock: no\njail failed x: y z"
    report = JailReport.parse(text)
    assert report == JailReport(("root: mount: no", "Landlock: no"), "x: y z")
    assert JailReport.parse("") == JailReport()


@pytest.mark.parametrize("part", start.REMEDIES)
def test_each_part_has_a_remedy(part: str) -> None:
    for report in (JailReport(failure=f"{part}: no"), JailReport(lacks=(f"{part}: no",))):
        assert report.remedy is not None
        assert "--jail weaker" in report.remedy


def test_what_is_not_the_hosts_has_none() -> None:
    assert JailReport(failure="the runner is gone").remedy is None


def test_a_report_of_a_run_names_what_was_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "probe", lambda: JailReport(("Landlock: none",)))
    assert start.describe() == "full"  # or there had been no run
    start.choose(start.WEAKER)
    assert start.describe() == "weaker, without Landlock: none"
    monkeypatch.setattr(start, "probe", JailReport)
    assert start.describe() == "full"
