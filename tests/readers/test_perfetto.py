# SPDX-License-Identifier: GPL-2.0-only
"""Perfetto's own trace processor reads the file for it, and finds in it what the trace has."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from testbed.report import perfetto
from testbed.report.kernel_messages import with_kernel
from testbed.report.trace import Reader, traces_of
from tests.readers.trace_processor import Unreadable, strings
from tests.unit.testbed.report.test_trace import RECORDS, write

PROBLEMS = "select name from stats where value > 0 and severity in ('error', 'data_loss')"
EVENTS = """select slice.name, cast(slice.ts as text), thread.name, process.name
    from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid) order by slice.ts, slice.id"""
ARGUMENTS = "select flat_key || '=' || display_value from args order by id"


def test_each_record_is_where_it_belongs(tools: Path, tmp_path: Path) -> None:
    reader = Reader(write(tmp_path / "trace.jsonl"))
    text = perfetto.render({"vm-1": reader})
    problems, events, arguments = strings(tools, text.encode(), [PROBLEMS, EVENTS, ARGUMENTS])
    assert problems == []
    expected = [(one.title, str(one.t_ns), one.topic.value, "vm-1") for one in reader]
    assert list(zip(*[iter(events)] * 4, strict=True)) == expected
    assert len(expected) == len(RECORDS)
    assert "args.resp.ring_id=7" in arguments


def test_the_trace_of_a_run(tools: Path, main_job: Path) -> None:
    (file,) = traces_of(main_job)
    records = list(with_kernel(Reader(file)))
    problems, events = strings(
        tools, perfetto.render({"card": records}).encode(), [PROBLEMS, EVENTS]
    )
    assert problems == []
    assert Counter(events[0::4]) == Counter(record.title for record in records)
    assert set(events[2::4]) >= {"hwrm", "config", "kernel"}


def test_an_event_that_is_wrong_is_told(tools: Path) -> None:
    document = json.loads(perfetto.render({"vm-1": []}))
    no_time = {"ph": "i", "s": "t", "name": "x", "pid": 1, "tid": 1}
    document["traceEvents"].append(no_time)
    (problems,) = strings(tools, json.dumps(document).encode(), [PROBLEMS])
    assert problems


def test_a_file_that_is_no_trace_is_told(tools: Path) -> None:
    with pytest.raises(Unreadable):
        strings(tools, b"no trace at all", [PROBLEMS])
