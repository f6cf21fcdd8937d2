# SPDX-License-Identifier: GPL-2.0-only
"""The account of repeated runs, and the command's verdict on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from testbed.cli import repeat as uml_cli
from testbed.cli.main import make_app
from testbed.engines.uml.prepare import UmlPrepared
from testbed.errors import ExitCode
from testbed.repeat.recorded import Record
from testbed.repeat.repeat import Repeats
from testbed.workloads.scripts import cycles
from testbed.workloads.table import SCENARIOS


def test_account_counts_good_runs_only() -> None:
    account = Repeats(Counter({"a": 3, "b": 1}), ["lost VM: gone"], 2.0)
    assert account.runs == 4
    assert account.per_second == 2.0
    assert Repeats().per_second == 0.0


@pytest.mark.parametrize(
    ("hashes", "failures", "recorded", "expected"),
    [
        ({"a": 4}, [], None, ExitCode.PASS),
        ({"a": 4}, [], "a", ExitCode.PASS),
        ({"a": 4}, [], "b", ExitCode.TEST_FAILURE),
        ({"a": 3, "b": 1}, [], None, ExitCode.TEST_FAILURE),
        ({"a": 3}, ["lost VM: gone"], None, ExitCode.TEST_FAILURE),
        ({}, ["lost VM: gone"] * 4, None, ExitCode.TEST_FAILURE),
    ],
)
def test_only_one_hash_that_on_record_and_no_failure_pass(
    monkeypatch: pytest.MonkeyPatch, hashes: dict[str, int], failures: list[str],
    recorded: str | None, expected: ExitCode,
) -> None:  # fmt: skip
    def repeat(*_: Any, **__: Any) -> Iterator[Repeats]:
        yield Repeats(Counter(hashes), failures, 1.0)

    def find(scenario: str, inputs: str) -> Record | None:
        assert (scenario, inputs) == ("zcrx", "i")
        if recorded is None:
            return None
        return Record("zcrx", "uml", 1, "i", "k", "cpu", "7.2", "2026-11-20", 300, recorded)

    nothing: Any = None
    prepared = UmlPrepared(nothing, Path(), Path(), {})
    uml = replace(uml_cli.UML, prepare=lambda options, _report: (options, prepared))
    monkeypatch.setattr(uml_cli, "UML", uml)
    monkeypatch.setattr(uml_cli, "repeat", repeat)
    monkeypatch.setattr(uml_cli, "inputs_of", lambda *_: "i")
    monkeypatch.setattr(uml_cli, "find", find)
    done = CliRunner().invoke(make_app("repeat"), ["repeat", "zcrx", "--runs", "4"])
    assert done.exit_code == expected, done.output
    for digest in hashes:
        assert f"x {digest}" in done.output


def test_cycles_in_one_guest_play_the_scenario_that_was_asked_for() -> None:
    one = SCENARIOS["zcrx"]
    several = cycles(one, 3)
    assert one.script in several.script
    assert f"set -- {one.words[0]}\n" in several.script
    assert "$(seq 3)" in several.script
    assert cycles(SCENARIOS["ping"], 3).script != several.script
