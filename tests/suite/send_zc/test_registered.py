# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy send as every kernel has it: two completions, and memory that is held until then."""

from __future__ import annotations

import pytest

from testbed.dut.protocols import Dut
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


@pytest.mark.parametrize(
    "source", ["mem=0 offset=0", "slot=0 offset=0", "slot=0 offset=12345"], ids=str
)
def test_result_then_notification(deliver: Deliver, source: str) -> None:
    """A send has two completions: the bytes sent, then that its memory is free."""
    offset = int(source.rpartition("=")[2])
    here = deliver([
        *BEGIN, f"send 0 user=1 {source} len=64K waitall", "completions 2", "shutdown 0",
        f"hash 0 {offset} 64K",
    ], READER)  # fmt: skip
    result, notification = pair(here.completions, 1)
    assert (result.res, result.buffer) == (64 * KIB, None)
    assert notification.res == 0


def test_usage_report(deliver: Deliver) -> None:
    """With IORING_SEND_ZC_REPORT_USAGE the notification says that nothing was copied."""
    here = deliver([
        *BEGIN, "send 0 user=1 slot=0 len=256K waitall report", "completions 2", "shutdown 0",
        "hash 0 0 256K",
    ], READER)  # fmt: skip
    assert not pair(here.completions, 1)[1].copied


def test_usage_report_of_local_traffic(dut: Dut, play: Play) -> None:
    """The control: to an address of its own the kernel copies, and says so."""
    local = [
        f"listen {dut.ipv4} {PORT}", f"connect 0 {dut.ipv4} {PORT}", "accept 1", *BEGIN[1:],
        "send 0 user=1 slot=0 len=16K waitall report", "submit", "read 1 16K", "completions 2",
        "hash 0 0 16K",
    ]  # fmt: skip
    here, _ = play(local)
    assert pair(here.completions, 1)[1].copied
    assert here.hashes[0] == here.hashes[1]


@pytest.mark.finding("sendzc-usage-shared-skb")
def test_usage_report_of_joined_sends(deliver: Deliver) -> None:
    """Small sends that wait in one sk_buff are no less zero-copy than one that has its own."""
    sends = [f"send 0 user={i} slot=0 offset={i * KIB} len=1K report" for i in range(8)]
    here = deliver([
        *SLOW_BEGIN, "send 0 user=99 slot=0 offset=64K len=16K waitall", *sends, "settle 100",
        "tell 1", "completions 9", "shutdown 0", "hash 0 64K 16K", "hash 0 0 8K",
    ], [*SLOW_READER[:-1], "read 0 16K", "drain 0"])  # fmt: skip
    copied = [user for user in range(8) if pair(here.completions, user)[1].copied]
    assert not copied, f"said to be copied: {copied}"


def test_many_sends_in_order(deliver: Deliver) -> None:
    """32 sends that the socket has room for: results in their order, one notification each."""
    sends = [f"send 0 user={i} slot=0 offset={i * KIB} len=1K" for i in range(32)]
    here = deliver(
        [*BEGIN, *sends, "completions 64", "settle 50", "shutdown 0", "hash 0 0 32K"], READER
    )
    assert len(here.completions) == 64
    for user in range(32):
        assert pair(here.completions, user)[0].res == KIB
    results = [cqe.user for cqe in here.completions if not cqe.notification]
    assert results == list(range(32))


def test_notification_waits_for_the_receiver(deliver: Deliver) -> None:
    """As long as data lies in the socket, so does the memory: no notification."""
    here = deliver([
        *SLOW_BEGIN, "send 0 user=1 slot=0 len=48K", "settle 300", "tell 1", "completions 1",
        "shutdown 0", "hash 0 0 48K",
    ], SLOW_READER)  # fmt: skip
    (early,) = here.settled
    assert [cqe.notification for cqe in early] == [False]
    assert pair(here.completions, 1)[0].res == 48 * KIB


def test_emptied_slot_is_held(deliver: Deliver) -> None:
    """A buffer unregistered and unmapped with data under way is sent to its end."""
    here = deliver([
        *SLOW_BEGIN, "send 0 user=1 slot=0 len=48K", "submit", "hash 0 0 48K", *LET_GO, "tell 1",
        "completions 2", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    assert pair(here.completions, 1)[0].res == 48 * KIB


@pytest.mark.parametrize(
    "what",
    ["slot=0 offset=1M len=1", "slot=0 offset=1000K len=64K", "slot=1 len=4K", "slot=9 len=4K"],
    ids=["beyond the end", "across the end", "empty slot", "no such slot"],
)
def test_refused(play: Play, what: str) -> None:
    """What is no part of a registered buffer is not sent; both completions come all the same."""
    here, there = play([*BEGIN, f"send 0 user=1 {what}", "completions 2"], READER)
    result, notification = pair(here.completions, 1)
    assert (result.error, notification.res) == ("EFAULT", 0)
    assert there.hashes[0][0] == 0


def test_partial_send(play: Play) -> None:
    """Without MSG_WAITALL a full socket takes a part; the result says how much."""
    here, there = play([
        *SLOW_BEGIN, "send 0 user=1 slot=0 len=1M dontwait", "completions 1", "tell 1",
        "completions 1", "shutdown 0",
    ], SLOW_READER)  # fmt: skip
    sent = pair(here.completions, 1)[0].res
    assert 0 < sent < 1024 * KIB
    assert there.hashes[0][0] == sent
    same, _ = play(["memory 0 1M 7", f"hash 0 0 {sent}"])
    assert same.hashes == there.hashes


def test_full_send_goes_on(deliver: Deliver) -> None:
    """With MSG_WAITALL the same send waits for room until all is sent: one result, not many."""
    here = deliver([
        *SLOW_BEGIN, "send 0 user=1 slot=0 len=1M waitall", "settle 200", "tell 1",
        "completions 2", "shutdown 0", "hash 0 0 1M",
    ], SLOW_READER)  # fmt: skip
    assert here.settled == [[]]
    assert pair(here.completions, 1)[0].res == 1024 * KIB


def test_peer_is_gone(play: Play) -> None:
    """A send to a connection that was reset fails, and its notification comes."""
    here, _ = play([
        f"connect 0 {{peer}} {PORT}", f"connect 1 {{peer}} {PORT}", *BEGIN[1:], "await 1",
        "settle 50", "send 0 user=1 slot=0 len=4K", "completions 2",
        "send 0 user=2 slot=0 len=4K", "completions 2",
    ], [f"listen {{peer}} {PORT}", "accept 0", "accept 1", "reset 0", "tell 1"])  # fmt: skip
    assert pair(here.completions, 1)[0].error in ("ECONNRESET", "EPIPE")
    assert pair(here.completions, 2)[0].error == "EPIPE"


def test_ring_goes_with_data_under_way(deliver: Deliver) -> None:
    """The ring and its process end; what the socket took still arrives as it was."""
    deliver([
        *SLOW_BEGIN, "send 0 user=1 slot=0 len=48K", "submit", "hash 0 0 48K", "end", "tell 1",
    ], SLOW_READER)  # fmt: skip
