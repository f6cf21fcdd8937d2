# SPDX-License-Identifier: GPL-2.0-only
"""CoS queues: told, set, refused; what a priority carries is counted for its queue."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from devmodel.bnxt.hsi.fw import (
    DCBX_APP,
    HOST_OPERATIONAL,
    HwrmFwGetStructuredDataInput,
    HwrmFwSetStructuredDataInput,
    HwrmStructDataDcbxApp,
    HwrmStructHdr,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.port import HwrmPortQstatsExtInput
from devmodel.bnxt.hsi.port_stats import RxPortStatsExt, TxPortStatsExt
from devmodel.bnxt.hsi.queue import (
    Dscp2priEnables,
    Dscp2priEntry,
    HwrmQueueCos2bwCfgInput,
    HwrmQueueCos2bwQcfgInput,
    HwrmQueueDscp2priCfgInput,
    HwrmQueueDscp2priQcfgInput,
    HwrmQueueDscpQcapsInput,
    HwrmQueuePfcenableCfgInput,
    HwrmQueuePfcenableQcfgInput,
    HwrmQueuePfcwdTimeoutCfgInput,
    HwrmQueuePfcwdTimeoutQcapsInput,
    HwrmQueuePfcwdTimeoutQcfgInput,
    HwrmQueuePri2cosCfgInput,
    HwrmQueuePri2cosQcfgInput,
    HwrmQueueQportcfgInput,
    Pri2cosFlags,
    ServiceProfile,
)
from devmodel.bnxt.hsi.ring_alloc import RingType
from tests.unit.devmodel.bnxt.cardhost import UNMAPPED, CardHost
from tests.unit.devmodel.frames import tcp

VLAN = b"\x81\x00"


def tagged(priority: int) -> bytes:
    """A frame with a VLAN tag of that priority."""
    frame = tcp(100)
    return frame[:12] + VLAN + struct.pack(">H", priority << 13 | 5) + frame[12:]


def statistics(host: CardHost) -> tuple[RxPortStatsExt, TxPortStatsExt]:
    rx, tx = host.allocate(RxPortStatsExt.SIZE), host.allocate(TxPortStatsExt.SIZE)
    answer = host.call(
        HwrmPortQstatsExtInput(
            rx_stat_host_addr=rx, rx_stat_size=RxPortStatsExt.SIZE,
            tx_stat_host_addr=tx, tx_stat_size=TxPortStatsExt.SIZE,
        )
    )  # fmt: skip
    assert (answer.rx_stat_size, answer.tx_stat_size) == (RxPortStatsExt.SIZE, TxPortStatsExt.SIZE)
    return (
        RxPortStatsExt.unpack(host.peek(rx, RxPortStatsExt.SIZE)),
        TxPortStatsExt.unpack(host.peek(tx, TxPortStatsExt.SIZE)),
    )


def map_priority(host: CardHost, priority: int, queue: int) -> None:
    request = HwrmQueuePri2cosCfgInput(flags=Pri2cosFlags.PATH_BIDIR, enables=1 << priority)
    setattr(request, f"pri{priority}_cos_queue_id", queue)
    host.call(request)


def queues_of(host: CardHost, flags: int = 0) -> list[int]:
    answer = host.call(HwrmQueuePri2cosQcfgInput(flags=flags))
    return [getattr(answer, f"pri{pri}_cos_queue_id") for pri in range(8)]


def test_the_port_has_eight_queues(host: CardHost) -> None:
    answer = host.call(HwrmQueueQportcfgInput())
    assert answer.max_configurable_queues == 8
    assert [getattr(answer, f"queue_id{i}") for i in range(8)] == list(range(8))
    profiles = [getattr(answer, f"queue_id{i}_service_profile") for i in range(8)]
    assert profiles.count(ServiceProfile.LOSSLESS) == answer.max_configurable_lossless_queues == 2


def test_what_is_received_counts_for_the_queue_of_its_priority(host: CardHost) -> None:
    map_priority(host, 3, 5)
    host.card.receive([tagged(3), tagged(3), tagged(0), tcp(50), tagged(2)])
    rx, _ = statistics(host)
    assert (rx.rx_packets_cos5, rx.rx_packets_cos0) == (2, 3)
    assert rx.rx_bytes_cos5 == 2 * (len(tagged(3)) + 4)
    map_priority(host, 0, 1)
    map_priority(host, 3, 0)
    host.card.receive([tagged(3), tcp(50), tcp(50)])
    rx, _ = statistics(host)
    packets = (rx.rx_packets_cos0, rx.rx_packets_cos1, rx.rx_packets_cos5)
    assert packets == (4, 2, 2)
    total = host.card.mac.rx.snapshot()["rx_bytes"]
    assert sum(getattr(rx, f"rx_bytes_cos{i}") for i in range(8)) == total


def test_what_a_ring_sends_counts_for_its_queue(host: CardHost) -> None:
    stat, _ = host.stat_ctx()
    host.reserve()
    nq = host.ring(RingType.NQ, logical_id=0)
    cq = host.ring(RingType.L2_CMPL, nq_ring_id=nq)
    rings = [
        host.ring(RingType.TX, cmpl_ring_id=cq, stat_ctx_id=stat, queue_id=queue)
        for queue in (0, 4)
    ]
    tx_path = host.card.tx
    for ring, count in zip(rings, (1, 2), strict=True):
        tx_path._send(host.card.resources.tx_rings[ring], [tcp(200)] * count)
    _, tx = statistics(host)
    assert (tx.tx_packets_cos0, tx.tx_packets_cos4) == (1, 2)
    assert tx.tx_bytes_cos4 == 2 * tx.tx_bytes_cos0
    request = host.ring_request(RingType.TX, cmpl_ring_id=cq, stat_ctx_id=stat, queue_id=8)
    assert host.error(request) == Err.INVALID_PARAMS


def test_priorities_are_set_for_one_direction_or_both(host: CardHost) -> None:
    host.call(
        HwrmQueuePri2cosCfgInput(
            flags=Pri2cosFlags.PATH_RX, enables=0x81, pri0_cos_queue_id=2, pri7_cos_queue_id=7
        )
    )
    assert queues_of(host, Pri2cosFlags.PATH_RX) == [2, 0, 0, 0, 0, 0, 0, 7]
    assert queues_of(host) == [0] * 8
    host.call(HwrmQueuePri2cosCfgInput(enables=0x2, pri1_cos_queue_id=3))
    assert queues_of(host) == [0, 3, 0, 0, 0, 0, 0, 0]
    host.error(HwrmQueuePri2cosCfgInput(enables=0x3, pri0_cos_queue_id=1, pri1_cos_queue_id=8))
    assert queues_of(host) == [0, 3, 0, 0, 0, 0, 0, 0]
    host.card.firmware.restart()
    assert queues_of(host) == queues_of(host, Pri2cosFlags.PATH_RX) == [0] * 8


def test_bandwidth_is_kept(host: CardHost) -> None:
    other = struct.pack("<BIIBBB", 3, 2, 9, 1, 4, 50)
    host.call(
        HwrmQueueCos2bwCfgInput(
            enables=0x9, queue_id0=0, queue_id0_min_bw=7, queue_id0_tsa_assign=1,
            queue_id0_bw_weight=50, cfg=bytes(24) + other + bytes(48),
        )
    )  # fmt: skip
    answer = host.call(HwrmQueueCos2bwQcfgInput())
    first = (answer.queue_id0_min_bw, answer.queue_id0_tsa_assign, answer.queue_id0_bw_weight)
    assert first == (7, 1, 50)
    assert answer.cfg[24:36] == other
    assert [answer.cfg[at] for at in range(0, 84, 12)] == list(range(1, 8))
    assert host.error(HwrmQueueCos2bwCfgInput(enables=1, queue_id0=8)) == Err.INVALID_PARAMS


def test_flow_control_of_no_more_queues_than_are_lossless(host: CardHost) -> None:
    for priority in (1, 2, 3):
        map_priority(host, priority, 4 + priority)
    host.call(HwrmQueuePfcenableCfgInput(flags=0x6))
    assert host.call(HwrmQueuePfcenableQcfgInput()).flags == 0x6
    assert host.error(HwrmQueuePfcenableCfgInput(flags=0xE)) == Err.INVALID_PARAMS
    assert host.call(HwrmQueuePfcenableQcfgInput()).flags == 0x6


def test_the_pfc_watchdog(host: CardHost) -> None:
    assert host.call(HwrmQueuePfcwdTimeoutQcapsInput()).max_pfcwd_timeout
    host.call(HwrmQueuePfcwdTimeoutCfgInput(pfcwd_timeout_value=300))
    assert host.call(HwrmQueuePfcwdTimeoutQcfgInput()).pfcwd_timeout_value == 300


def dscp(host: CardHost, *entries: Dscp2priEntry, **more: int) -> HwrmQueueDscp2priCfgInput:
    address = host.allocate(4096)
    host.poke(address, b"".join(entry.pack() for entry in entries))
    return HwrmQueueDscp2priCfgInput(src_data_addr=address, entry_cnt=len(entries), **more)


def dscp_table(host: CardHost, room: int = 4096) -> dict[int, int]:
    address = host.allocate(4096)
    request = HwrmQueueDscp2priQcfgInput(dest_data_addr=address, dest_data_buffer_size=room)
    count = host.call(request).entry_cnt
    entries = (Dscp2priEntry.unpack(host.peek(address + 3 * i, 3)) for i in range(count))
    return {entry.dscp: entry.pri for entry in entries}


def test_dscp_entries_come_and_go(host: CardHost) -> None:
    assert host.call(HwrmQueueDscpQcapsInput()).num_dscp_bits == 6
    host.call(dscp(host, Dscp2priEntry(46, 0x3F, 5), Dscp2priEntry(8, 0x3F, 1)))
    assert dscp_table(host) == {46: 5, 8: 1}
    assert dscp_table(host, room=3) == {8: 1}
    host.call(dscp(host, Dscp2priEntry(46, 0, 5)))
    assert dscp_table(host) == {8: 1}
    host.call(dscp(host, enables=Dscp2priEnables.DEFAULT_PRI, default_pri=2))
    for wrong in (
        dscp(host, Dscp2priEntry(64, 0x3F, 1)),
        dscp(host, Dscp2priEntry(1, 0x3F, 8)),
        dscp(host, default_pri=8),
        HwrmQueueDscp2priCfgInput(entry_cnt=0xFFFF),
        HwrmQueueDscp2priCfgInput(entry_cnt=1, src_data_addr=UNMAPPED),
    ):
        host.error(wrong)
    assert dscp_table(host) == {8: 1}


def apps(host: CardHost) -> list[tuple[int, int, int]]:
    """The application table as the driver reads it."""
    address = host.allocate(4096)
    host.call(
        HwrmFwGetStructuredDataInput(
            dest_data_addr=address, structure_id=DCBX_APP, subtype=HOST_OPERATIONAL
        )
    )
    header = HwrmStructHdr.unpack(host.peek(address, 16))
    assert (header.struct_id, header.len) == (DCBX_APP, 8 * header.count)
    entries = [
        HwrmStructDataDcbxApp.unpack(host.peek(address + 16 + 8 * i, 8))
        for i in range(header.count)
    ]
    return [(app.protocol_id, app.protocol_selector, app.priority) for app in entries]


def table(host: CardHost, *entries: tuple[int, int, int], **more: Any) -> Any:
    address = host.allocate(4096)
    header = HwrmStructHdr(
        struct_id=more.pop("struct_id", DCBX_APP),
        subtype=HOST_OPERATIONAL,
        count=more.pop("count", len(entries)),
    )
    data = header.pack() + b"".join(HwrmStructDataDcbxApp(*entry).pack() for entry in entries)
    host.poke(address, data)
    length = more.pop("data_len", len(data))
    return HwrmFwSetStructuredDataInput(src_data_addr=address, data_len=length, hdr_cnt=1, **more)


def test_applications_are_kept(host: CardHost) -> None:
    assert apps(host) == []
    host.call(table(host, (0x8915, 1, 3), (4791, 3, 3)))
    assert apps(host) == [(0x8915, 1, 3), (4791, 3, 3)]
    host.call(table(host, (4791, 3, 3)))
    assert apps(host) == [(4791, 3, 3)]


@pytest.mark.parametrize(
    "more", [{"count": 9}, {"struct_id": 1}, {"data_len": 15}, {"data_len": 0xFFFF}]
)
def test_a_table_that_is_none_is_refused(host: CardHost, more: dict[str, int]) -> None:
    assert host.error(table(host, (4791, 3, 3), **more)) == Err.INVALID_PARAMS
    assert host.error(HwrmFwGetStructuredDataInput(structure_id=1)) == Err.INVALID_PARAMS
    assert apps(host) == []
