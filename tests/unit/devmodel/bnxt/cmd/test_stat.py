# SPDX-License-Identifier: GPL-2.0-only
"""Statistics and link commands, through a whole card."""

from __future__ import annotations

from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    HwrmFuncCfgInput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncQstatsExtInput,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.phy import (
    HwrmPortPhyCfgInput,
    HwrmPortPhyQcfgInput,
    HwrmPortPhyQcfgOutput,
    PhyCfgFlags,
    PhyLink,
)
from devmodel.bnxt.hsi.port import HwrmPortQstatsExtInput, HwrmPortQstatsInput
from devmodel.bnxt.hsi.port_stats import RxPortStats, RxPortStatsExt
from devmodel.bnxt.hsi.ring import AsyncEvent, CmplType, HwrmAsyncEventCmpl
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hsi.stat import (
    HwrmFuncQstatsInput,
    HwrmStatCtxClrStatsInput,
    HwrmStatCtxFreeInput,
    HwrmStatCtxQueryInput,
)
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.stats import (
    RX_ERROR_PKTS,
    RX_TPA_PKT,
    RX_UCAST_PKTS,
    TX_UCAST_PKTS,
    StatisticsRefresh,
)
from devmodel.clock import Clock
from tests.unit.devmodel.bnxt.cardhost import BASE, UNMAPPED, CardHost, OpenQueue
from tests.unit.devmodel.frames import MAC


# -- statistics ---------------------------------------------------------------------------------
def test_statistics_are_written_periodically(host: CardHost) -> None:
    ctx_id, address = host.stat_ctx(period_ms=1000)
    host.card.resources.stat_ctxs[ctx_id].counters[RX_UCAST_PKTS] = 5
    host.clock.advance_to(999_999_999)
    assert host.counter(address) == 0
    host.clock.advance_to(1_000_000_000)
    assert host.counter(address) == 5
    host.card.resources.stat_ctxs[ctx_id].counters[TX_UCAST_PKTS] = 7
    host.clock.advance_to(2_000_000_000)
    assert host.counter(address + TX_UCAST_PKTS * 8) == 7


def test_synchronous_timing_writes_statistics_with_the_batch(host: CardHost) -> None:
    ctx_id, address = host.stat_ctx(period_ms=1000)
    host.card.resources.stat_ctxs[ctx_id].counters[RX_UCAST_PKTS] = 5
    host.card.receive([bytes(60)])
    assert host.counter(address) == 5


def test_asynchronous_timing_writes_statistics_once_soon_after_batches() -> None:
    clock = Clock(1)
    written: list[int] = []
    refresh = StatisticsRefresh(lambda: written.append(clock.now_ns), clock)
    for start_ns in (0, 50_000_000):
        clock.advance_to(start_ns)
        refresh.touch()
        clock.advance_to(start_ns + 1_000_000)
        refresh.touch()
    clock.advance_to(10**9)
    assert written == [StatisticsRefresh.DELAY_NS, 50_000_000 + StatisticsRefresh.DELAY_NS]


def test_nothing_is_written_after_the_free(host: CardHost) -> None:
    ctx_id, address = host.stat_ctx()
    ctx = host.card.resources.stat_ctxs[ctx_id]
    ctx.counters[RX_UCAST_PKTS] = 5
    host.call(HwrmStatCtxFreeInput(stat_ctx_id=ctx_id))
    assert host.counter(address) == 5
    ctx.counters[RX_UCAST_PKTS] = 6
    host.clock.advance_to(10**10)
    assert host.counter(address) == 5


def test_statistics_of_a_ring_in_use(host: CardHost, queue: OpenQueue) -> None:
    request = HwrmStatCtxFreeInput(stat_ctx_id=queue.stat)
    host.call(request)
    assert host.rules == {"stat_ctx_free_in_use"}


def test_counters_survive_a_queue_restart(host: CardHost, queue: OpenQueue) -> None:
    ctx = host.card.resources.stat_ctxs[queue.stat]
    ctx.counters[RX_UCAST_PKTS] = 5
    host.free_ring(RingType.RX, queue.rx)
    host.free_ring(RingType.RX_AGG, queue.agg)
    assert host.counter(ctx.address) == 5
    host.ring(RingType.RX, nq_ring_id=queue.nq, stat_ctx_id=queue.stat)
    assert ctx.counters[RX_UCAST_PKTS] == 5
    host.call(HwrmStatCtxClrStatsInput(stat_ctx_id=queue.stat))
    assert not any(ctx.counters)


def test_function_statistics(host: CardHost) -> None:
    for count in (3, 4):
        ctx_id, _ = host.stat_ctx()
        host.card.resources.stat_ctxs[ctx_id].counters[RX_UCAST_PKTS] = count
    out = host.call(HwrmFuncQstatsExtInput(fid=0xFFFF))
    assert out.rx_ucast_pkts == 7
    out = host.call(HwrmFuncQstatsExtInput(fid=0xFFFF, flags=2))
    assert out.rx_ucast_pkts == out.rx_tpa_events == (1 << 48) - 1


def test_counters_can_be_asked_for(host: CardHost) -> None:
    first, second = (host.stat_ctx()[0] for _ in range(2))
    for ctx_id, count in ((first, 3), (second, 4)):
        counters = host.card.resources.stat_ctxs[ctx_id].counters
        counters[RX_UCAST_PKTS] = counters[RX_ERROR_PKTS] = counters[RX_TPA_PKT] = count
    out = host.call(HwrmStatCtxQueryInput(stat_ctx_id=second))
    assert (out.rx_ucast_pkts, out.rx_error_pkts, out.rx_agg_pkts) == (4, 4, 4)
    out = host.call(HwrmFuncQstatsInput(fid=0xFFFF))
    assert (out.rx_ucast_pkts, out.rx_drop_pkts, out.rx_agg_pkts) == (7, 7, 7)
    assert host.error(HwrmFuncQstatsInput(fid=9)) == Err.RESOURCE_ACCESS_DENIED
    assert host.error(HwrmStatCtxQueryInput(stat_ctx_id=99)) == Err.INVALID_PARAMS


def test_port_statistics_are_those_of_the_wire(host: CardHost) -> None:
    host.card.receive([b"\xff" * 6 + bytes(54), MAC + bytes(1494)])
    rx, tx = host.allocate(RxPortStats.SIZE), host.allocate(4096)
    out = host.call(HwrmPortQstatsInput(rx_stat_host_addr=rx, tx_stat_host_addr=tx))
    assert (out.rx_stat_size, out.tx_stat_size) == (528, 408)
    seen = RxPortStats.unpack(host.peek(rx, RxPortStats.SIZE))
    assert (seen.rx_total_frames, seen.rx_bcast_frames, seen.rx_ucast_frames) == (2, 1, 1)
    assert seen.rx_bytes == 64 + 1504
    assert (seen.rx_64b_frames, seen.rx_1024b_1518b_frames) == (1, 1)
    ext = host.call(
        HwrmPortQstatsExtInput(
            rx_stat_host_addr=rx, rx_stat_size=488, tx_stat_host_addr=tx, tx_stat_size=256
        )
    )
    assert (ext.rx_stat_size, ext.tx_stat_size) == (488, 256)
    assert RxPortStatsExt.unpack(host.peek(rx, 488)).rx_packets_cos0 == 2


def test_port_statistics_outside_memory(host: CardHost) -> None:
    request = HwrmPortQstatsInput(rx_stat_host_addr=UNMAPPED, tx_stat_host_addr=BASE)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_indirect_write"}


# -- link ---------------------------------------------------------------------------------------
def phy(host: CardHost) -> HwrmPortPhyQcfgOutput:
    return host.call(HwrmPortPhyQcfgInput())


def test_link_event_reaches_the_queue_that_was_named(host: CardHost, queue: OpenQueue) -> None:
    host.card.set_link(False)
    assert host.card.resources.nqs[queue.nq].prod == 0
    host.call(HwrmFuncDrvRgtrInput(async_event_fwd=(1, 0, 0, 0, 0, 0, 0, 0)))
    host.call(
        HwrmFuncCfgInput(fid=0xFFFF, enables=FuncCfgEnables.ASYNC_EVENT_CR, async_event_cr=queue.nq)
    )
    assert phy(host).link == 0
    host.card.set_link(True)
    event = HwrmAsyncEventCmpl.unpack(host.card.resources.nqs[queue.nq].memory.read_entry(0))
    assert (event.type, event.event_id) == (
        CmplType.HWRM_ASYNC_EVENT,
        AsyncEvent.LINK_STATUS_CHANGE,
    )
    assert (event.event_data1 & 1, event.opaque_v & 1) == (1, 1)
    assert host.interrupts == [0]
    out = phy(host)
    assert (out.link, out.link_speed) == (2, 1000)


def test_driver_forces_the_link_of_a_port_of_its_own_down() -> None:
    host = CardHost(Identity(keeps_link=False))
    force_down = HwrmPortPhyCfgInput(flags=PhyCfgFlags.FORCE_LINK_DWN)
    host.call(force_down)
    assert phy(host).link == PhyLink.SIGNAL
    host.card.receive([b"\xff" * 60])
    assert host.card.mac.rx.frames == 0
    host.call(HwrmPortPhyCfgInput())
    assert phy(host).link == 2


def test_shared_port_keeps_its_link(host: CardHost) -> None:
    force_down = HwrmPortPhyCfgInput(flags=PhyCfgFlags.FORCE_LINK_DWN)
    host.call(force_down)
    assert phy(host).link == 2
