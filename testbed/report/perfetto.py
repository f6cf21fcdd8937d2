# SPDX-License-Identifier: GPL-2.0-only
"""A trace for ui.perfetto.dev or chrome://tracing.

Source: "Trace Event Format" (Google): the JSON object form, instant events, metadata events.
Every run (machine) is a process, every topic a thread of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from testbed.report.trace import Record, Topic

_THREADS = {topic: number for number, topic in enumerate(Topic, start=1)}


def render(records_of: Mapping[str, Iterable[Record]]) -> str:
    """The file's text; ``records_of``: of each machine by its name."""
    events: list[dict[str, Any]] = []
    for pid, (name, records) in enumerate(records_of.items(), start=1):
        events.append(_name("process_name", pid, 0, name))
        events += [_name("thread_name", pid, tid, topic.value) for topic, tid in _THREADS.items()]
        events += [_event(pid, record) for record in records]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}) + "\n"


def _name(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "ts": 0, "args": {"name": name}}


def _event(pid: int, record: Record) -> dict[str, Any]:
    return {
        "name": record.title, "cat": record.topic.value, "ph": "i", "s": "t",
        "ts": record.t_ns / 1000, "pid": pid, "tid": _THREADS[record.topic],
        "args": {"n": record.number, **record.fields},
    }  # fmt: skip
