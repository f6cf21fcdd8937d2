# SPDX-License-Identifier: GPL-2.0-only
"""The card's trace as records and text, whatever is in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.report.trace import Filter, Reader, Record, Topic, traces_of

RECORDS = [
    {"n": 1, "t": 5, "k": "reset", "kind": "transport"},
    {"n": 2, "t": 1_500_000_000, "k": "hwrm", "cmd": "RING_ALLOC", "seq": 9,
     "req": {"ring_type": 2}, "error": "SUCCESS", "resp": {"ring_id": 7}},
    {"n": 3, "t": 2_000_000_000, "k": "fault_effect", "id": "x", "detail": "\x1b[31m"},
    {"n": 4, "t": 3_000_000_000, "k": "violation", "rule": "double_post", "ring": 7},
    {"n": 5, "t": 3_000_000_001, "k": "late_doorbell", "type": "SRQ", "id": 8, "index": 1},
]  # fmt: skip


def write(path: Path, *more: str) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in RECORDS) + "".join(more))
    return path


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return list(Reader(write(tmp_path / "trace.jsonl")))


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), [1, 2, 3, 4, 5]),
        (Filter(only=frozenset({Topic.HWRM, Topic.FAULT})), [2, 3]),
        (Filter(ring=7), [2, 4]),
        (Filter(since_s=2.0), [3, 4, 5]),
        (Filter(since_s=1.0, until_s=3.0), [2, 3, 4]),
        (Filter(only=frozenset({Topic.DOORBELL, Topic.RESET})), [1, 5]),
    ],
)
def test_filters(records: list[Record], wanted: Filter, numbers: list[int]) -> None:
    assert [record.number for record in records if wanted.takes(record)] == numbers


def test_lines_say_everything_and_drive_no_terminal(records: list[Record]) -> None:
    lines = [record.line() for record in records]
    assert lines[1] == (
        "   1.500000000  hwrm RING_ALLOC  req{ring_type=2} error=SUCCESS resp{ring_id=7}"
    )
    assert lines[2].endswith("fault_effect  id=x detail=\\x1b[31m")
    assert lines[3] == "   3.000000000  violation double_post  ring=7"


def test_what_is_no_record_is_counted(tmp_path: Path) -> None:
    bad = ["{\n", "[]\n", '{"n": true, "t": 0, "k": "x"}\n', '{"n": 1, "t": 0, "k": 3}\n']
    deep = '{"n": 1, "t": 0, "k": "x", "y": ' + "[" * 5000 + "]" * 5000 + "}\n"
    cut = '{"n": 9, "t": 0, "k": "x"}'
    reader = Reader(write(tmp_path / "trace.jsonl", *bad, deep, cut))
    assert [record.number for record in reader] == [1, 2, 3, 4, 5]
    assert reader.skipped == len(bad) + 2


def test_what_the_card_did_last_stands_at_its_time(tmp_path: Path) -> None:
    last = [
        {"n": 5, "t": 7, "k": "doorbell", "type": "CQ_ARMALL", "ring_id": 7, "index": 3},
        {"n": 5, "t": 9, "k": "dma", "access": "write", "purpose": "cqe", "ring": "CQ",
         "ring_id": 7, "iova": 4096, "length": 32},
        {"n": 5, "t": 2_000_000_001, "k": "dma", "access": "read", "purpose": "tx_bd", "ring": "TX",
         "ring_id": 1, "iova": 8192, "length": 16},
        {"n": 5, "t": 2_000_000_002, "k": "interrupt", "vector": 2},
    ]  # fmt: skip
    file = write(tmp_path / "trace.jsonl", *(json.dumps(one) + "\n" for one in last))
    found = list(Reader(file).by_time())
    assert [one.t_ns for one in found] == sorted(one["t"] for one in (*RECORDS, *last))
    told = [one for one in found if one.is_activity]
    assert [one.topic for one in told] == [
        Topic.DOORBELL, Topic.COMPLETION, Topic.DMA, Topic.INTERRUPT,
    ]  # fmt: skip
    assert told[1].line() == (
        "   0.000000009  dma cqe  access=write ring=CQ ring_id=7 iova=4096 length=32"
    )
    assert told[3].line() == "   2.000000002  interrupt 2"
    assert [one.t_ns for one in found if Filter(ring=1).takes(one)] == [2_000_000_001]


def test_traces_of_a_suite_are_those_of_its_machines(tmp_path: Path) -> None:
    for name in ("vm-2", "vm-1"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "trace.jsonl")
    assert [path.parent.name for path in traces_of(tmp_path)] == ["vm-1", "vm-2"]
    assert traces_of(tmp_path / "vm-1/trace.jsonl") == [tmp_path / "vm-1/trace.jsonl"]
    with pytest.raises(UsageProblem, match=r"no trace\.jsonl"):
        traces_of(tmp_path / "absent")
