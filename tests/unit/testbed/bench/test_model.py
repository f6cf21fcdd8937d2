# SPDX-License-Identifier: GPL-2.0-only
"""The card alone: which parts can be measured where, and what comes of what they print."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from testbed.bench import model
from testbed.bench.model import PARTS, document, measure, missing, table
from testbed.errors import GuestCommandFailed, UsageProblem
from testbed.host.child import Ended
from testbed.host.load import Load, LoadSeen

LOAD = LoadSeen(Load(1.0, 10, 1000), Load(2.0, 30, 2000), 2)


def test_an_installed_testbed_has_no_programs_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(missing()) <= {"receive", "oracle"}
    monkeypatch.setattr(model, "PROGRAMS", tmp_path / "nowhere")
    with pytest.raises(UsageProblem, match="needs a clone"):
        missing()


def test_what_lacks_a_package_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert missing() == {"receive": "scapy", "oracle": "scapy"}


def test_parts_are_run_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[str]] = []

    def run(words: Sequence[str], _log: Path, _limit_s: float) -> Ended:
        calls.append(words)
        printed = {"frame": {"off": 1.5, "on": 2.0}} if "--oracle" in words else {"frame": 7.25}
        return Ended(0, ["a line before", json.dumps(printed)], False)

    monkeypatch.setattr(model, "run_python", run)
    found = measure({"latency": "some package"}, tmp_path, lambda _text: None)
    assert found == {"receive": {"frame": 7.25}, "oracle": {"frame": {"off": 1.5, "on": 2.0}}}
    assert [words[-1] for words in calls] == ["--json", "--json"]
    told = document(found, {"latency": "some package"}, LOAD, "0123")
    assert told["parts"]["receive"]["frame"] == 7.25
    assert told["left_out"] == {"latency": "some package"}
    console = Console(file=io.StringIO(), width=100)
    console.print(table(found))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "7.25" in shown
    assert "off 1.50, on 2.00" in shown


def test_a_part_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "run_python", lambda *_: Ended(1, ["no interrupt"], False))
    with pytest.raises(GuestCommandFailed, match="latency: no interrupt"):
        measure({}, tmp_path, lambda _text: None)


@pytest.mark.parametrize("name", PARTS)
def test_programs_exist(name: str) -> None:
    module = PARTS[name].words[0]
    assert (model.PROGRAMS / f"{module.rpartition('.')[2]}.py").is_file()
