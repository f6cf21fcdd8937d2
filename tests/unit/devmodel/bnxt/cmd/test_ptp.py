# SPDX-License-Identifier: GPL-2.0-only
"""The hardware clock, its timestamps and pins, as commands and registers show them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import UDP

from devmodel.bnxt.card import REGISTER_BAR
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncQcapsFlags,
    FuncQcapsFlagsExt,
    HwrmFuncCfgInput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncResetInput,
)
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput, HwrmInput
from devmodel.bnxt.hsi.port import HwrmPortMacCfgInput, MacCfgEnables, MacCfgFlags
from devmodel.bnxt.hsi.ptp import (
    HwrmFuncPtpCfgInput,
    HwrmFuncPtpPinCfgInput,
    HwrmFuncPtpPinQcfgInput,
    HwrmFuncPtpTsQueryInput,
    HwrmPortMacPtpQcfgInput,
    HwrmPortTsQueryInput,
    PinUsage,
    PpsEvent,
    PtpCfgEnables,
    PtpQcfgFlags,
    PtpTsQueryFlags,
    TsQueryEnables,
    TsQueryFlags,
)
from devmodel.bnxt.hsi.regs import FW_STATUS
from devmodel.bnxt.hsi.ring import AsyncEvent, HwrmAsyncEventCmpl
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.phc import MAX_PPB
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue
from tests.unit.devmodel.bnxt.test_timestamps import SYNC, message
from tests.unit.devmodel.frames import ETHER, V4, build

SECOND = 1_000_000_000
WINDOW_BASE, WINDOW = 0x414, 0x6000
TIME = 3 << 56 | 5 << 32 | 7
BY_ID = TsQueryEnables.PTP_SEQ_ID | TsQueryEnables.PTP_HDR_OFFSET | TsQueryEnables.TS_REQ_TIMEOUT
REQUESTS = (
    HwrmPortMacPtpQcfgInput,
    HwrmPortTsQueryInput,
    HwrmFuncPtpCfgInput,
    HwrmFuncPtpPinQcfgInput,
    HwrmFuncPtpPinCfgInput,
    HwrmFuncPtpTsQueryInput,
)


def set_time(host: CardHost, time_ns: int = TIME) -> None:
    host.call(HwrmFuncPtpCfgInput(enables=PtpCfgEnables.SET_TIME, ptp_set_time=time_ns))


def now(host: CardHost) -> int:
    time_ns: int = host.call(HwrmPortTsQueryInput(flags=TsQueryFlags.CURRENT_TIME)).ptp_msg_ts
    return time_ns


def adjust(host: CardHost, enables: MacCfgEnables, **fields: int) -> None:
    host.call(HwrmPortMacCfgInput(enables=enables, **fields))


def registers(host: CardHost) -> int:
    """The time as the driver reads it, through window 6 at the address that it was told."""
    told = host.call(HwrmPortMacPtpQcfgInput())
    places = (told.ts_ref_clock_reg_lower, told.ts_ref_clock_reg_upper)
    assert places[0] & ~0xFFF == places[1] & ~0xFFF
    host.card.mmio_write(REGISTER_BAR, WINDOW_BASE, struct.pack("<I", places[0] & ~0xFFF))
    lower, upper = (host.register(WINDOW + (place & 0xFFF)) for place in places)
    return upper << 32 | lower


def listen(host: CardHost) -> OpenQueue:
    """A queue whose NQ takes all events."""
    queue = host.open_queue()
    host.call(HwrmFuncDrvRgtrInput(async_event_fwd=(0xFFFFFFFF,) * 8))
    enables = FuncCfgEnables.ASYNC_EVENT_CR
    host.call(HwrmFuncCfgInput(fid=0xFFFF, enables=enables, async_event_cr=queue.nq))
    return queue


def events(host: CardHost, queue: OpenQueue, event: AsyncEvent) -> list[tuple[int, int]]:
    """(data1, data2) of those that came, oldest first."""
    nq = host.card.resources.nqs[queue.nq]
    entries = [nq.memory.read_entry(n & nq.mask) for n in range(nq.prod)]
    found = [HwrmAsyncEventCmpl.unpack(entry) for entry in entries]
    return [(e.event_data1, e.event_data2) for e in found if e.type == 0x2E and e.event_id == event]


def test_registers_and_commands_show_one_time(host: CardHost) -> None:
    assert registers(host) == now(host) == host.clock.now_ns
    set_time(host)
    assert now(host) == TIME
    assert registers(host) == TIME & (1 << 48) - 1
    host.clock.advance_to(host.clock.now_ns + 5)
    assert registers(host) == (TIME & (1 << 48) - 1) + 5


def test_a_time_that_was_set_outlives_resets(host: CardHost) -> None:
    flags = host.call(HwrmPortMacPtpQcfgInput()).flags
    assert flags & PtpQcfgFlags.HWRM_ACCESS
    assert not flags & PtpQcfgFlags.RTC_CONFIGURED
    set_time(host)
    host.call(HwrmFuncResetInput())
    host.arm("now", {"action": "card", "do": "fw_restart"})
    assert host.call(HwrmPortMacPtpQcfgInput()).flags & PtpQcfgFlags.RTC_CONFIGURED
    assert now(host) == TIME


def test_frequency_and_phase_are_signed(host: CardHost) -> None:
    set_time(host)
    adjust(host, MacCfgEnables.PTP_FREQ_ADJ_PPB, ptp_freq_adj_ppb=-1000 & 0xFFFF_FFFF)
    host.clock.advance_to(host.clock.now_ns + SECOND)
    assert now(host) == TIME + SECOND - 1000
    adjust(host, MacCfgEnables.PTP_ADJ_PHASE, ptp_adj_phase=-SECOND & (1 << 64) - 1)
    assert now(host) == TIME - 1000


def test_a_frequency_beyond_the_clocks_is_refused(host: CardHost) -> None:
    for ppb in (MAX_PPB + 1, -MAX_PPB - 1 & 0xFFFF_FFFF):
        request = HwrmPortMacCfgInput(enables=MacCfgEnables.PTP_FREQ_ADJ_PPB, ptp_freq_adj_ppb=ppb)
        assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_phc_frequency"}


def test_a_step_is_told_with_the_upper_bits(host: CardHost) -> None:
    queue = listen(host)
    set_time(host, 0xABCD << 48 | 9)
    adjust(host, MacCfgEnables.PTP_ADJ_PHASE, ptp_adj_phase=1 << 48)
    told = events(host, queue, AsyncEvent.PHC_UPDATE)
    assert told == [(4 | 0xABCD << 4, 0), (4 | 0xABCE << 4, 0)]


def test_capture_is_switched_flag_by_flag(host: CardHost) -> None:
    stamps = host.card.firmware.timestamps

    def state(flags: int, enables: int = 0, **fields: int) -> tuple[bool, bool, bool, int]:
        host.call(HwrmPortMacCfgInput(flags=flags, enables=enables, **fields))
        return stamps.ptp_received, stamps.all_received, stamps.sent, stamps.message_types

    kinds = {"enables": MacCfgEnables.RX_TS_CAPTURE_PTP_MSG_TYPE, "rx_ts_capture_ptp_msg_type": 3}
    on = MacCfgFlags.PTP_RX_TS_CAPTURE_ENABLE | MacCfgFlags.PTP_TX_TS_CAPTURE_ENABLE
    assert state(on, **kinds) == (True, False, True, 3)
    assert state(MacCfgFlags.ALL_RX_TS_CAPTURE_ENABLE) == (True, True, True, 3)
    off = MacCfgFlags.PTP_RX_TS_CAPTURE_DISABLE | MacCfgFlags.ALL_RX_TS_CAPTURE_DISABLE
    assert state(off) == (False, False, True, 3)
    assert state(MacCfgFlags.PTP_TX_TS_CAPTURE_DISABLE) == (False, False, False, 3)
    state(on)
    host.call(HwrmFuncResetInput())
    assert (stamps.ptp_received, stamps.sent) == (False, False)


def test_a_switch_reaches_flows_that_are_known(
    host: CardHost, queue: OpenQueue, vnic_id: int
) -> None:
    before = host.card.resources.steering_generation
    host.call(HwrmPortMacCfgInput(flags=MacCfgFlags.ALL_RX_TS_CAPTURE_ENABLE))
    assert host.card.resources.steering_generation > before


def test_the_time_of_a_sent_frame_is_asked_for_by_name(host: CardHost) -> None:
    set_time(host)
    stamps = host.card.firmware.timestamps
    query = HwrmPortTsQueryInput(enables=BY_ID, ptp_seq_id=5, ptp_hdr_offset=42)
    assert host.error(query) == Err.BUSY
    host.call(HwrmPortMacCfgInput(flags=MacCfgFlags.PTP_TX_TS_CAPTURE_ENABLE))
    stamps.has_sent(build(ETHER, V4, UDP(sport=319, dport=319), message(SYNC, 5)))
    answer = host.call(query)
    assert (answer.ptp_msg_ts, answer.ptp_msg_seqid) == (TIME, 5)
    assert host.error(query) == Err.BUSY
    assert host.error(HwrmPortTsQueryInput(flags=TsQueryFlags.PATH_RX)) == Err.BUSY


@pytest.fixture
def waiting(host: CardHost) -> CardHost:
    """One that has asked for the time of a frame which was not sent, and waits for it 2 us."""
    query = HwrmPortTsQueryInput(enables=BY_ID, ptp_seq_id=5, ts_req_timeout=2)
    assert host.submit(query) == b""
    return host


def error_of(host: CardHost) -> int:
    """What it was refused with; 0 while it waits."""
    return HwrmErrOutput.unpack(host.peek(host.response_at, HwrmErrOutput.SIZE)).error_code


def test_a_frame_is_waited_for_as_long_as_asked(waiting: CardHost) -> None:
    waiting.clock.advance_to(waiting.clock.now_ns + 1_999)
    assert error_of(waiting) == 0
    waiting.clock.advance_to(waiting.clock.now_ns + 1)
    assert error_of(waiting) == Err.BUSY


def test_a_driver_is_answered_before_it_gives_up(host: CardHost) -> None:
    """Whatever it asks for: it has been told to wait 25 ms for an answer."""
    host.submit(HwrmPortTsQueryInput(enables=BY_ID, ptp_seq_id=5, ts_req_timeout=0xFFFF))
    host.clock.advance_to(host.clock.now_ns + 12_499_999)
    assert error_of(host) == 0
    host.clock.advance_to(host.clock.now_ns + 1)
    assert error_of(host) == Err.BUSY


def test_time_passes_for_a_driver_that_looks_at_the_status(waiting: CardHost) -> None:
    waiting.card.mmio_read(REGISTER_BAR, FW_STATUS, 4)
    assert error_of(waiting) == Err.BUSY


@pytest.mark.parametrize(
    "stop",
    [
        lambda host: host.card.reset(ResetKind.FLR),
        lambda host: host.call(HwrmFuncPtpPinQcfgInput()),
    ],
)
def test_what_comes_meanwhile_ends_the_wait(
    waiting: CardHost, stop: Callable[[CardHost], object]
) -> None:
    stop(waiting)
    waiting.poke(waiting.response_at, bytes(64))
    waiting.clock.advance_to(waiting.clock.now_ns + 1_000_000)
    assert error_of(waiting) == 0


def test_pins_are_what_they_were_made(host: CardHost) -> None:
    told = host.call(HwrmFuncPtpPinQcfgInput())
    assert (told.num_pins, told.state, told.pin0_usage) == (4, 0, PinUsage.NONE)
    host.call(HwrmFuncPtpPinCfgInput(enables=0x30, pin2_state=1, pin2_usage=PinUsage.PPS_OUT))
    host.call(HwrmFuncPtpPinCfgInput(enables=0x08, pin1_state=1, pin1_usage=PinUsage.PPS_IN))
    told = host.call(HwrmFuncPtpPinQcfgInput())
    assert (told.state, told.pin1_usage, told.pin2_usage) == (4, PinUsage.PPS_IN, PinUsage.PPS_OUT)
    host.call(HwrmFuncResetInput())
    assert host.call(HwrmFuncPtpPinQcfgInput()).state == 4
    host.arm("now", {"action": "card", "do": "fw_restart"})
    assert host.call(HwrmFuncPtpPinQcfgInput()).state == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"enables": 1, "pin0_state": 2},
        {"enables": 2, "pin0_usage": PinUsage.SYNCE_PRIMARY_CLOCK_OUT},
        {"enables": 0x80, "pin3_usage": 7},
        {"enables": 0x33, "pin0_state": 1, "pin0_usage": 1, "pin2_usage": 9},
    ],
)
def test_pins_there_are_none_of(host: CardHost, fields: dict[str, Any]) -> None:
    assert host.error(HwrmFuncPtpPinCfgInput(**fields)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_pps_pin"}
    assert host.call(HwrmFuncPtpPinQcfgInput()).state == 0


def test_pulses_of_the_clock_are_events(host: CardHost) -> None:
    queue = listen(host)
    set_time(host, (1 << 40) - 1)
    host.call(HwrmFuncPtpPinCfgInput(enables=3, pin0_state=1, pin0_usage=PinUsage.PPS_IN))
    enables = PtpCfgEnables.PPS_EVENT
    host.call(HwrmFuncPtpCfgInput(enables=enables, ptp_pps_event=PpsEvent.INTERNAL))
    host.clock.advance_to(host.clock.now_ns + 2 * SECOND)
    told = events(host, queue, AsyncEvent.PPS_TIMESTAMP)
    times = [data2 >> 4 << 32 | data1 for data1, data2 in told]
    first = ((1 << 40) // SECOND + 1) * SECOND
    assert times == [first, first + SECOND]
    assert host.call(HwrmFuncPtpTsQueryInput()).pps_event_ts == times[-1]


def test_a_pulse_from_outside_is_an_event(host: CardHost) -> None:
    queue = listen(host)
    host.call(HwrmFuncPtpPinCfgInput(enables=0xC, pin1_state=1, pin1_usage=PinUsage.PPS_IN))
    enables = PtpCfgEnables.PPS_EVENT
    host.call(HwrmFuncPtpCfgInput(enables=enables, ptp_pps_event=PpsEvent.EXTERNAL))
    host.arm("now", {"action": "card", "do": "pulse", "params": {"pin": 1}})
    assert [data2 & 0xF for _, data2 in events(host, queue, AsyncEvent.PPS_TIMESTAMP)] == [3]


def test_an_output_pin_sends_pulses(host: CardHost) -> None:
    host.call(HwrmFuncPtpPinCfgInput(enables=0xC, pin1_state=1, pin1_usage=PinUsage.PPS_OUT))
    start = now(host) + SECOND
    wanted = {
        "ptp_freq_adj_ext_period": SECOND,
        "ptp_freq_adj_ext_phase_lower": start & 0xFFFF_FFFF,
        "ptp_freq_adj_ext_phase_upper": start >> 32,
    }
    host.call(HwrmFuncPtpCfgInput(enables=0x38, **wanted))
    host.clock.advance_to(host.clock.now_ns + 3 * SECOND)
    assert host.card.state()["pps_pulses_sent"] == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"enables": PtpCfgEnables.PPS_EVENT, "ptp_pps_event": 3},
        {"enables": PtpCfgEnables.FREQ_ADJ_DLL_SOURCE, "ptp_freq_adj_dll_source": 9},
        {"enables": PtpCfgEnables.FREQ_ADJ_DLL_PHASE, "ptp_freq_adj_dll_phase": 5},
        {"enables": PtpCfgEnables.FREQ_ADJ_EXT_PERIOD, "ptp_freq_adj_ext_period": SECOND - 1},
    ],
)
def test_settings_there_are_none_of(host: CardHost, fields: dict[str, Any]) -> None:
    fields = {**fields, "enables": fields["enables"] | PtpCfgEnables.SET_TIME, "ptp_set_time": TIME}
    assert host.error(HwrmFuncPtpCfgInput(**fields)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_pps"}
    assert now(host) == host.clock.now_ns


def test_there_is_no_pcie_time(host: CardHost) -> None:
    request = HwrmFuncPtpTsQueryInput(flags=PtpTsQueryFlags.PTM_TIME)
    assert host.error(request) == Err.CMD_NOT_SUPPORTED
    assert not host.rules


@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_card_without_the_clock_refuses_all(request_of: type[HwrmInput]) -> None:
    host = CardHost(Identity(func_flags=FuncQcapsFlags.EXT_STATS_SUPPORTED))
    assert host.error(request_of()) == Err.CMD_NOT_SUPPORTED
    host.clock.advance_to(SECOND)
    host.card.mmio_write(REGISTER_BAR, WINDOW_BASE, struct.pack("<I", 0x6401000))
    assert host.register(WINDOW + 0x80C) == 0
    settings = MacCfgEnables.PTP_FREQ_ADJ_PPB | MacCfgEnables.PTP_ADJ_PHASE
    adjust(host, settings, ptp_freq_adj_ppb=5, ptp_adj_phase=5)
    assert host.card.phc.time_ns == host.clock.now_ns
    assert not host.rules


def test_a_card_without_pins_has_a_clock() -> None:
    host = CardHost(Identity(func_flags_ext=FuncQcapsFlagsExt.EXT_HW_STATS_SUPPORTED))
    assert host.error(HwrmFuncPtpPinQcfgInput()) == Err.CMD_NOT_SUPPORTED
    assert now(host) == host.clock.now_ns


def test_the_clock_runs_through_a_reset_of_the_bus(host: CardHost) -> None:
    set_time(host)
    host.card.reset(ResetKind.TRANSPORT)
    assert host.card.phc.time_ns == TIME
