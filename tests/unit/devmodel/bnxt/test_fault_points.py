# SPDX-License-Identifier: GPL-2.0-only
"""Each injection point of the card: the event passes it, and the fault has its effect."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import TCP

from devmodel.bnxt.card import DOORBELL_BAR, REGISTER_BAR
from devmodel.bnxt.entry_events import blank_entry, decode, encode, split
from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.faulty.receive import frames_out
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import HwrmFuncQcapsInput, HwrmFuncQcapsOutput
from devmodel.bnxt.hsi.header import HwrmErrOutput, HwrmOutput
from devmodel.bnxt.hsi.phy import HwrmPortPhyQcfgInput
from devmodel.bnxt.hsi.regs import (
    FW_STATUS,
    FW_STATUS_HEALTHY,
    HCOMM_GRC_ADDRESS,
    DbType,
    HcommStatus,
)
from devmodel.bnxt.hsi.ring import CmplType, RxCmp, RxCmpExt
from devmodel.bnxt.hsi.ring_alloc import HwrmRingFreeInput, RingType
from devmodel.bnxt.hsi.ver import HwrmVerGetInput
from devmodel.clock import Timing
from devmodel.faults.engine import FaultEngine
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue, arm
from tests.unit.devmodel.bnxt.rig import HDS_FLAGS, Rig
from tests.unit.devmodel.frames import ETHER, V4, build, tcp


def fired(engine: FaultEngine) -> int:
    return int(engine.status()["faults"][0]["fired"])


def change(**fields: Any) -> dict[str, Any]:
    return {"action": "set", "fields": fields}


def placed(*, queues: int = 1, hds: bool = False) -> Rig:
    rig = Rig()
    for index in range(queues):
        queue = rig.add_queue()
        queue.rx.logical_id = index
    vnic = rig.add_vnic()
    if hds:
        vnic.plcmodes.flags = HDS_FLAGS
    return rig


@pytest.fixture
def rig() -> Rig:
    return placed()


# -- receive ---------------------------------------------------------------------------------
def test_frames_are_lost_cut_inverted_and_doubled(rig: Rig) -> None:
    arm(rig.dma.faults, "rx.frame", {"action": "drop"}, match={"dport": 80, "tcp_payload": 100})
    assert rig.receive(tcp(100)) == []
    arm(rig.dma.faults, "rx.frame", change(length=60, xor_at=59))
    (cut,) = rig.receive(tcp(100))
    whole = tcp(100)
    assert cut.data == whole[:59] + bytes([whole[59] ^ 0xFF])
    arm(rig.dma.faults, "rx.frame", {"action": "duplicate", "count": 2})
    assert [one.data for one in rig.receive(tcp(10))] == [tcp(10)] * 3


def test_a_held_frame_comes_later(rig: Rig) -> None:
    arm(rig.dma.faults, "rx.frame", {"action": "hold", "until": {"where": "rx.frame"}})
    assert rig.receive(tcp(10)) == []
    found = rig.receive(tcp(20))
    assert sorted(len(one.data) for one in found) == [len(tcp(10)), len(tcp(20))]


def test_flows_ignore_their_steering() -> None:
    rig = placed(queues=2)
    frames = [tcp(10, sport=1000 + i) for i in range(8)]
    usual = {one.data: one.queue for one in rig.receive(*frames)}
    arm(rig.dma.faults, "rx.steer", change(queue={"xor": 1}), times=0)
    swapped = {one.data: one.queue for one in rig.receive(*frames)}
    assert swapped == {data: 1 - queue for data, queue in usual.items()}


def test_a_packet_steered_nowhere_is_lost(rig: Rig) -> None:
    arm(rig.dma.faults, "rx.steer", change(queue=7))
    assert rig.receive(tcp(10)) == []
    assert len(rig.receive(tcp(10))) == 1


@pytest.mark.parametrize(
    ("fields", "first", "pieces"),
    [
        ({"first": 40}, 40, [514]),
        ({"first": 554}, 554, []),
        ({"length": 54}, 54, []),
        ({"agg_from": 60}, 54, [494]),
        ({"first": 54, "completion_length": 50}, 50, [500]),
    ],
)
def test_the_split_is_moved(fields: dict[str, int], first: int, pieces: list[int]) -> None:
    rig = placed(hds=True)
    arm(rig.dma.faults, "rx.place", change(**fields))
    (packet,) = rig.receive(tcp(500))
    assert (packet.first, packet.pieces) == (first, pieces)
    (usual,) = rig.receive(tcp(500))
    assert (usual.first, usual.pieces) == (54, [500])


def test_a_packet_is_not_placed_at_all(rig: Rig) -> None:
    arm(rig.dma.faults, "rx.place", {"action": "drop"})
    assert rig.receive(tcp(10)) == []


def test_retransmissions_can_be_told_apart(rig: Rig) -> None:
    again = {"when": {"match": {"tcp_again": True}}, "times": 0}
    arm(rig.dma.faults, "rx.frame", {"action": "drop"}, **again)
    near_the_end = (1 << 32) - 150
    came = [
        len(rig.receive(tcp(100, seq=(near_the_end + at) & 0xFFFF_FFFF, sport=port)))
        for at, port in [(0, 7), (100, 7), (300, 7), (100, 7), (100, 8), (400, 7), (390, 7)]
    ]
    assert came == [1, 1, 1, 0, 1, 1, 0]
    rig.receive(build(ETHER, V4, TCP(sport=7, dport=80, flags="S", seq=9)))
    assert len(rig.receive(tcp(100, seq=10, sport=7))) == 1


# -- DMA -------------------------------------------------------------------------------------
def test_payload_and_header_can_be_told_apart() -> None:
    rig = placed(hds=True)
    payload = {"when": {"match": {"purpose": "payload", "ring": "RX_AGG"}}}
    arm(rig.dma.faults, "dma.write", change(length=10, xor_at=0), **payload)
    (packet,) = rig.receive(tcp(500))
    whole = tcp(500)
    assert packet.data[:54] == whole[:54]
    assert packet.data[54:64] == bytes([whole[54] ^ 0xFF]) + whole[55:64]
    assert packet.data[64:] == bytes(490)


def test_a_write_astray_is_no_violation_of_the_driver(rig: Rig) -> None:
    arm(rig.dma.faults, "dma.write", change(iova=0xDEAD_0000), match={"purpose": "payload"})
    (packet,) = rig.receive(tcp(50))
    assert packet.data == bytes(len(tcp(50)))
    assert not rig.trace.violation_counts


def test_payload_after_its_completion(rig: Rig) -> None:
    until = {"where": "rx.frame"}
    match = {"when": {"match": {"purpose": "payload"}}}
    arm(rig.dma.faults, "dma.write", {"action": "hold", "until": until}, **match)
    (early,) = rig.receive(tcp(50))
    assert early.data == bytes(len(early.data))
    rig.receive(tcp(60))
    assert rig.peek(rig.queues[0].rx_addresses[0], 104) == tcp(50)


def test_stale_descriptors_are_read(rig: Rig) -> None:
    match = {"when": {"match": {"purpose": "bd", "ring": "RX"}, "nth": 2}}
    arm(rig.dma.faults, "dma.read", change(iova={"earlier": 1}), **match)
    frames = [tcp(10)] * 17
    with pytest.raises(AssertionError):  # opaque 0 again, where 16 is expected
        rig.receive(*frames)
    assert fired(rig.dma.faults) == 1


# -- completions -----------------------------------------------------------------------------
def test_entries_survive_decoding() -> None:
    for kind in CmplType:
        entry = bytes([kind, *range(1, 32)])
        for one in split(entry[: 32 if kind in (17, 19, 21) else 16]):
            assert encode(one, decode(one), decode(one)) == one


def test_batches_are_taken_apart() -> None:
    data = blank_entry("RX_L2", {}) + blank_entry("RX_AGG", {}) + blank_entry("TX_L2", {})
    assert [decode(one)["type"] for one in split(data)] == ["RX_L2", "RX_AGG", "TX_L2"]


def test_fields_of_a_completion_are_set_within_their_width(rig: Rig) -> None:
    arm(rig.dma.faults, "cqe.write", change(agg_bufs=0, payload_offset=0x1FF, cfa_code=7))
    (packet,) = rig.receive(tcp(10))
    assert packet.cmp.payload_offset == 0xFF
    assert isinstance(packet.ext, RxCmpExt)
    assert packet.ext.cfa_code == 7


@pytest.mark.parametrize("what", [{"action": "drop"}, change(flip_phase=True)])
def test_a_completion_is_lost(rig: Rig, what: dict[str, Any]) -> None:
    arm(rig.dma.faults, "cqe.write", what)
    assert rig.receive(tcp(10)) == []


def test_completions_in_another_order(rig: Rig) -> None:
    until = {"where": "cqe.write"}
    arm(rig.dma.faults, "cqe.write", {"action": "hold", "until": until})
    rig.rx.receive([tcp(10), tcp(20)])
    queue = rig.queues[0]
    first = RxCmp.unpack(queue.cq.memory.read_entry(0))
    second = RxCmp.unpack(queue.cq.memory.read_entry(2))
    assert (first.rx_cmp_opaque, second.rx_cmp_opaque) == (1, 0)


def test_a_completion_in_another_ring() -> None:
    rig = placed(queues=2)
    target = rig.queues[1].cq
    rig.dma.faults.find_ring = lambda point, ring_id: {target.id: target}.get(ring_id)
    source = {"when": {"match": {"ring_id": {"ne": target.id}}}}
    arm(rig.dma.faults, "cqe.write", change(ring_id=target.id), **source)
    rig.rx.receive([tcp(10, sport=1000 + i) for i in range(8)])
    assert sum(queue.cq.prod for queue in rig.queues) == 16
    assert fired(rig.dma.faults) == 1


def test_a_notification_is_lost_but_not_its_interrupt(rig: Rig) -> None:
    queue = rig.queues[0]
    queue.nq.arm(0)
    queue.cq.arm(0)
    arm(rig.dma.faults, "nqe.write", {"action": "drop"})
    rig.rx.receive([tcp(10)])
    assert (queue.nq.prod, rig.interrupts) == (0, [0])


# -- the whole card --------------------------------------------------------------------------
@pytest.fixture
def queue(host: CardHost) -> OpenQueue:
    queue = host.open_queue()
    host.vnic_of(queue)
    return queue


def qcaps(host: CardHost) -> HwrmFuncQcapsOutput:
    data = host.submit(HwrmFuncQcapsInput(fid=0xFFFF))
    return HwrmFuncQcapsOutput.unpack(data)


def test_a_request_is_refused_unexecuted(host: CardHost) -> None:
    match = {"when": {"match": {"cmd": "RING_ALLOC", "req.ring_type": int(RingType.NQ)}}}
    host.arm("hwrm.request", change(refuse=4), **match)
    assert host.error(host.ring_request(RingType.NQ)) == 4
    assert not host.card.resources.nqs
    host.ring(RingType.NQ)


def test_a_request_is_answered_and_not_executed(host: CardHost, queue: OpenQueue) -> None:
    host.arm("hwrm.request", change(skip=True), match={"cmd": "RING_FREE"})
    request = HwrmRingFreeInput(ring_type=RingType.RX_AGG, ring_id=queue.agg)
    data = host.submit(request)
    assert (HwrmErrOutput.unpack(data).error_code, data[-1]) == (0, 1)
    assert queue.agg in host.card.resources.agg_rings


def test_no_answer_and_a_late_one(host: CardHost) -> None:
    until = {"where": "register.read", "match": {"offset": FW_STATUS}, "nth": 2}
    host.arm("hwrm.answer", {"action": "hold", "until": until})
    assert host.submit(HwrmFuncQcapsInput(fid=0xFFFF)) == b""
    for _ in range(2):
        assert host.peek(host.response_at, 8) == bytes(8)
        host.register(FW_STATUS)
    assert HwrmOutput.unpack(host.peek(host.response_at, 8)).req_type == Cmd.FUNC_QCAPS


@pytest.mark.parametrize(
    ("fields", "length", "last"),
    [({"resp_len": 24}, 24, 1), ({"valid": 0}, None, 0), ({"fill": 0xEE}, None, 1)],
)
def test_answers_short_unfinished_and_garbled(
    host: CardHost, fields: dict[str, int], length: int | None, last: int
) -> None:
    host.arm("hwrm.answer", change(**fields))
    data = host.submit(HwrmFuncQcapsInput(fid=0xFFFF))
    assert len(data) == (length or HwrmFuncQcapsOutput.SIZE)
    assert data[-1] == last
    assert (data[8:-1] == b"\xee" * (len(data) - 9)) is ("fill" in fields)


def test_answers_that_lie(host: CardHost) -> None:
    lie = change(**{"seq_id": {"add": 1}, "error_code": 3, "out.max_rx_rings": 1})
    host.arm("hwrm.answer", lie)
    before = host._seq
    out = qcaps(host)
    assert (out.seq_id, out.error_code, out.max_rx_rings) == (before + 2, 3, 1)
    assert qcaps(host).max_rx_rings > 1


def test_an_answer_too_long(host: CardHost) -> None:
    host.arm("hwrm.answer", change(resp_len=5000))
    host.submit(HwrmFuncQcapsInput(fid=0xFFFF))
    assert HwrmOutput.unpack(host.peek(host.response_at, 8)).resp_len == 5000


def test_doorbells_are_lost_changed_and_late(host: CardHost, queue: OpenQueue) -> None:
    rx = host.card.resources.rx_rings[queue.rx]
    match = {"when": {"match": {"type": "SRQ", "ring_id": queue.rx}}}
    host.arm("doorbell.write", {"action": "drop"}, **match)
    host.doorbell(DbType.SRQ, queue.rx, 5)
    assert rx.prod == 0
    host.arm("doorbell.write", change(index={"add": 2}), **match)
    host.doorbell(DbType.SRQ, queue.rx, 5)
    assert rx.prod == 7
    host.arm("doorbell.write", {"action": "hold", "after_ns": 10}, **match)
    host.doorbell(DbType.SRQ, queue.rx, 9)
    assert rx.prod == 7
    host.clock.advance_to(host.clock.now_ns + 10)
    assert rx.prod == 9


def by_window(host: CardHost) -> None:
    """As a driver does that has not heard of ERROR_RECOVERY_QCFG."""
    host.card.mmio_write(REGISTER_BAR, 0x408, struct.pack("<I", HCOMM_GRC_ADDRESS & ~0xFFF))
    status = HCOMM_GRC_ADDRESS + HcommStatus.SIZE
    assert host.register(0x3000 + status % 0x1000) == FW_STATUS_HEALTHY


@pytest.mark.parametrize("poll", [lambda host: host.register(FW_STATUS), by_window])
def test_a_held_answer_comes_while_the_driver_polls(
    host: CardHost, poll: Callable[[CardHost], object]
) -> None:
    """Time is the guest's, and stands still for the card until the guest has come to rest."""
    host.arm("hwrm.answer", {"action": "hold", "after_ns": 1_000_000})
    assert host.submit(HwrmVerGetInput()) == b""
    for _ in range(39):
        poll(host)
    assert host.peek(host.response_at, 8) == bytes(8)
    poll(host)
    assert HwrmOutput.unpack(host.peek(host.response_at, 8)).resp_len > 0
    now_ns = host.clock.now_ns
    poll(host)
    assert host.clock.now_ns == now_ns  # nothing waits any more


def test_what_is_disarmed_moves_no_time(host: CardHost) -> None:
    host.arm("hwrm.answer", {"action": "hold", "after_ns": 1_000_000})
    assert host.submit(HwrmVerGetInput()) == b""
    host.card.faults.disarm(1)
    host.register(FW_STATUS)
    assert host.clock.now_ns == 0


def test_where_time_is_real_polling_changes_nothing() -> None:
    host = CardHost(timing=Timing.ASYNCHRONOUS)
    host.arm("hwrm.answer", {"action": "hold", "after_ns": 1_000_000})
    assert host.submit(HwrmVerGetInput()) == b""
    for _ in range(50):
        host.register(FW_STATUS)
    assert host.clock.now_ns == 0


def test_interrupts_are_lost_many_and_wrong(host: CardHost) -> None:
    host.arm("irq.raise", {"action": "drop"})
    host.card.raise_msix(1)
    assert host.interrupts == []
    host.arm("irq.raise", {"action": "duplicate", "count": 3})
    host.card.raise_msix(1)
    assert host.interrupts == [1] * 4
    host.arm("irq.raise", change(vector=99))
    host.card.raise_msix(1)
    host.arm("irq.raise", change(vector=2))
    host.card.raise_msix(1)
    assert host.interrupts == [1, 1, 1, 1, 2]


def test_registers_and_configuration_lie(host: CardHost) -> None:
    host.arm("register.read", change(value=0xFFFF_FFFF), match={"offset": FW_STATUS})
    assert host.register(FW_STATUS) == 0xFFFF_FFFF
    assert host.register(FW_STATUS) == 0x8000
    host.arm("config.read", change(value=0xFFFF))
    assert host.card.config_read(0, 2) == b"\xff\xff"
    assert host.card.config_read(0, 2) == b"\xe4\x14"


def test_frames_out_are_lost_and_cut() -> None:
    rig = Rig()
    engine = FaultEngine(rig.clock, rig.trace, FAULTS)
    arm(engine, "tx.frame", {"action": "drop"})
    arm(engine, "tx.frame", change(length=3), when={"nth": 2})
    assert frames_out(engine, [b"abcd", b"efgh", b"ijkl"], list) == [b"efg", b"ijkl"]


# -- what the card does of its own -----------------------------------------------------------
def act(host: CardHost, do: str, **params: Any) -> None:
    host.arm("now", {"action": "card", "do": do, "params": params})


def test_removal_and_return(host: CardHost, queue: OpenQueue) -> None:
    act(host, "unplug")
    assert host.card.config_read(0, 4) == b"\xff" * 4
    assert host.register(FW_STATUS) == 0xFFFF_FFFF
    host.card.mmio_write(DOORBELL_BAR, 0x10000, bytes(8))
    host.card.config_write(4, b"\6\0")
    assert not host.card.dma.bus_master_enabled
    act(host, "replug")
    assert host.card.config_read(0, 2) == b"\xe4\x14"
    assert not any(host.card.resources.ledger().values())


def test_falling_asleep_and_waking(host: CardHost, queue: OpenQueue) -> None:
    act(host, "power", state=3)  # D3hot
    assert host.register(FW_STATUS) == 0xFFFF_FFFF
    assert not host.card.dma.bus_master_enabled
    act(host, "power", state=0)
    assert host.register(FW_STATUS) != 0xFFFF_FFFF
    assert host.card.dma.bus_master_enabled


def test_interrupts_are_pending_behind_the_function_mask(host: CardHost, queue: OpenQueue) -> None:
    before = list(host.interrupts)
    act(host, "msix_mask", masked=True)
    act(host, "irq", vector=2, count=3)
    assert host.interrupts == before
    assert host.card.msix.is_pending(2)
    act(host, "msix_mask", masked=False)
    assert host.interrupts == [*before, 2]
    assert not host.card.msix.is_pending(2)


def test_health_reset_link_and_interrupts(host: CardHost, queue: OpenQueue) -> None:
    act(host, "health", fw_status=0x1234)
    assert host.register(FW_STATUS) == 0x1234
    act(host, "irq", vector=2, count=3)
    assert host.interrupts[-3:] == [2, 2, 2]
    act(host, "link", up=False)
    assert not host.card.firmware.link.up
    act(host, "func_reset")
    assert not host.card.resources.rx_rings
    act(host, "flr")
    assert not host.card.dma.bus_master_enabled


def test_another_link_partner(host: CardHost) -> None:
    act(host, "partner", speed="25G")
    assert host.card.state()["link"] is None
    act(host, "partner", speed="100G")
    host.call(HwrmPortPhyQcfgInput())
    host.card.settle()
    assert host.card.state()["link"]["mode"] == "100G"


def test_frames_nobody_has_sent(host: CardHost, queue: OpenQueue) -> None:
    def received() -> int:
        host.card.settle()
        return int(host.card.state()["mac"]["rx"].get("rx_total_frames", 0))

    act(host, "frame", data="ff" * 60)
    assert received() == 1
    for useless in ("ff", ""):
        act(host, "frame", data=useless)
    assert received() == 1


def test_frames_that_beget_frames_come_to_an_end(host: CardHost, queue: OpenQueue) -> None:
    what = {"action": "card", "do": "frame", "params": {"data": "ff" * 60}}
    host.arm("rx.frame", what, times=0)
    act(host, "frame", data="ff" * 60)
    host.card.settle()
    assert host.card.state()["mac"]["rx"]["rx_total_frames"] == 1000


def test_entries_nobody_expects(host: CardHost, queue: OpenQueue) -> None:
    cq, nq = host.card.resources.cmpl_rings[queue.rx_cq], host.card.resources.nqs[queue.nq]
    act(host, "cqe", queue=0, type="RX_AGG", fields={"opaque": 7})
    assert decode(cq.memory.read_entry(0))["opaque"] == 7
    assert (cq.prod, nq.prod) == (1, 1)
    act(host, "nqe", queue=0, cq_handle=0x33)
    assert struct.unpack_from("<I", nq.memory.read_entry(1), 4) == (0x33,)
    act(host, "async_event", event_id=9, data1=5)
    assert struct.unpack_from("<HHI", nq.memory.read_entry(2)) == (0x2E, 9, 0)
    act(host, "cqe", queue=5)
    assert cq.prod == 1


def test_writes_nobody_expects(host: CardHost) -> None:
    address = host.allocate(4096)
    act(host, "dma_write", iova=address, length=4)
    assert host.peek(address, 5) == b"\xa5" * 4 + b"\0"
    act(host, "dma_write", iova=0xDEAD_0000_0000, length=4)
    act(host, "dma_read", iova=0xDEAD_0000_0000, length=4)
    assert not host.rules
