# SPDX-License-Identifier: GPL-2.0-only
"""A session by hand: whatever ends it, the report says so, and what was seen until then."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from testbed.engines.open import build_options
from testbed.engines.session import Session
from testbed.errors import EnvironmentProblem, GuestTimeout, LostVM
from testbed.host.interrupt import Interrupted
from testbed.job import by_hand
from testbed.job.by_hand import HandRequest, Work, run_by_hand
from testbed.options import ENGINES
from testbed.report import summary
from tests.unit.testbed.engines.toy.engine import WARNS


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "toy", "tests.unit.testbed.engines.toy.engine")


def run(folder: Path, work: Work, *, strict: bool = False) -> tuple[int, dict[str, Any]]:
    """Exit code and summary.json."""
    request = HandRequest(
        job="exec", options=build_options({"engine": "toy", "seed": 1}, start=folder),
        command=["testbed", "exec"], words=["a", "b c"], runs=folder, strict=strict,
    )  # fmt: skip
    report, directory = run_by_hand(request, work, lambda _text: None)
    document = json.loads((directory.path / "summary.json").read_text())
    jsonschema.validate(document, summary.schema())
    return report.exit_code, document


def warn(session: Session) -> int:
    session.dut.run(WARNS)
    return 0


def test_report_is_that_of_any_job(tmp_path: Path) -> None:
    code, document = run(tmp_path, lambda _session: 0)
    assert (code, document["exit_code"], document["verdict"]) == (0, 0, "pass")
    assert (document["job"], document["kernel_release"]) == ("exec", "0.1-toy")
    assert document["seen"] == []
    (check,) = document["checks"]
    assert (check["title"], check["outcome"]) == ("a 'b c'", "pass")
    assert "testcase" in (tmp_path / "latest/junit.xml").read_text()


@pytest.mark.parametrize(
    ("error", "code", "verdict"),
    [
        (LostVM("panic"), 5, "lost-vm"),
        (GuestTimeout("9 s"), 124, "fail"),
        (EnvironmentProblem("disk full"), 3, "environment"),
        (Interrupted(signal.SIGTERM), 143, "interrupted"),
        (ZeroDivisionError("a bug of ours"), 4, "model"),
    ],
)
def test_what_was_seen_outlives_every_end(
    tmp_path: Path, error: BaseException, code: int, verdict: str
) -> None:
    def work(session: Session) -> int:
        warn(session)
        raise error

    returned, document = run(tmp_path, work)
    assert (returned, document["exit_code"], document["verdict"]) == (code, code, verdict)
    assert document["command_status"] == (124 if code == 124 else None)
    assert [one["kind"] for one in document["seen"]] == ["kernel"]


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_strict_makes_it_a_failure(tmp_path: Path, strict: bool, code: int) -> None:
    returned, document = run(tmp_path, warn, strict=strict)
    assert (returned, document["exit_code"]) == (code, code)
    assert [one["kind"] for one in document["seen"]] == ["kernel"]
    assert document["tests"]["failed"] == code


def test_preparation_that_fails_leaves_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EnvironmentProblem("no mirror")

    monkeypatch.setattr(by_hand, "prepare_run", fail)
    code, document = run(tmp_path, warn)
    assert (code, document["verdict"]) == (3, "environment")
    assert document["problem"]["message"] == "no mirror"
