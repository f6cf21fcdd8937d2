# SPDX-License-Identifier: GPL-2.0-only
"""Records, violations, and the bounds that keep a hostile guest from filling memory or disk."""

from __future__ import annotations

import io
import json

import pytest

from devmodel.trace import Trace


@pytest.fixture
def sink() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def trace(sink: io.StringIO) -> Trace:
    return Trace(sink)


def test_records_are_json_lines_with_ordinal_and_virtual_time(
    trace: Trace, sink: io.StringIO
) -> None:
    trace.now = lambda: 42
    trace.emit("hello", a=1)
    trace.emit("bye", b=[1, 2])
    records = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert records == [
        {"n": 1, "t": 42, "k": "hello", "a": 1},
        {"n": 2, "t": 42, "k": "bye", "b": [1, 2]},
    ]


def test_violation_is_counted_kept_and_written(trace: Trace, sink: io.StringIO) -> None:
    trace.violation("bad_ring", ring=5)
    assert trace.violation_counts == {"bad_ring": 1}
    assert trace.violations == [{"rule": "bad_ring", "t": 0, "ring": 5}]
    assert json.loads(sink.getvalue())["k"] == "violation"


def test_violations_kept_and_written_are_bounded_but_all_are_counted(
    sink: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trace, "MAX_KEPT", 10)
    trace = Trace(sink)
    for i in range(100):
        trace.violation("flood", i=i)
    trace.violation("other")
    assert trace.violation_counts == {"flood": 100, "other": 1}
    assert len(sink.getvalue().splitlines()) == 11
    assert len(trace.violations) == 10
    assert trace.violations[-1]["rule"] == "other"


def test_bytes_written_are_bounded(sink: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trace, "MAX_BYTES", 1000)
    trace = Trace(sink)
    for _ in range(100):
        trace.emit("x", pad="y" * 50)
    assert len(sink.getvalue()) < 1200


def test_without_a_sink_everything_is_still_counted() -> None:
    trace = Trace()
    trace.violation("rule")
    trace.counters["frames"] += 2
    assert (trace.violation_counts["rule"], trace.counters["frames"]) == (1, 2)


def test_a_field_may_be_called_like_a_parameter(trace: Trace, sink: io.StringIO) -> None:
    trace.emit("reset", kind="flr")
    assert json.loads(sink.getvalue())["kind"] == "flr"


def test_digest_is_of_records_and_of_what_has_none() -> None:
    def digest(*pieces: bytes, remark: str = "") -> str:
        trace = Trace(io.StringIO())
        trace.emit("began")
        for piece in pieces:
            trace.record(piece)
        if remark:
            trace.remark("host", name=remark)
        return trace.digest

    assert digest(b"a", b"b") == digest(b"a", b"b")
    assert digest(b"a", b"b") != digest(b"b", b"a")
    assert digest(b"a") != digest()
    assert digest(b"a", remark="one host") == digest(b"a", remark="another")


def test_remark_takes_no_number(trace: Trace, sink: io.StringIO) -> None:
    trace.emit("first")
    trace.remark("host")
    trace.emit("second")
    assert [json.loads(line)["n"] for line in sink.getvalue().splitlines()] == [1, 1, 2]


def test_record_is_written_before_anybody_hears_of_it(trace: Trace, sink: io.StringIO) -> None:
    """Whoever hears may end the card for it."""

    def end_it(kind: str, fields: dict[str, object]) -> None:
        raise KeyboardInterrupt

    trace.listener = end_it
    with pytest.raises(KeyboardInterrupt):
        trace.emit("guest_left")
    assert json.loads(sink.getvalue())["k"] == "guest_left"
