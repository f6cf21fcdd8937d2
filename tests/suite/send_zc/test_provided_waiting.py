# SPDX-License-Identifier: GPL-2.0-only
"""Provided registered buffers and a socket without room: the questions of the series' review.

What do two notifications mean, what becomes of a part that was sent, how are notifications paced?
"""

from __future__ import annotations

import pytest

from testbed.dut.protocols import Capability
from testbed.dut.sendzc import (
    BEGIN,
    KIB,
    LET_GO,
    PORT,
    READER,
    SLOW_BEGIN,
    SLOW_READER,
    pair,
)

from .conftest import Deliver, Play

pytestmark = pytest.mark.needs(Capability.REGISTERED_PROVIDED_BUFFERS)

GROUP = "group 1 16"
MEBIBYTE = [f"provide 1 0 {i * 128 * KIB} 128K {100 + i}" for i in range(8)]


def test_partial_send_keeps_its_entries(deliver: Deliver) -> None:
    """A bundle the socket has no room for waits and goes on: all entries, one result, no part."""
    here = deliver([
        *SLOW_BEGIN, GROUP, *MEBIBYTE, "send 0 user=1 group=1 bundle", "settle 200",
        "consumed 1", "tell 1", "completions 2", "consumed 1", "shutdown 0", "hash 0 0 1M",
    ], SLOW_READER)  # fmt: skip
    assert here.settled == [[]]
    assert here.consumed == [8, 8]
    result, _ = pair(here.completions, 1)
    assert (result.res, result.buffer) == (1024 * KIB, 100)


def test_partial_single_send_goes_on(deliver: Deliver) -> None:
    """The same with one entry of 1 MiB: MSG_WAITALL is implied."""
    here = deliver([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 1M 3", "send 0 user=1 group=1", "settle 200",
        "tell 1", "completions 2", "shutdown 0", "hash 0 0 1M",
    ], SLOW_READER)  # fmt: skip
    assert here.settled == [[]]
    result, _ = pair(here.completions, 1)
    assert (result.res, result.buffer) == (1024 * KIB, 3)


def test_entries_of_a_part_are_nobody_elses(deliver: Deliver) -> None:
    """While a bundle waits in the middle, a second send finds only what it left."""
    here = deliver([
        *SLOW_BEGIN, f"connect 2 {{peer}} {PORT}", GROUP, *MEBIBYTE,
        "send 0 user=1 group=1 bundle", "settle 100", "send 2 user=2 group=1", "completions 2",
        "provide 1 0 5 1000 44", "send 2 user=3 group=1", "completions 2", "consumed 1",
        "tell 1", "completions 2", "shutdown 0", "hash 0 0 1M", "hash 0 5 1000",
    ], [
        f"listen {{peer}} {PORT} 4K", "accept 0", "accept 1", "accept 2", "await 1", "drain 0",
        "read 2 1000",
    ])  # fmt: skip
    assert pair(here.completions, 2)[0].error == "ENOBUFS"
    result, _ = pair(here.completions, 3)
    assert (result.res, result.buffer) == (1000, 44)
    assert here.consumed == [9]
    assert pair(here.completions, 1)[0].res == 1024 * KIB


def test_nothing_sent_is_nothing_consumed(play: Play) -> None:
    """A send that waits for a full socket leaves the ring alone until it can send."""
    here, there = play([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 64K 1", "stuff 0",
        "send 0 user=1 group=1 bundle", "settle 200", "consumed 1",
        "tell 1", "completions 2", "consumed 1", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    assert here.settled == [[]]
    assert here.consumed == [0, 1]
    result, _ = pair(here.completions, 1)
    assert (result.res, result.buffer) == (64 * KIB, 1)
    (stuffed,) = here.of("stuff")
    assert there.hashes[0][0] == stuffed["bytes"] + 64 * KIB


def test_waiting_send_takes_what_is_there_then(play: Play) -> None:
    """Entries published while the send waits are part of its bundle."""
    here, there = play([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 4096 1", "stuff 0", "send 0 user=1 group=1 bundle",
        "settle 100", "provide 1 0 4096 4096 2", "tell 1", "completions 2", "consumed 1",
        "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    result, _ = pair(here.completions, 1)
    assert (result.res, result.buffer) == (8192, 1)
    assert here.consumed == [2]
    assert there.hashes[0][0] == here.of("stuff")[0]["bytes"] + 8192


def test_waiting_send_holds_no_buffer(play: Play) -> None:
    """A slot emptied while nothing has been sent: the send finds it empty, as it is then."""
    here, there = play([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 4096 1", "stuff 0", "send 0 user=1 group=1",
        "settle 100", "empty 0", "tell 1", "completions 2", "consumed 1", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    assert pair(here.completions, 1)[0].error == "EFAULT"
    assert here.consumed == [0]
    assert there.hashes[0][0] == here.of("stuff")[0]["bytes"]


def test_no_wait(play: Play) -> None:
    """MSG_DONTWAIT on a full socket: EAGAIN, nothing consumed, and the notification."""
    here, _ = play([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 64K 1", "stuff 0",
        "send 0 user=1 group=1 dontwait", "completions 2", "consumed 1", "tell 1", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    result, notification = pair(here.completions, 1)
    assert (result.error, result.buffer, notification.res) == ("EAGAIN", None, 0)
    assert here.consumed == [0]


def test_notification_is_for_the_whole_bundle(deliver: Deliver) -> None:
    """Until the receiver has read the last entry, no entry of the bundle is free."""
    here = deliver([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 24K 1", "provide 1 0 500000 24K 2",
        "send 0 user=1 group=1 bundle", "settle 300", "tell 1", "completions 1", "shutdown 0",
        "hash 0 0 24K", "hash 0 500000 24K",
    ], [*SLOW_READER[:-1], "read 0 24K", "read 0 24K"])  # fmt: skip
    (early,) = here.settled
    assert [(cqe.notification, cqe.res) for cqe in early] == [(False, 48 * KIB)]
    pair(here.completions, 1)


def test_two_sends_have_notifications_of_their_own(deliver: Deliver) -> None:
    """Four completions for two bundles; each notification comes after its own result."""
    here = deliver([
        *BEGIN, GROUP, *[f"provide 1 0 {i * 4096} 4096 {i}" for i in range(6)],
        "send 0 user=1 group=1 bundle len=12288", "send 0 user=2 group=1 bundle",
        "completions 4", "settle 50", "shutdown 0", "hash 0 0 24K",
    ], READER)  # fmt: skip
    assert len(here.completions) == 4
    first, second = (pair(here.completions, user)[0] for user in (1, 2))
    assert [(cqe.res, cqe.buffer) for cqe in (first, second)] == [(12_288, 0), (12_288, 3)]


def test_memory_is_reused_after_its_notification(deliver: Deliver) -> None:
    """The same part of a buffer, written again after each notification: every version arrives."""
    steps = []
    for turn in range(12):
        steps += [f"fill 0 0 128K {turn + 50}", "hash 0 0 128K", "provide 1 0 0 128K 1"]
        steps += [f"send 0 user={turn} group=1 bundle", "completions 2"]
    here = deliver(
        [*BEGIN, GROUP, *steps], [f"listen {{peer}} {PORT}", "accept 0", *["read 0 128K"] * 12]
    )
    for turn in range(12):
        assert pair(here.completions, turn)[0].res == 128 * KIB
    assert len({sha256 for _, sha256 in here.hashes}) == 12


@pytest.mark.parametrize("words", ["", "bundle"], ids=["single", "bundle"])
def test_emptied_slot_is_held(deliver: Deliver, words: str) -> None:
    """A buffer unregistered and unmapped with data under way stays until the notification."""
    here = deliver([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 48K 1", f"send 0 user=1 group=1 {words}", "submit",
        "hash 0 0 48K", *LET_GO, "tell 1", "completions 2", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    assert pair(here.completions, 1)[0].res == 48 * KIB


def test_worker_takes_entries_at_once(deliver: Deliver) -> None:
    """IOSQE_ASYNC: io-wq does not hold the ring while it sends, so it takes its entries first."""
    here = deliver([
        *SLOW_BEGIN, GROUP, *MEBIBYTE, "send 0 user=1 group=1 bundle async", "settle 200",
        "consumed 1", "tell 1", "completions 2", "shutdown 0", "hash 0 0 1M",
    ], SLOW_READER)  # fmt: skip
    assert here.consumed == [8]
    result, _ = pair(here.completions, 1)
    assert (result.res, result.buffer) == (1024 * KIB, 100)


def test_peer_is_gone(play: Play) -> None:
    """A reset connection: the send fails, its notification comes, the entry stays."""
    here, _ = play([
        f"connect 0 {{peer}} {PORT}", f"connect 1 {{peer}} {PORT}", *BEGIN[1:], GROUP,
        "provide 1 0 0 4096 1", "await 1", "settle 50", "send 0 user=1 group=1 bundle",
        "completions 2", "consumed 1",
    ], [f"listen {{peer}} {PORT}", "accept 0", "accept 1", "reset 0", "tell 1"])  # fmt: skip
    result, _ = pair(here.completions, 1)
    assert result.error in ("ECONNRESET", "EPIPE")
    assert (result.buffer, here.consumed) == (None, [0])


def test_peer_goes_in_the_middle(play: Play) -> None:
    """Reset after a part was sent: the result is that part, with the ID of the first entry."""
    here, _ = play([
        *SLOW_BEGIN, GROUP, *MEBIBYTE, "send 0 user=1 group=1 bundle", "settle 200", "tell 1",
        "completions 2", "consumed 1",
    ], [*SLOW_READER[:-1], "reset 0"])  # fmt: skip
    result, _ = pair(here.completions, 1)
    assert 0 < result.res < 1024 * KIB
    assert (result.buffer, here.consumed) == (100, [8])


def test_ring_goes_with_a_bundle_under_way(deliver: Deliver) -> None:
    """The ring ends while a bundle is in the socket: what was taken still arrives as it was."""
    deliver([
        *SLOW_BEGIN, GROUP, "provide 1 0 0 24K 1", "provide 1 0 24K 24K 2",
        "send 0 user=1 group=1 bundle", "submit", "hash 0 0 48K", "end", "tell 1",
    ], SLOW_READER)  # fmt: skip


def test_ring_goes_with_a_send_waiting(play: Play) -> None:
    """The ring ends while a bundle has sent a part and waits: no more than that part arrives."""
    here, there = play([
        *SLOW_BEGIN, GROUP, *MEBIBYTE, "send 0 user=1 group=1 bundle", "settle 200", "end",
        "tell 1", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    sent, sha256 = there.hashes[0]
    assert 0 < sent < 1024 * KIB
    same, _ = play(["memory 0 1M 7", f"hash 0 0 {sent}"])
    assert same.hashes == [(sent, sha256)]
    assert not here.errors
