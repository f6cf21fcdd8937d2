# SPDX-License-Identifier: GPL-2.0-only
"""What a command without a table says at its end of card and kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cli.seen import tell_seen, telling
from testbed.engines.open import build_options, new_session, prepare_run
from testbed.options import ENGINES
from testbed.report.results import RunReport
from testbed.report.seen import Seen, SeenKind
from tests.unit.testbed.engines.toy.engine import WARNS

FOLDER = Path("/runs/a-folder-with-a-long-name/" + "x" * 100)
SEEN = Seen(kind=SeenKind.VIOLATION, name="rule", text="[bold]no markup[/] " + "y" * 100)


def told(capsys: pytest.CaptureFixture[str], *seen: Seen, quiet: bool = True) -> list[str]:
    tell_seen(seen, FOLDER, quiet=quiet)
    out, err = capsys.readouterr()
    assert out == ""  # it is the guest's
    return err.splitlines()


def test_one_line_each_and_where_the_rest_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, SEEN, SEEN) == [SEEN.line, SEEN.line, f"logs: {FOLDER}"]


def test_nothing_where_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == []
    assert told(capsys, quiet=False) == [f"logs: {FOLDER}"]


def test_what_a_session_saw_is_told_and_reported_however_it_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(ENGINES, "toy", "tests.unit.testbed.engines.toy.engine")
    options, prepared = prepare_run(build_options({"engine": "toy"}), lambda _text: None)

    report = RunReport("toy", "", ())

    def work() -> None:
        with telling(new_session(options, tmp_path, prepared), report) as session:
            session.dut.run(WARNS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    line, logs = capsys.readouterr().err.splitlines()
    assert line.startswith("kernel: WARNING")
    assert [one.line for one in report.seen] == [line]
    assert logs == f"logs: {tmp_path}"
