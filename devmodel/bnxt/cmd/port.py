# SPDX-License-Identifier: GPL-2.0-only
"""Port: MAC, LEDs, statistics. The PHY is cmd/phy.py's."""

from __future__ import annotations

from devmodel.bnxt.board import LEDS
from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.phy import Loopback
from devmodel.bnxt.hsi.port import (
    HwrmPortLedCfgInput,
    HwrmPortLedCfgOutput,
    HwrmPortLedQcapsInput,
    HwrmPortLedQcapsOutput,
    HwrmPortMacCfgInput,
    HwrmPortMacCfgOutput,
    HwrmPortMacQcapsInput,
    HwrmPortMacQcapsOutput,
    HwrmPortQstatsExtInput,
    HwrmPortQstatsExtOutput,
    HwrmPortQstatsInput,
    HwrmPortQstatsOutput,
    LedColor,
    LedColorCaps,
    LedEnables,
    LedState,
    LedStateCaps,
    MacCfgEnables,
    MacCfgFlags,
    MacQcapsFlags,
    PortQstatsFlags,
)
from devmodel.bnxt.hsi.port_stats import (
    RxPortStats,
    RxPortStatsExt,
    TxPortStats,
    TxPortStatsExt,
)
from devmodel.bnxt.phc import MAX_PPB
from devmodel.bnxt.qos import QUEUES
from devmodel.bnxt.stats import COUNTER_MASK
from devmodel.layout import Layout

COMMANDS = CommandTable()
_INTER_PACKET_GAP = 12
_LED_STATES = sum(LedStateCaps)
_LED_COLORS = sum(LedColorCaps)
_ENABLES_PER_LED = 6
_CAPTURES = (
    (MacCfgFlags.PTP_RX_TS_CAPTURE_ENABLE, MacCfgFlags.PTP_RX_TS_CAPTURE_DISABLE, "ptp_received"),
    (MacCfgFlags.PTP_TX_TS_CAPTURE_ENABLE, MacCfgFlags.PTP_TX_TS_CAPTURE_DISABLE, "sent"),
    (MacCfgFlags.ALL_RX_TS_CAPTURE_ENABLE, MacCfgFlags.ALL_RX_TS_CAPTURE_DISABLE, "all_received"),
)
"""Flags of PORT_MAC_CFG that switch a capture of Timestamps on, and off."""


def check_port(fw: Firmware, port_id: int) -> None:
    """Raise HwrmError unless the port is the function's."""
    if port_id != fw.identity.port_id:
        raise fw.refuse("hwrm_unknown_id", kind="port", id=port_id)


@COMMANDS.handles(Cmd.PORT_MAC_QCAPS, HwrmPortMacQcapsInput)
def port_mac_qcaps(fw: Firmware, req: HwrmPortMacQcapsInput) -> HwrmPortMacQcapsOutput:
    """Loopback both ways."""
    check_port(fw, req.port_id)
    return HwrmPortMacQcapsOutput(flags=MacQcapsFlags.REMOTE_LPBK_SUPPORTED)


@COMMANDS.handles(Cmd.PORT_MAC_CFG, HwrmPortMacCfgInput)
def port_mac_cfg(fw: Firmware, req: HwrmPortMacCfgInput) -> HwrmPortMacCfgOutput:
    """Loopback, timestamps and clock of the MAC. Any other setting is accepted, without effect."""
    check_port(fw, req.port_id)
    if req.enables & MacCfgEnables.LPBK:
        if req.lpbk not in (Loopback.NONE, Loopback.LOCAL, Loopback.REMOTE):
            raise fw.refuse("hwrm_mac_loopback", lpbk=req.lpbk)
        fw.set_mac_loopback(Loopback(req.lpbk))
    if fw.identity.has_phc:
        _adjust_phc(fw, req)
        _capture(fw, req)
    return HwrmPortMacCfgOutput(
        mru=fw.identity.max_mru,
        mtu=fw.identity.max_mtu,
        ipg=_INTER_PACKET_GAP,
        lpbk=fw.mac_loopback,
    )


def _adjust_phc(fw: Firmware, req: HwrmPortMacCfgInput) -> None:
    if req.enables & MacCfgEnables.PTP_FREQ_ADJ_PPB:
        ppb = _signed(req.ptp_freq_adj_ppb, 32)
        if abs(ppb) > MAX_PPB:
            raise fw.refuse("hwrm_phc_frequency", ppb=ppb)
        fw.phc.adjust_frequency(ppb)
    if req.enables & MacCfgEnables.PTP_ADJ_PHASE:
        fw.phc.adjust_phase(_signed(req.ptp_adj_phase, 64))
        fw.tell_phc()


def _signed(value: int, bits: int) -> int:
    return value - (value >> bits - 1 << bits)


def _capture(fw: Firmware, req: HwrmPortMacCfgInput) -> None:
    """Which frames are stamped; what the request does not name stays."""
    for on, off, name in _CAPTURES:
        if req.flags & (on | off):
            setattr(fw.timestamps, name, bool(req.flags & on))
            fw.resources.steering_changed()
    if req.enables & MacCfgEnables.RX_TS_CAPTURE_PTP_MSG_TYPE:
        fw.timestamps.message_types = req.rx_ts_capture_ptp_msg_type


@COMMANDS.handles(Cmd.PORT_LED_QCAPS, HwrmPortLedQcapsInput)
def port_led_qcaps(fw: Firmware, req: HwrmPortLedQcapsInput) -> HwrmPortLedQcapsOutput:
    """Two LEDs in a group, for speed and activity."""
    check_port(fw, req.port_id)
    answer = HwrmPortLedQcapsOutput(num_leds=len(LEDS))
    for place, led in enumerate(LEDS):
        setattr(answer, f"led{place}_id", led.number)
        setattr(answer, f"led{place}_type", led.kind)
        setattr(answer, f"led{place}_group_id", led.group)
        setattr(answer, f"led{place}_state_caps", _LED_STATES)
        setattr(answer, f"led{place}_color_caps", _LED_COLORS)
    return answer


@COMMANDS.handles(Cmd.PORT_LED_CFG, HwrmPortLedCfgInput)
def port_led_cfg(fw: Firmware, req: HwrmPortLedCfgInput) -> HwrmPortLedCfgOutput:
    """State and colour of LEDs by their id; all of the request or nothing."""
    check_port(fw, req.port_id)
    if req.num_leds > len(LEDS):
        raise fw.refuse("hwrm_led", num_leds=req.num_leds)
    chosen = dict(fw.board.leds)
    for place in range(req.num_leds):
        enables = req.enables >> place * _ENABLES_PER_LED
        number, state, color = (
            getattr(req, f"led{place}_{name}") for name in ("id", "state", "color")
        )
        if not enables & LedEnables.ID or number not in chosen:
            raise fw.refuse("hwrm_led", id=number)
        if enables & LedEnables.STATE:
            if state > max(LedState):
                raise fw.refuse("hwrm_led", id=number, state=state)
            chosen[number] = LedState(state)
        if enables & LedEnables.COLOR and color > max(LedColor):
            raise fw.refuse("hwrm_led", id=number, color=color)
    fw.board.leds = chosen
    return HwrmPortLedCfgOutput()


def _write_counters(fw: Firmware, block: Layout, address: int, room: int, flags: int) -> int:
    """Store as much of a block of counters as there is room for. Returns the bytes written."""
    size = min(block.SIZE, room) & ~7
    if not address or not size:
        return 0
    data = block.pack()[:size]
    if flags & PortQstatsFlags.COUNTER_MASK:
        data = COUNTER_MASK.to_bytes(8, "little") * (size // 8)
    fw.write(address, data, block.C_NAME)
    return size


@COMMANDS.handles(Cmd.PORT_QSTATS, HwrmPortQstatsInput)
def port_qstats(fw: Firmware, req: HwrmPortQstatsInput) -> HwrmPortQstatsOutput:
    """MAC counters (rx_port_stats, tx_port_stats), or the width of each."""
    check_port(fw, req.port_id)
    rx = RxPortStats(**fw.mac_counters.rx.snapshot())
    tx = TxPortStats(**fw.mac_counters.tx.snapshot())
    return HwrmPortQstatsOutput(
        rx_stat_size=_write_counters(fw, rx, req.rx_stat_host_addr, rx.SIZE, req.flags),
        tx_stat_size=_write_counters(fw, tx, req.tx_stat_host_addr, tx.SIZE, req.flags),
    )


@COMMANDS.handles(Cmd.PORT_QSTATS_EXT, HwrmPortQstatsExtInput)
def port_qstats_ext(fw: Firmware, req: HwrmPortQstatsExtInput) -> HwrmPortQstatsExtOutput:
    """Extended MAC counters: of the CoS queues and of the link."""
    check_port(fw, req.port_id)
    seen = fw.mac_counters.rx.snapshot()
    rx = RxPortStatsExt(
        link_down_events=fw.link.down_events,
        rx_bits=seen.get("rx_bytes", 0) * 8,
        rx_filter_miss=seen.get("rx_stat_discard", 0),
        **fw.mac_counters.rx.extended,
    )
    tx = TxPortStatsExt()
    fw.settle_cos()
    mac = fw.mac_counters
    for block, way, cos in ((rx, "rx", mac.rx.cos), (tx, "tx", mac.tx.cos)):
        for queue in range(QUEUES):
            setattr(block, f"{way}_packets_cos{queue}", cos.packets[queue])
            setattr(block, f"{way}_bytes_cos{queue}", cos.bytes_[queue])
    return HwrmPortQstatsExtOutput(
        rx_stat_size=_write_counters(fw, rx, req.rx_stat_host_addr, req.rx_stat_size, req.flags),
        tx_stat_size=_write_counters(fw, tx, req.tx_stat_host_addr, req.tx_stat_size, req.flags),
    )
