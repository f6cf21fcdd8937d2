# SPDX-License-Identifier: GPL-2.0-only
"""One kernel of the matrix: each way it can end is a verdict of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.host.child import Ended
from testbed.matrix import run
from testbed.matrix.columns import Column
from testbed.matrix.run import ColumnResult, ColumnVerdict, MatrixRequest, run_column

COLUMN = Column("7.2")
REQUEST = MatrixRequest(("zcrx",), iommu="on", cpus=2, seed=7)


class Processes:
    """Stands for the two processes of a column: what they are given, how they end."""

    def __init__(self, boot: int, summary: object = None) -> None:
        self.boot, self.summary = boot, summary
        self.words: list[list[str]] = []

    def __call__(self, words: Sequence[str], log: Path, limit_s: float) -> Ended:
        self.words.append(list(words))
        if "exec" in words:
            return Ended(self.boot, ["the last line"], timed_out=False)
        if self.summary is not None:
            folder = log.parent / "suite" / "latest"
            folder.mkdir(parents=True)
            (folder / "summary.json").write_text(json.dumps(self.summary))
        return Ended(1, ["ImportError"], timed_out=False)


def ended(processes: Processes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ColumnResult:
    monkeypatch.setattr(run, "run_python", processes)
    return run_column(COLUMN, REQUEST, folder, lambda _text: None)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (1, ColumnVerdict.NO_NIC), (2, ColumnVerdict.NOT_BUILT), (3, ColumnVerdict.NOT_AVAILABLE),
        (4, ColumnVerdict.MODEL), (5, ColumnVerdict.NO_BOOT), (-9, ColumnVerdict.NOT_AVAILABLE),
    ],
)  # fmt: skip
def test_a_kernel_that_does_not_come_up(
    code: int, verdict: ColumnVerdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes(code)
    found = ended(processes, tmp_path, monkeypatch)
    assert (found.verdict, found.reason) == (verdict, "the last line")
    assert len(processes.words) == 1, "no suite on a kernel that is not up"


def test_no_result_is_not_the_kernels_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ended(Processes(0), tmp_path, monkeypatch)
    assert (found.verdict, found.reason) == (ColumnVerdict.NO_RESULT, "ImportError")
    assert not found.verdict.blames_kernel


def test_the_suite_runs_on_what_booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = {
        "name": "t", "group": "tests/suite/zcrx/t.py", "title": "T", "outcome": "skip",
        "reason": "requires x", "fault": None, "findings": [],
    }  # fmt: skip
    summary = {"kernel_release": "7.2.12", "provenance": {}, "checks": [check]}
    processes = Processes(0, summary)
    found = ended(processes, tmp_path, monkeypatch)
    assert (found.verdict, found.release) == (ColumnVerdict.RAN, "7.2.12")
    assert found.cells["zcrx/t.py::t"].reason == "requires x"
    assert "--kernel 7.2 --engine qemu --seed 7 --iommu on --cpus 2" in " ".join(processes.words[0])
    assert "--testbed-iommu on" in " ".join(processes.words[1])
