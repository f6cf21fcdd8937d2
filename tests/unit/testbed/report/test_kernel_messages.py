# SPDX-License-Identifier: GPL-2.0-only
"""Kernel messages between the card's records, whatever the guest wrote into its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.report.kernel_messages import with_kernel
from testbed.report.trace import Reader, Topic
from tests.unit.testbed.report.test_trace import RECORDS, write

LOG = """[    0.000000] Linux version 7.2
[    9.000000] bnxt_en 0000:01:00.0: enabling device
[   10.500000][  T123] bnxt_en 0000:01:00.0 nut0: NIC Link is Up
Code: 48 89
[    10.600000] \x1b[31m<b>
"""
REQUEST_NS = 1_500_000_000


def reader(folder: Path, log: bytes | None) -> Reader:
    if log is not None:
        (folder / "kernel.log").write_bytes(log)
    return Reader(write(folder / "trace.jsonl", "no record\n"))


def test_messages_are_laid_over_the_first_request(tmp_path: Path) -> None:
    source = reader(tmp_path, LOG.encode())
    records = list(with_kernel(source))
    assert source.skipped == 1
    assert [record.t_ns for record in records] == sorted(record.t_ns for record in records)
    said = [record for record in records if record.topic is Topic.KERNEL]
    assert [record.t_ns for record in said] == [
        0, REQUEST_NS, REQUEST_NS + 1_500_000_000, REQUEST_NS + 1_600_000_000,
    ]  # fmt: skip
    assert said[2].title == "kernel bnxt_en 0000:01:00.0 nut0: NIC Link is Up"
    assert said[3].line() == "   3.100000000  kernel \\x1b[31m<b>"
    assert len(records) == len(said) + len(RECORDS)


@pytest.mark.parametrize(
    "log",
    [None, b"", b"[    1.000000] no driver\n", b"[99999999999.0] bnxt_en \n", b"\xff\x00" * 1000],
)
def test_without_a_message_of_the_driver_there_are_the_records_alone(
    tmp_path: Path, log: bytes | None
) -> None:
    records = list(with_kernel(reader(tmp_path, log)))
    assert [record.number for record in records] == [one["n"] for one in RECORDS]


def test_without_a_request_there_are_the_records_alone(tmp_path: Path) -> None:
    (tmp_path / "kernel.log").write_text(LOG)
    (tmp_path / "trace.jsonl").write_text('{"n": 1, "t": 5, "k": "reset"}\n')
    assert len(list(with_kernel(Reader(tmp_path / "trace.jsonl")))) == 1


def test_a_log_is_read_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.report.kernel_messages.MOST_LINES", 2)
    assert len(list(with_kernel(reader(tmp_path, LOG.encode())))) == len(RECORDS) + 2
