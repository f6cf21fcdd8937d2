# SPDX-License-Identifier: GPL-2.0-only
"""What is received into a dmabuf, and how its fragments are reported."""

from __future__ import annotations

import pytest

from testbed.dut.devmem import BUFFER, BUFFER_BYTES, PAGE_BYTES, DevmemSetup, pieces, sent_by
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT)

PATTERN = 0xA5
PAGES = BUFFER_BYTES // PAGE_BYTES
KEPT_BYTES = 600_000
SHORT_BYTES = 60_000  # within the window of a new connection: nothing is dropped and sent again
CONTROL_OF_TWO_BYTES = 2 * 40
BEHIND_A_LOST_ONE = 16


@pytest.mark.parametrize("bench", [4, 6], indirect=True, ids="IPv{}".format)
@pytest.mark.parametrize("scattered", [False, True], ids=["whole", "scattered"])
def test_stream_lands_in_the_dmabuf(bench: DevmemSetup, scattered: bool) -> None:
    """16 MiB through a dmabuf of 4: all of it fragments, none copied, each token taken back.

    In the scattered one neighbours are far apart for the device.
    """
    bench.bind(scattered=scattered)
    sender = bench.start_sending(16 * MIB)
    received = bench.drain(0)
    bench.console.do("close flow")
    sent = sent_by(sender)
    assert (received["bytes"], received["sha256"]) == (16 * MIB, sent["sha256"])
    assert (received["fragment_bytes"], received["linear"]) == (16 * MIB, 0)
    assert received["taken"] == received["fragments"] >= 16 * MIB // PAGE_BYTES


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1448, 4000, 4096, 8192, 65537])
def test_payload_sizes(bench: DevmemSetup, count: int) -> None:
    """Every size lies in the dmabuf whole, also a single byte."""
    bench.bind_and_connect()
    digest = bench.send(count)
    received = bench.drain(count)
    assert received["sha256"] == digest
    assert (received["fragment_bytes"], received["linear"]) == (count, 0)


def test_fragments_name_the_payload(bench: DevmemSetup) -> None:
    """Offsets within the dmabuf, none twice; sizes add up; tokens differ; the binding's id."""
    number = bench.bind_and_connect()
    bench.send(50_000)
    received = bench.receive(50_000, "devmem")
    fragments = received["fragments"]
    assert received["bytes"] == sum(fragment["size"] for fragment in fragments) > 0
    assert {fragment["dmabuf"] for fragment in fragments} == {number}
    assert {fragment["flags"] for fragment in fragments} == {0}
    assert len({fragment["token"] for fragment in fragments}) == len(fragments)
    pages = [fragment["offset"] // PAGE_BYTES for fragment in fragments]
    assert len(set(pages)) == len(pages)
    for fragment in fragments:
        assert 0 < fragment["size"] <= PAGE_BYTES - fragment["offset"] % PAGE_BYTES
        assert fragment["offset"] + fragment["size"] <= BUFFER_BYTES
    assert received["written"] == 0


def test_headers_stay_in_kernel_memory(bench: DevmemSetup) -> None:
    """Outside of what fragments name not one byte of the dmabuf has changed."""
    bench.bind()
    bench.console.do(f"fill {BUFFER} {PATTERN}")
    bench.connect()
    digest = bench.send(SHORT_BYTES)
    received = bench.drain(SHORT_BYTES, keep=True)
    assert received["sha256"] == digest
    left = bench.console.do(f"outside {BUFFER} {PATTERN}")
    assert left["outside"] == BUFFER_BYTES - SHORT_BYTES
    assert left["changed"] == 0, f"byte {left['first']} was written to"


def test_held_fragments_are_left_alone(bench: DevmemSetup) -> None:
    """What user space holds is not used again: 600 kB held while 8 MiB pass on another flow."""
    bench.bind()
    bench.connect("held")
    digest = bench.send(KEPT_BYTES, name="held")
    held = bench.fragments(KEPT_BYTES, name="held")
    sender = bench.start_sending(8 * MIB, name="passing")
    assert bench.drain(0, name="passing")["bytes"] == 8 * MIB
    bench.console.do("close passing")
    sent_by(sender)
    assert bench.console.do(f"digest {pieces(held)}")["sha256"] == digest


def test_exhausted_dmabuf_recovers(bench: DevmemSetup) -> None:
    """With every page held nothing arrives; once they are given back the stream goes on, whole.

    Then as many can be held once more, and again: none was lost on its way back. Some hold packets
    behind a lost one, now more and now fewer: in simulated time only a few (760 held, then 764).
    """
    bench.bind()
    kept = []
    in_real_time = Capability.REAL_TIME in bench.dut.capabilities
    for name in ("first", "second") if in_real_time else ("first", *"2345", "last"):
        sender = bench.start_sending(12 * MIB, name=name)
        held = bench.console.attempt(f"drain {name} 0 3000 keep")
        assert held["error"] == "ETIMEDOUT"
        assert PAGES // 4 < held["kept"] <= PAGES
        assert bench.state().per_queue("rx_alloc_fail")[bench.where.queue] > 0
        assert bench.console.do(f"return {name}")["taken"] == held["kept"]
        received = bench.drain(0, name=name)
        bench.console.do(f"close {name}")
        sent = sent_by(sender)
        assert (received["stream_bytes"], received["sha256"]) == (12 * MIB, sent["sha256"])
        kept.append(held["kept"])
    lost = kept[0] - kept[-1]
    assert in_real_time or lost <= BEHIND_A_LOST_ONE, kept


def test_two_flows_of_one_dmabuf(bench: DevmemSetup) -> None:
    """Two connections share the queue: each gets its own data, and its tokens are its own."""
    bench.bind()
    bench.connect("one")
    bench.connect("other")
    digests = [
        bench.send(30_000, seed=seed, name=name) for seed, name in ((1, "one"), (2, "other"))
    ]
    one, other = (bench.fragments(30_000, name=name) for name in ("one", "other"))
    for fragments, digest in zip((one, other), digests, strict=True):
        assert bench.console.do(f"digest {pieces(fragments)}")["sha256"] == digest
    assert not {f["offset"] for f in one} & {f["offset"] for f in other}
    assert bench.console.do("return one")["taken"] == len(one)
    assert bench.console.do("return other")["taken"] == len(other)


def test_peek_lends_the_same_fragments(bench: DevmemSetup) -> None:
    """Peeking shows what reading will; both lend, and each token is good for one return.

    Both end within a fragment: the next read goes on there.
    """
    bench.bind_and_connect()
    digest = bench.send(6000)
    bench.receive(1, "devmem", "peek")  # both segments are here once the second read sees them
    peeked = bench.receive(3000, "devmem", "peek")
    read = bench.receive(3000, "devmem")
    assert pieces(peeked["fragments"]) == pieces(read["fragments"])
    tokens = [f["token"] for answer in (peeked, read) for f in answer["fragments"]]
    assert len(set(tokens)) == len(tokens)
    kept = len(tokens) + 1  # that of the first peek
    assert bench.console.do("return flow")["taken"] == kept
    rest = bench.drain(3000)
    assert (rest["fragment_bytes"], rest["sha256"]) == (3000, digest)


def test_short_control_buffer(bench: DevmemSetup) -> None:
    """Room for two control messages: two fragments are given, the rest waits; nothing is lost."""
    bench.bind_and_connect()
    digest = bench.send(40_000)
    received = bench.receive(40_000, "devmem", control_bytes=CONTROL_OF_TWO_BYTES)
    assert len(received["fragments"]) == 2
    assert received["bytes"] == sum(fragment["size"] for fragment in received["fragments"])
    assert not received["truncated"]
    assert bench.drain(40_000 - received["bytes"])["sha256"] == digest


def test_no_room_for_a_fragment(bench: DevmemSetup) -> None:
    """Without control buffer the data waits, nothing of it is copied, nothing is lent."""
    bench.bind_and_connect()
    digest = bench.send(40_000)
    refused = bench.receive(40_000, "devmem", control_bytes=0)
    assert (refused["bytes"], refused["written"], refused["fragments"]) == (0, 0, [])
    received = bench.drain(40_000)
    assert (received["sha256"], received["taken"]) == (digest, received["fragments"])


@pytest.mark.finding("devmem-control-errno")
def test_errno_without_room_for_a_fragment(bench: DevmemSetup) -> None:
    """The call is refused with an error that user space has a name for."""
    bench.bind_and_connect()
    bench.send(100)
    refused = bench.receive(100, "devmem", control_bytes=0)
    if refused["error"] == "E?":
        pytest.fail(f"recvmsg() failed with errno {refused['errno']}, which has no name")


def test_truncating_reads_lend_nothing(bench: DevmemSetup) -> None:
    """MSG_TRUNC throws data away: no fragment, no token, and what follows is whole."""
    bench.bind_and_connect()
    bench.send(20_000)
    thrown = 0
    while thrown < 20_000:
        answer = bench.receive(20_000 - thrown, "devmem", "trunc")
        assert (answer["fragments"], answer["written"]) == ([], 0)
        thrown += answer["bytes"]
    digest = bench.send(20_000, seed=2)
    received = bench.drain(20_000)
    assert (received["sha256"], received["fragment_bytes"]) == (digest, 20_000)


def test_readable_data_by_the_same_call(bench: DevmemSetup) -> None:
    """Data that never was in a dmabuf (a local connection) comes as bytes, without fragments."""
    bench.bind()
    bench.console.do(f"listen listener {bench.address} {bench.where.port}")
    bench.console.do(f"connect local {bench.address} {bench.where.port}")
    bench.console.do("accept flow listener 20000")
    digest = bench.console.do("send local 30000 3")["sha256"]
    received = bench.drain(30_000)
    assert (received["sha256"], received["fragments"], received["linear"]) == (digest, 0, 0)
