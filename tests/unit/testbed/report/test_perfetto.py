# SPDX-License-Identifier: GPL-2.0-only
"""The file for Perfetto, by the rules of the Trace Event Format."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.report import perfetto
from testbed.report.trace import Reader
from tests.unit.testbed.report.test_trace import RECORDS, write


def test_every_record_is_an_instant_on_the_thread_of_its_topic(tmp_path: Path) -> None:
    reader = Reader(write(tmp_path / "trace.jsonl"))
    document = json.loads(perfetto.render({"vm-1": reader, "vm-2": []}))
    events = document["traceEvents"]
    names = {
        (one["name"], one["pid"], one["tid"]): one["args"]["name"]
        for one in events
        if one["ph"] == "M"
    }
    assert {names["process_name", pid, 0] for pid in (1, 2)} == {"vm-1", "vm-2"}
    instants = [one for one in events if one["ph"] == "i"]
    assert [one["ts"] for one in instants] == [record["t"] / 1000 for record in RECORDS]
    for one in instants:
        assert (one["pid"], one["s"]) == (1, "t")
        assert names["thread_name", 1, one["tid"]] == one["cat"]
        assert isinstance(one["args"], dict)
    assert instants[1]["name"] == "hwrm RING_ALLOC"
    assert instants[1]["args"]["resp"] == {"ring_id": 7}
