# SPDX-License-Identifier: GPL-2.0-only
"""Completions held against the buffers taken, entry by entry."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.completion_check import CompletionCheck
from devmodel.faults.rule import Event
from devmodel.oracle.oracle import Oracle
from tests.unit.devmodel.bnxt.cardhost import arm
from tests.unit.devmodel.bnxt.rig import Queue, Rig

HDS, JUMBO, NORMAL = 2, 1, 0
TCP = 2 << 12


class Bench:
    """One queue whose buffers are taken by hand, and a check of its completions."""

    def __init__(self) -> None:
        self.rig = Rig(oracle=True)
        self.queue: Queue = self.rig.add_queue(rx_entries=32, agg_entries=64)
        oracle = self.rig.oracle
        assert isinstance(oracle, Oracle)
        assert self.queue.rx.ledger is not None
        self.oracle = oracle
        self.check = CompletionCheck(
            oracle,
            self.queue.rx.ledger,
            self.queue.agg.ledger,
            room=self.queue.rx.usable,
            queue=3,
        )

    def take(self, rx: int, agg: int = 0) -> None:
        """The card takes so many buffers."""
        for ring, count in ((self.queue.rx, rx), (self.queue.agg, agg)):
            for _ in range(count):
                assert ring.take() is not None
        self.oracle.settle()

    def look(self, *entries: bytes) -> set[str]:
        """Rules that these completions break."""
        self.check.look(bytearray(b"".join(entries)))
        return set(self.rig.trace.violation_counts)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def rx(opaque: int, first: int, *, payload: int = 66, placement: int = HDS, aggs: int = 0) -> bytes:
    word = 17 | TCP | placement << 7 | first << 16
    return struct.pack("<8I", word, opaque, aggs << 1 | payload << 16, 0, 0, 0, 0, 0)


def agg(index: int, kind: int = 18, agg_id: int = 0) -> bytes:
    """Its opaque is the one the rig gave the descriptor."""
    return struct.pack("<4I", kind | 1000 << 16, index * 3 + 5, agg_id << 16, 0)


def start(opaque: int, first: int, agg_id: int = 0) -> bytes:
    word = 19 | TCP | HDS << 7 | first << 16
    return struct.pack("<8I", word, opaque, agg_id << 16, 0, 0, 0, 0, 0)


def end(opaque: int, payload: int = 66, agg_id: int = 0) -> bytes:
    word = 21 | TCP | HDS << 7
    return struct.pack("<8I", word, opaque, agg_id << 16, 0, payload << 16, 0, 0, 0)


@pytest.mark.parametrize(
    ("taken", "entries"),
    [
        ((1, 0), [rx(0, 66)]),
        ((1, 1), [rx(0, 66, aggs=1), agg(0)]),
        ((2, 2), [rx(0, 66), agg(0), rx(1, 66), agg(1)]),
        ((2, 3), [rx(0, 66), agg(0), rx(1, 66), agg(1), agg(2)]),
        ((2, 1), [start(0, 66), agg(0, kind=22), end(1)]),
        ((4, 2), [start(0, 66), start(2, 66, 1), agg(0, 22), agg(1, 22, 1), end(3, 66, 1), end(1)]),
        ((1, 0), [rx(0, 60, payload=54, placement=NORMAL)]),
        ((1, 0), [rx(0, 600, payload=0, placement=NORMAL)]),
    ],
)
def test_true_completions(bench: Bench, taken: tuple[int, int], entries: list[bytes]) -> None:
    bench.check.is_split = True
    bench.take(*taken)
    assert not bench.look(*entries)


@pytest.mark.parametrize(
    ("taken", "entries"),
    [
        ((1, 0), [rx(1, 66)]),
        ((2, 0), [rx(0, 66), rx(0, 66)]),
        ((1, 1), [rx(0, 66), agg(1)]),
        ((2, 3), [rx(0, 66), agg(0), rx(1, 66), agg(1), agg(1)]),
    ],
)
def test_wrong_opaque(bench: Bench, taken: tuple[int, int], entries: list[bytes]) -> None:
    bench.take(*taken)
    assert bench.look(*entries) == {"completion_not_of_ring", "completion_missing"}


def test_completion_twice(bench: Bench) -> None:
    bench.take(1)
    assert bench.look(rx(0, 66), rx(0, 66)) == {"completion_not_of_ring"}


def test_missing_completion(bench: Bench) -> None:
    bench.take(2, 2)
    assert bench.look(rx(0, 66), agg(0), agg(1)) == {"completion_missing"}
    found = bench.rig.trace.violations[0]
    assert (found["ring"], found["opaque"], found["culprit"]) == ("RX", 1, "card model")


def test_open_aggregation_is_not_missing(bench: Bench) -> None:
    rings = bench.queue.rx, bench.queue.agg
    bench.oracle.open_buffers = lambda: [(0x1000, rings[0], 1), (0x2000, rings[1], 5)]
    bench.take(2, 1)
    assert not bench.look(start(0, 66))
    bench.oracle.open_buffers = tuple
    assert not bench.look(agg(0, kind=22), end(1))


def test_beside_an_open_aggregation_others_are_missing(bench: Bench) -> None:
    bench.oracle.open_buffers = lambda: [(0x1000, bench.queue.rx, 1)]
    bench.take(3)
    assert bench.look(start(0, 66)) == {"completion_missing"}
    assert bench.rig.trace.violations[0]["opaque"] == 2


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ([rx(0, 67)], "payload_in_header_buffer"),
        ([rx(0, 65)], "header_in_payload_buffer"),
        ([start(0, 70), end(1)], "payload_in_header_buffer"),
        ([start(0, 60), end(1)], "header_in_payload_buffer"),
    ],
)
def test_split_at_the_wrong_byte(bench: Bench, entries: list[bytes], rule: str) -> None:
    bench.take(len(entries))
    assert bench.look(*entries) == {rule}


def test_headers_longer_than_a_buffer_fill_it(bench: Bench) -> None:
    bench.check = CompletionCheck(bench.oracle, bench.check._rx, None, room=60, queue=3)
    bench.take(1)
    assert not bench.look(rx(0, 60))


@pytest.mark.parametrize("placement", [NORMAL, JUMBO])
def test_not_split_where_every_packet_is(bench: Bench, placement: int) -> None:
    bench.take(1)
    assert not bench.look(rx(0, 500, placement=placement))
    bench.check.is_split = True
    bench.take(1)
    assert bench.look(rx(1, 500, placement=placement)) == {"payload_in_header_buffer"}


def fire(bench: Bench, point: str, event: Event) -> None:
    """A fault that fires on this event, changes nothing, and is still armed."""
    faults = bench.oracle.dma.faults
    arm(faults, point, {"action": "set", "fields": {"length": 60}}, times=0)
    faults.consult(point, event)
    assert faults.injections == 1


@pytest.mark.parametrize(
    ("point", "event", "is_caused"),
    [
        ("rx.place", {"queue": 3, "length": 60}, True),
        ("rx.place", {"queue": 4, "length": 60}, False),
        ("rx.frame", {"length": 60}, False),
    ],
)
def test_wrong_split_is_blamed_on_a_fault_of_that_queue_only(
    bench: Bench, point: str, event: Event, is_caused: bool
) -> None:
    fire(bench, point, event)
    bench.take(1)
    bench.look(rx(0, 67))
    trace = bench.rig.trace
    counts = trace.caused_counts if is_caused else trace.violation_counts
    assert counts == {"payload_in_header_buffer": 1}
    assert sum((trace.caused_counts + trace.violation_counts).values()) == 1


def test_faults_do_not_lead_to_a_completion_that_is_missing(bench: Bench) -> None:
    fire(bench, "rx.place", {"queue": 3, "length": 60})
    bench.take(2)
    assert bench.look(rx(0, 66)) == {"completion_missing"}
