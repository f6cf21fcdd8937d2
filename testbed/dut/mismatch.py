# SPDX-License-Identifier: GPL-2.0-only
"""Where a received stream differs from the seeded one that was sent, and whose bytes came instead.

Pure. The receiver compares as the bytes come and keeps the first differences with the bytes that
came (images/programs/lib/expected.h); here these are searched for in all flows of that seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

SEARCHED_BYTES = 16 << 20
"""So much of all flows together is searched: some seconds of computing, for a failure only."""
LEAST_BYTES = 8
"""Fewer bytes than these may be anybody's."""
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Run:
    """Bytes from the first to the last that differ; ``received``: how they begin."""

    offset: int
    length: int
    received: bytes


@dataclass(frozen=True)
class Differences:
    """All that differs in one flow. ``count`` runs, of which the ``first`` few are known."""

    count: int
    first: tuple[Run, ...]

    @classmethod
    def of(cls, flow: Mapping[str, Any]) -> Differences | None:
        """What a receiver printed of a flow; None if it names no place that differs."""
        if not flow.get("differs", {}).get("first"):
            return None
        runs = (
            Run(one["offset"], one["bytes"], bytes.fromhex(one["received"]))
            for one in flow["differs"]["first"]
        )
        return cls(flow["differs"]["count"], tuple(runs))


def describe(found: Differences, seed: int, flow: int, sent: Sequence[int]) -> str:
    """One sentence: offset, length, period, and where the first such bytes belong.

    ``flow`` is the number of this one at the sender; ``sent`` the bytes of each.
    """
    first = found.first[0]
    last = first.offset + first.length - 1
    words = [f"first difference at {first.offset}, {first.length} bytes"]
    if found.count > 1:
        words.append(f"{found.count} such places{_period(found.first)}")
    words.append(f"bytes {first.offset}..{last} {_origin(first, seed, flow, sent)}")
    return ", ".join(words[:-1]) + ": " + words[-1]


def _period(runs: Sequence[Run]) -> str:
    starts = [run.offset for run in runs]
    steps = {after - before for before, after in pairwise(starts)}
    if len(steps) == 1 and len(starts) > 2:
        return f", one every {steps.pop()} bytes"
    return f", at {', '.join(map(str, starts))}"


def _origin(run: Run, seed: int, flow: int, sent: Sequence[int]) -> str:
    received = run.received[: run.length]
    if len(set(received)) == 1 and len(received) >= LEAST_BYTES:
        return f"begin with {len(received)} times {received[0]:#04x}: never written, or poison"
    if len(received) < LEAST_BYTES:
        return f"came as {received.hex()}"
    others = (number for number in range(len(sent)) if number != flow)
    left = SEARCHED_BYTES
    for number in (flow, *others):
        size = min(sent[number], left)
        place = stream_bytes(seed, number, size).find(received)
        if place >= 0:
            return _belongs(run, place, None if number == flow else number)
        left -= size
    part = "" if left > 0 else f"first {SEARCHED_BYTES} bytes of the "
    return f"are expected nowhere in the {part}{len(sent)} flows of seed {seed}"


def _belongs(run: Run, place: int, other: int | None) -> str:
    if other is not None:
        return f"are those expected at {place} of flow {other}: another flow's buffer"
    back = run.offset - place
    told = f"an older buffer ({back} bytes back)" if back > 0 else f"{-back} bytes too early"
    return f"are those expected at {place}: {told}"


@lru_cache(maxsize=16)
def stream_bytes(seed: int, flow: int, length: int) -> bytes:
    """What `stream_tx` sends (images/programs/lib/sockets.c): xorshift64*, begun by splitmix64."""
    words = _words(seed, flow)
    count = -(-length // 8)
    return b"".join(next(words).to_bytes(8, "little") for _ in range(count))[:length]


def _words(seed: int, flow: int) -> Iterator[int]:
    x = (seed + (flow + 1) * 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & _MASK
    x = x ^ x >> 31 or 1
    while True:
        x ^= x >> 12
        x ^= (x << 25) & _MASK
        x ^= x >> 27
        yield x * 0x2545F4914F6CDD1D & _MASK
