# SPDX-License-Identifier: GPL-2.0-only
"""Port and its CoS queue: PHY, LEDs, MAC statistics."""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.port import (
    ActiveFec,
    FdrstatOps,
    FecCfg,
    HwrmPortLedQcapsInput,
    HwrmPortLedQcapsOutput,
    HwrmPortPhyCfgInput,
    HwrmPortPhyCfgOutput,
    HwrmPortPhyFdrstatInput,
    HwrmPortPhyFdrstatOutput,
    HwrmPortPhyQcapsInput,
    HwrmPortPhyQcapsOutput,
    HwrmPortPhyQcfgInput,
    HwrmPortPhyQcfgOutput,
    HwrmPortQstatsExtInput,
    HwrmPortQstatsExtOutput,
    HwrmPortQstatsInput,
    HwrmPortQstatsOutput,
    PhyCfgFlags,
    PhyLink,
    PhyQcapsFlags2,
    PortQstatsFlags,
)
from devmodel.bnxt.hsi.port_stats import (
    RxPortStats,
    RxPortStatsExt,
    TxPortStats,
    TxPortStatsExt,
)
from devmodel.bnxt.hsi.queue import (
    HwrmQueuePri2cosQcfgInput,
    HwrmQueuePri2cosQcfgOutput,
    HwrmQueueQportcfgInput,
    HwrmQueueQportcfgOutput,
)
from devmodel.bnxt.link import LINK_SPEED_100GB
from devmodel.bnxt.stats import COUNTER_MASK
from devmodel.layout import Layout

COMMANDS = CommandTable()
_SPEED_MASK_100GB = 0x800
_PHY_TYPE_100G_BASESR4 = 0x10
_MEDIA_TYPE_FIBRE = 3
_DUPLEX_FULL = 1
_RS_FEC = FecCfg.CLAUSE91_SUPPORTED | FecCfg.CLAUSE91_ENABLED
_CODEWORDS_PER_MS = 103_125_000 // 5280
"""RS(528,514) codewords of 5280 bits at 103.125 Gbit/s (IEEE 802.3 clause 91)."""
_MODULE_STATUS_NOTAPPLICABLE = 0xFF
_SIGNAL_MODE_KNOWN = 0x2
_SERVICE_PROFILE_LOSSY = 0
_TX_EXT_BYTES = 128
_SERVICE_PROFILE_TYPE_NIC = 0x2


def _check_port(fw: Firmware, port_id: int) -> None:
    if port_id != fw.identity.port_id:
        raise fw.refuse("hwrm_unknown_id", kind="port", id=port_id)


@COMMANDS.handles(Cmd.PORT_PHY_QCAPS, HwrmPortPhyQcapsInput)
def port_phy_qcaps(fw: Firmware, req: HwrmPortPhyQcapsInput) -> HwrmPortPhyQcapsOutput:
    """One port that can do 100 Gb/s."""
    return HwrmPortPhyQcapsOutput(
        port_cnt=1,
        supported_speeds_force_mode=_SPEED_MASK_100GB,
        supported_speeds_auto_mode=_SPEED_MASK_100GB,
        flags2=PhyQcapsFlags2.FDRSTAT_CMD_SUPPORTED,
    )


@COMMANDS.handles(Cmd.PORT_PHY_QCFG, HwrmPortPhyQcfgInput)
def port_phy_qcfg(fw: Firmware, req: HwrmPortPhyQcfgInput) -> HwrmPortPhyQcfgOutput:
    """Link state: 100 Gb/s, forced speed, RS-FEC, no pause."""
    _check_port(fw, req.port_id)
    up = fw.link.up
    return HwrmPortPhyQcfgOutput(
        link=PhyLink.LINK if up else PhyLink.NO_LINK,
        active_fec_signal_mode=ActiveFec.CLAUSE91 if up else ActiveFec.NONE,
        link_speed=LINK_SPEED_100GB if up else 0,
        duplex_cfg=_DUPLEX_FULL,
        duplex_state=_DUPLEX_FULL,
        support_speeds=_SPEED_MASK_100GB,
        force_link_speed=LINK_SPEED_100GB,
        phy_type=_PHY_TYPE_100G_BASESR4,
        media_type=_MEDIA_TYPE_FIBRE,
        module_status=_MODULE_STATUS_NOTAPPLICABLE,
        fec_cfg=_RS_FEC,
        option_flags=_SIGNAL_MODE_KNOWN,
    )


@COMMANDS.handles(Cmd.PORT_PHY_CFG, HwrmPortPhyCfgInput)
def port_phy_cfg(fw: Firmware, req: HwrmPortPhyCfgInput) -> HwrmPortPhyCfgOutput:
    """Force the link down if the port is ours alone, else bring it up. There is one speed only."""
    _check_port(fw, req.port_id)
    if not fw.identity.keeps_link:
        fw.link.force_down(bool(req.flags & PhyCfgFlags.FORCE_LINK_DWN))
    return HwrmPortPhyCfgOutput()


@COMMANDS.handles(Cmd.PORT_PHY_FDRSTAT, HwrmPortPhyFdrstatInput)
def port_phy_fdrstat(fw: Firmware, req: HwrmPortPhyFdrstatInput) -> HwrmPortPhyFdrstatOutput:
    """FEC codewords by symbol errors since power-on: the wire makes none.

    The collector always runs; START, STOP and CLEAR change nothing.
    """
    _check_port(fw, req.port_id)
    if req.ops > FdrstatOps.COUNTER:
        raise fw.refuse("hwrm_fdrstat_op", ops=req.ops)
    codewords = fw.clock.now_ns * _CODEWORDS_PER_MS // 1_000_000
    return HwrmPortPhyFdrstatOutput(
        accumulated_total_codewords=codewords,
        accumulated_codewords_err_s=(codewords, *(0,) * 16),
    )


@COMMANDS.handles(Cmd.PORT_LED_QCAPS, HwrmPortLedQcapsInput)
def port_led_qcaps(fw: Firmware, req: HwrmPortLedQcapsInput) -> HwrmPortLedQcapsOutput:
    """No LEDs."""
    return HwrmPortLedQcapsOutput()


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
    _check_port(fw, req.port_id)
    rx = RxPortStats(**fw.mac_counters.rx.snapshot())
    tx = TxPortStats(**fw.mac_counters.tx.snapshot())
    return HwrmPortQstatsOutput(
        rx_stat_size=_write_counters(fw, rx, req.rx_stat_host_addr, rx.SIZE, req.flags),
        tx_stat_size=_write_counters(fw, tx, req.tx_stat_host_addr, tx.SIZE, req.flags),
    )


@COMMANDS.handles(Cmd.PORT_QSTATS_EXT, HwrmPortQstatsExtInput)
def port_qstats_ext(fw: Firmware, req: HwrmPortQstatsExtInput) -> HwrmPortQstatsExtOutput:
    """Extended MAC counters: of CoS queue 0, which has all traffic, and of the link.

    The transmit block ends before the counters per priority; there is no priority flow control.
    """
    _check_port(fw, req.port_id)
    seen = fw.mac_counters.rx.snapshot()
    sent = fw.mac_counters.tx.snapshot()
    rx = RxPortStatsExt(
        link_down_events=fw.link.down_events,
        rx_bytes_cos0=seen.get("rx_bytes", 0),
        rx_packets_cos0=seen.get("rx_total_frames", 0),
        rx_bits=seen.get("rx_bytes", 0) * 8,
    )
    tx = TxPortStatsExt(
        tx_bytes_cos0=sent.get("tx_bytes", 0), tx_packets_cos0=sent.get("tx_total_frames", 0)
    )
    tx_room = min(req.tx_stat_size, _TX_EXT_BYTES)
    return HwrmPortQstatsExtOutput(
        rx_stat_size=_write_counters(fw, rx, req.rx_stat_host_addr, req.rx_stat_size, req.flags),
        tx_stat_size=_write_counters(fw, tx, req.tx_stat_host_addr, tx_room, req.flags),
    )


@COMMANDS.handles(Cmd.QUEUE_QPORTCFG, HwrmQueueQportcfgInput)
def queue_qportcfg(fw: Firmware, req: HwrmQueueQportcfgInput) -> HwrmQueueQportcfgOutput:
    """One lossy CoS queue."""
    return HwrmQueueQportcfgOutput(
        max_configurable_queues=1,
        queue_id0=0,
        queue_id0_service_profile=_SERVICE_PROFILE_LOSSY,
        queue_id0_service_profile_type=_SERVICE_PROFILE_TYPE_NIC,
    )


@COMMANDS.handles(Cmd.QUEUE_PRI2COS_QCFG, HwrmQueuePri2cosQcfgInput)
def queue_pri2cos_qcfg(fw: Firmware, req: HwrmQueuePri2cosQcfgInput) -> HwrmQueuePri2cosQcfgOutput:
    """Every priority goes to queue 0."""
    return HwrmQueuePri2cosQcfgOutput()
