# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy send from provided buffers that name registered ones: what is taken, and what is sent.

The kernel is one with kernels/series/provided-registered-buffers.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from testbed.dut.protocols import Capability
from testbed.dut.sendzc import BEGIN, KIB, PORT, READER, Transcript, pair

from .conftest import Deliver, Play

pytestmark = pytest.mark.needs(Capability.REGISTERED_PROVIDED_BUFFERS)

GROUP = "group 1 16"
TAKEN_AT_MOST = 256


def reader(*lengths: int) -> Sequence[str]:
    """A remote end that hashes the stream in pieces of these lengths."""
    return [f"listen {{peer}} {PORT}", "accept 0", *[f"read 0 {length}" for length in lengths]]


def provide(entries: Sequence[tuple[int, int, int]], *, group: int = 1) -> list[str]:
    """Entries of (slot, offset, bytes); buffer IDs count from 100."""
    return [
        f"provide {group} {slot} {offset} {length} {100 + i}"
        for i, (slot, offset, length) in enumerate(entries)
    ]


def send(
    deliver: Deliver, entries: Sequence[tuple[int, int, int]], words: str, *sent: tuple[int, int]
) -> Transcript:
    """Provide entries, send once, and compare the parts of slot 0's memory that should arrive."""
    return deliver([
        *BEGIN, GROUP, *provide(entries), f"send 0 user=1 group=1 {words}", "completions 2",
        "consumed 1", *[f"hash 0 {offset} {length}" for offset, length in sent],
    ], reader(*[length for _, length in sent]))  # fmt: skip


def refuse(play: Play, *steps: str) -> tuple[str | None, Transcript]:
    """The errno of the send with user data 1, of which nothing must arrive; then the transcript."""
    here, there = play([*BEGIN, GROUP, *steps, "completions 2", "consumed 1"], READER)
    result, notification = pair(here.completions, 1)
    assert (result.buffer, notification.res) == (None, 0)
    assert there.hashes[0][0] == 0
    return result.error, here


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 4096), (0, 1 << 20), (4095, 2), (777_777, 12_345)], ids=str
)
def test_one_entry(deliver: Deliver, offset: int, length: int) -> None:
    """The entry's part of the buffer is sent, and the result names the entry."""
    here = send(deliver, [(0, offset, length)], "report", (offset, length))
    result, notification = pair(here.completions, 1)
    assert (result.res, result.buffer) == (length, 100)
    assert not notification.copied
    assert here.consumed == [1]


def test_only_one_entry_without_bundle(deliver: Deliver) -> None:
    """Of several entries a plain send takes the first."""
    here = send(deliver, [(0, 0, 4096), (0, 8192, 4096)], "", (0, 4096))
    assert pair(here.completions, 1)[0].res == 4096
    assert here.consumed == [1]


def test_length_cuts_an_entry(deliver: Deliver) -> None:
    """sqe->len below the entry's length: so much is sent, and the entry is used up."""
    here = send(deliver, [(0, 4096, 8192), (0, 0, 10)], "len=1000", (4096, 1000))
    assert pair(here.completions, 1)[0].res == 1000
    assert here.consumed == [1]


def test_bundle(deliver: Deliver) -> None:
    """All entries in one send: result of the sum and the first ID, and one notification."""
    parts = [(500_000, 5000), (0, 4096), (123_457, 1), (999_000, 40_000), (4096, 65_536)]
    entries = [(0, offset, length) for offset, length in parts]
    here = send(deliver, entries, "bundle report", *parts)
    result, notification = pair(here.completions, 1)
    assert (result.res, result.buffer) == (sum(length for _, length in parts), 100)
    assert not notification.copied
    assert here.consumed == [5]


def test_bundle_of_one(deliver: Deliver) -> None:
    """A bundle may find a single entry."""
    here = send(deliver, [(0, 3, 3333)], "bundle", (3, 3333))
    assert pair(here.completions, 1)[0].res == 3333


def test_bundle_of_the_same_part(deliver: Deliver) -> None:
    """Entries may overlap: the same bytes twice."""
    here = send(deliver, [(0, 0, 9000), (0, 4000, 9000)], "bundle", (0, 9000), (4000, 9000))
    assert pair(here.completions, 1)[0].res == 18_000


def test_bundle_is_paced_by_length(deliver: Deliver) -> None:
    """sqe->len bounds a bundle, so also what waits for one notification: whole entries only."""
    entries = [(0, i * 16 * KIB, 16 * KIB) for i in range(8)]
    here = deliver([
        *BEGIN, GROUP, *provide(entries),
        "send 0 user=1 group=1 bundle len=50K", "completions 2", "consumed 1",
        "send 0 user=2 group=1 bundle len=64K", "completions 2", "consumed 1",
        "send 0 user=3 group=1 bundle", "completions 2", "consumed 1",
        "shutdown 0", "hash 0 0 128K",
    ], READER)  # fmt: skip
    results = [pair(here.completions, user)[0] for user in (1, 2, 3)]
    assert [(cqe.res, cqe.buffer) for cqe in results] == [
        (48 * KIB, 100), (64 * KIB, 103), (16 * KIB, 107),
    ]  # fmt: skip
    assert here.consumed == [3, 7, 8]


def test_bundle_begins_with_a_cut_entry(deliver: Deliver) -> None:
    """If not even the first entry fits, a part of it is sent."""
    here = send(deliver, [(0, 0, 8192), (0, 8192, 8192)], "bundle len=5000", (0, 5000))
    assert pair(here.completions, 1)[0].res == 5000
    assert here.consumed == [1]


def test_bundle_has_a_limit(deliver: Deliver) -> None:
    """No more than 256 entries hang on one notification."""
    entries = [(0, i * KIB, KIB) for i in range(300)]
    here = deliver([
        *BEGIN, "group 1 512", *provide(entries), "send 0 user=1 group=1 bundle",
        "completions 2", "consumed 1", "shutdown 0", f"hash 0 0 {TAKEN_AT_MOST * KIB}",
    ], READER)  # fmt: skip
    assert pair(here.completions, 1)[0].res == TAKEN_AT_MOST * KIB
    assert here.consumed == [TAKEN_AT_MOST]


def test_bundle_is_of_one_registered_buffer(deliver: Deliver) -> None:
    """An entry of another buffer ends the bundle and begins the next."""
    entries = [(0, 0, 4096), (0, 4096, 4096), (2, 0, 4096), (0, 8192, 4096)]
    here = deliver([
        *BEGIN, "memory 1 64K 8", "slot 2 1 0 64K", GROUP, *provide(entries),
        "send 0 user=1 group=1 bundle", "completions 2",
        "send 0 user=2 group=1 bundle", "completions 2",
        "send 0 user=3 group=1 bundle", "completions 2",
        "consumed 1", "hash 0 0 8192", "hash 1 0 4096", "hash 0 8192 4096",
    ], reader(8192, 4096, 4096))  # fmt: skip
    results = [pair(here.completions, user)[0] for user in (1, 2, 3)]
    assert [(cqe.res, cqe.buffer) for cqe in results] == [(8192, 100), (4096, 102), (4096, 103)]


@pytest.mark.parametrize(
    "entry", [(0, 1 << 20, 1), (0, (1 << 20) - 10, 11), (0, 1 << 40, 1), (0, (1 << 44) - 1, 1)],
    ids=["beyond the end", "across the end", "far beyond", "largest offset"],
)  # fmt: skip
@pytest.mark.parametrize("words", ["", "bundle"], ids=["single", "bundle"])
def test_offset_beyond_the_buffer(play: Play, entry: tuple[int, int, int], words: str) -> None:
    """Nothing outside the registered buffer is sent, and the entry is not used up."""
    ahead = [(0, 0, 4096)] if words else []
    error, here = refuse(play, *provide([*ahead, entry]), f"send 0 user=1 group=1 {words}")
    assert error == "EFAULT"
    assert here.consumed == [0]


@pytest.mark.parametrize(
    "index", [1, 4, 0xFFFF, 0x10000, 0xFFFFF],
    ids=["empty slot", "beyond the table", "65535", "65536", "largest index"],
)  # fmt: skip
def test_index_without_a_buffer(play: Play, index: int) -> None:
    """No registered buffer of that index; 65536 must not be taken for 0."""
    error, here = refuse(play, f"provide 1 {index} 0 4096 9", "send 0 user=1 group=1")
    assert error == "EFAULT"
    assert here.consumed == [0]


def test_entry_outlives_a_refusal(deliver: Deliver) -> None:
    """An entry that could not be sent is sent as soon as its buffer is registered."""
    here = deliver([
        *BEGIN, GROUP, "provide 1 3 100 4096 55", "send 0 user=1 group=1", "completions 2",
        "slot 3 0 0 64K", "send 0 user=2 group=1", "completions 2", "consumed 1", "shutdown 0",
        "hash 0 100 4096",
    ], READER)  # fmt: skip
    assert pair(here.completions, 1)[0].error == "EFAULT"
    result = pair(here.completions, 2)[0]
    assert (result.res, result.buffer) == (4096, 55)
    assert here.consumed == [1]


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        (["send 0 user=1 group=1"], "ENOBUFS"),
        (["send 0 user=1 group=1 bundle"], "ENOBUFS"),
        (["send 0 user=1 group=2"], "ENOENT"),
        (["provide 1 0 0 0 5", "send 0 user=1 group=1"], "ENOBUFS"),
        (["provide 1 0 0 4096 5", "send 0 user=1 group=1 unfixed"], "EINVAL"),
        (["provide 1 0 0 4096 5", "send 0 user=1 group=1 vectorized"], "EINVAL"),
        (["send 0 user=1 slot=0 len=4096 bundle"], "EINVAL"),
        (["buffers 2 0 0 4096 5", "send 0 user=1 group=2"], "EINVAL"),
    ],
    ids=[
        "empty ring", "empty ring, bundle", "no such group", "entry of no bytes",
        "not registered", "vectorized", "bundle without a group", "buffers without a ring",
    ],
)  # fmt: skip
def test_refused(play: Play, steps: Sequence[str], error: str) -> None:
    """What cannot be sent is refused, and both completions come."""
    found, here = refuse(play, *steps)
    assert found == error
    assert here.consumed == [0]


def test_sendmsg_takes_no_entries(play: Play) -> None:
    """Another opcode with a buffer group is refused before it has a notification."""
    here, there = play([
        *BEGIN, GROUP, "provide 1 0 0 4096 5", "send 0 user=1 group=1 sendmsg", "completions 1",
        "settle 50", "consumed 1",
    ], READER)  # fmt: skip
    (result,) = here.completions
    assert (result.error, result.more) == ("EOPNOTSUPP", False)
    assert here.consumed == [0]
    assert there.hashes[0][0] == 0


def test_ring_wraps_around(deliver: Deliver) -> None:
    """A ring of 16 entries is used five times over, three entries at a time."""
    steps, hashes = [], []
    for turn in range(27):
        parts = [((turn * 3 + i) * 5000, 4999) for i in range(3)]
        steps += provide([(0, offset, length) for offset, length in parts])
        steps += [f"send 0 user={turn} group=1 bundle", "completions 2"]
        hashes += [f"hash 0 {offset} {length}" for offset, length in parts]
    here = deliver([*BEGIN, GROUP, *steps, "consumed 1", *hashes], reader(*([4999] * 81)))
    assert all(pair(here.completions, turn)[0].res == 3 * 4999 for turn in range(27))
    assert here.consumed == [81]


def test_incremental_consumption(deliver: Deliver) -> None:
    """IOU_PBUF_RING_INC: the offset moves on by what was sent; the index stays."""
    here = deliver([
        *BEGIN, "memory 1 64K 9", "slot 3 1 0 64K", "group 1 16 inc",
        "provide 1 3 1000 10000 7", "provide 1 3 20000 5000 8",
        "send 0 user=1 group=1 len=4000", "completions 2", "entry 1 0", "consumed 1",
        "send 0 user=2 group=1 len=4000", "completions 2", "entry 1 0", "consumed 1",
        "send 0 user=3 group=1", "completions 2", "consumed 1",
        "shutdown 0", "hash 1 1000 10000",
    ], READER)  # fmt: skip
    results = [pair(here.completions, user)[0] for user in (1, 2, 3)]
    assert [(cqe.res, cqe.buffer, cqe.buffer_more) for cqe in results] == [
        (4000, 7, True), (4000, 7, True), (2000, 7, False),
    ]  # fmt: skip
    entries = [(step["index"], step["offset"], step["bytes"]) for step in here.of("entry")]
    assert entries == [(3, 5000, 6000), (3, 9000, 2000)]
    assert here.consumed == [0, 0, 1]


def test_incremental_bundle(deliver: Deliver) -> None:
    """A bundle of such a ring may end in the middle of an entry; the next one begins there."""
    entries = [(0, i * 10_000, 10_000) for i in range(3)]
    here = deliver([
        *BEGIN, "group 1 16 inc", *provide(entries),
        "send 0 user=1 group=1 bundle len=15000", "completions 2", "consumed 1", "entry 1 1",
        "send 0 user=2 group=1 bundle", "completions 2", "consumed 1",
        "shutdown 0", "hash 0 0 30000",
    ], READER)  # fmt: skip
    first, second = (pair(here.completions, user)[0] for user in (1, 2))
    assert (first.res, first.buffer, first.buffer_more) == (15_000, 100, True)
    assert (second.res, second.buffer, second.buffer_more) == (15_000, 101, False)
    (entry,) = here.of("entry")
    assert (entry["index"], entry["offset"], entry["bytes"]) == (0, 15_000, 5000)
    assert here.consumed == [1, 3]
