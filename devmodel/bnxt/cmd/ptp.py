# SPDX-License-Identifier: GPL-2.0-only
"""The hardware clock (PHC), timestamps of sent frames, and pulse pins.

Which frames are stamped, frequency and phase are PORT_MAC_CFG's (cmd/port.py).
"""

from __future__ import annotations

from devmodel.bnxt.cmd.func import request_timeout_ms
from devmodel.bnxt.cmd.port import check_port
from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import FuncQcapsFlagsExt
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ptp import (
    PHC_GRC_LOWER,
    PHC_GRC_UPPER,
    HwrmFuncPtpCfgInput,
    HwrmFuncPtpCfgOutput,
    HwrmFuncPtpPinCfgInput,
    HwrmFuncPtpPinCfgOutput,
    HwrmFuncPtpPinQcfgInput,
    HwrmFuncPtpPinQcfgOutput,
    HwrmFuncPtpTsQueryInput,
    HwrmFuncPtpTsQueryOutput,
    HwrmPortMacPtpQcfgInput,
    HwrmPortMacPtpQcfgOutput,
    HwrmPortTsQueryInput,
    HwrmPortTsQueryOutput,
    PinCfgEnables,
    PinUsage,
    PpsEvent,
    PtpCfgEnables,
    PtpQcfgFlags,
    PtpTsQueryFlags,
    TsQueryEnables,
    TsQueryFlags,
)
from devmodel.bnxt.pps import PINS, SECOND_NS, Pin

COMMANDS = CommandTable()
_NS_PER_US, _NS_PER_MS = 1_000, 1_000_000
_ENABLES_PER_PIN = 2
_SYNCE_PINS = (2, 3)
_MOST_DLL_SOURCE = 8
_NO_DLL_SOURCE = 0xFF
_MOST_DLL_PHASE = 4


def _check_phc(fw: Firmware) -> None:
    if not fw.identity.has_phc:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)


def _check_pps(fw: Firmware) -> None:
    _check_phc(fw)
    if not fw.identity.func_flags_ext & FuncQcapsFlagsExt.PTP_PPS_SUPPORTED:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)


@COMMANDS.handles(Cmd.PORT_MAC_PTP_QCFG, HwrmPortMacPtpQcfgInput)
def port_mac_ptp_qcfg(fw: Firmware, req: HwrmPortMacPtpQcfgInput) -> HwrmPortMacPtpQcfgOutput:
    """Timestamps by firmware commands, the time from registers; whether somebody has set it."""
    _check_phc(fw)
    check_port(fw, req.port_id)
    flags = PtpQcfgFlags.HWRM_ACCESS | PtpQcfgFlags.PARTIAL_DIRECT_ACCESS_REF_CLOCK
    if fw.phc.is_set:
        flags |= PtpQcfgFlags.RTC_CONFIGURED
    return HwrmPortMacPtpQcfgOutput(
        flags=flags, ts_ref_clock_reg_lower=PHC_GRC_LOWER, ts_ref_clock_reg_upper=PHC_GRC_UPPER
    )


@COMMANDS.handles(Cmd.PORT_TS_QUERY, HwrmPortTsQueryInput)
def port_ts_query(fw: Firmware, req: HwrmPortTsQueryInput) -> HwrmPortTsQueryOutput:
    """The time, or the timestamp of a sent frame. Raises HwrmError BUSY if there is none.

    The card stamps a frame before it completes it, so it would have nothing to wait for; a driver
    that has the firmware wait, which bnxt_ptp_ts_aux_work() does, expects that this takes a while.
    It takes at most half of what the driver was told to wait for any answer: one that comes behind
    that is written to memory of others. Timestamps of received frames are in completions only.
    """
    _check_phc(fw)
    check_port(fw, req.port_id)
    if req.flags & TsQueryFlags.CURRENT_TIME:
        return HwrmPortTsQueryOutput(ptp_msg_ts=fw.phc.time_ns)
    if req.flags & TsQueryFlags.PATH_RX:
        raise HwrmError(Err.BUSY)
    wanted = req.ptp_seq_id & 0xFFFF if req.enables & TsQueryEnables.PTP_SEQ_ID else None
    offset = req.ptp_hdr_offset if req.enables & TsQueryEnables.PTP_HDR_OFFSET else 0
    stamp = fw.timestamps.of_sent(wanted, offset)
    if stamp is None:
        waits = req.enables & TsQueryEnables.TS_REQ_TIMEOUT
        asked_ns = req.ts_req_timeout * _NS_PER_US if waits else 0
        raise HwrmError(Err.BUSY, after_ns=min(asked_ns, request_timeout_ms(fw) * _NS_PER_MS // 2))
    return HwrmPortTsQueryOutput(ptp_msg_ts=stamp.time_ns, ptp_msg_seqid=stamp.sequence_id)


@COMMANDS.handles(Cmd.FUNC_PTP_CFG, HwrmFuncPtpCfgInput)
def func_ptp_cfg(fw: Firmware, req: HwrmFuncPtpCfgInput) -> HwrmFuncPtpCfgOutput:
    """Set the time, choose the pulses that are told, start an output. All of it or nothing.

    Sources of another clock (DLL) are accepted and not followed: there is no other clock.
    """
    _check_phc(fw)
    enables = req.enables
    if enables & PtpCfgEnables.PPS_EVENT and req.ptp_pps_event > max(PpsEvent):
        raise fw.refuse("hwrm_pps", event=req.ptp_pps_event)
    source = req.ptp_freq_adj_dll_source
    if enables & PtpCfgEnables.FREQ_ADJ_DLL_SOURCE and _MOST_DLL_SOURCE < source < _NO_DLL_SOURCE:
        raise fw.refuse("hwrm_pps", dll_source=source)
    if enables & PtpCfgEnables.FREQ_ADJ_DLL_PHASE and req.ptp_freq_adj_dll_phase > _MOST_DLL_PHASE:
        raise fw.refuse("hwrm_pps", dll_phase=req.ptp_freq_adj_dll_phase)
    period_ns = req.ptp_freq_adj_ext_period
    if enables & PtpCfgEnables.FREQ_ADJ_EXT_PERIOD and period_ns != SECOND_NS:
        raise fw.refuse("hwrm_pps", period_ns=period_ns)
    if enables & PtpCfgEnables.SET_TIME:
        fw.phc.set_time(req.ptp_set_time)
        fw.tell_phc()
    if enables & PtpCfgEnables.PPS_EVENT:
        fw.pps.event = PpsEvent(req.ptp_pps_event)
        fw.pps.schedule()
    if enables & PtpCfgEnables.FREQ_ADJ_EXT_PHASE:
        upper, lower = req.ptp_freq_adj_ext_phase_upper, req.ptp_freq_adj_ext_phase_lower
        fw.pps.start_output(upper << 32 | lower)
    return HwrmFuncPtpCfgOutput()


@COMMANDS.handles(Cmd.FUNC_PTP_PIN_QCFG, HwrmFuncPtpPinQcfgInput)
def func_ptp_pin_qcfg(fw: Firmware, req: HwrmFuncPtpPinQcfgInput) -> HwrmFuncPtpPinQcfgOutput:
    """What each pin is for."""
    _check_pps(fw)
    answer = HwrmFuncPtpPinQcfgOutput(
        num_pins=PINS, state=sum(pin.enabled << n for n, pin in enumerate(fw.pps.pins))
    )
    for number, pin in enumerate(fw.pps.pins):
        setattr(answer, f"pin{number}_usage", pin.usage)
    return answer


@COMMANDS.handles(Cmd.FUNC_PTP_PIN_CFG, HwrmFuncPtpPinCfgInput)
def func_ptp_pin_cfg(fw: Firmware, req: HwrmFuncPtpPinCfgInput) -> HwrmFuncPtpPinCfgOutput:
    """Change pins; all of the request or nothing."""
    _check_pps(fw)
    chosen = []
    for number, pin in enumerate(fw.pps.pins):
        enables = req.enables >> number * _ENABLES_PER_PIN
        state, usage = getattr(req, f"pin{number}_state"), getattr(req, f"pin{number}_usage")
        most = max(PinUsage) if number in _SYNCE_PINS else PinUsage.SYNC_OUT
        if enables & PinCfgEnables.STATE and state > 1:
            raise fw.refuse("hwrm_pps_pin", pin=number, state=state)
        if enables & PinCfgEnables.USAGE and usage > most:
            raise fw.refuse("hwrm_pps_pin", pin=number, usage=usage)
        chosen.append(
            Pin(
                bool(state) if enables & PinCfgEnables.STATE else pin.enabled,
                PinUsage(usage) if enables & PinCfgEnables.USAGE else pin.usage,
            )
        )
    fw.pps.pins = chosen
    fw.pps.schedule()
    return HwrmFuncPtpPinCfgOutput()


@COMMANDS.handles(Cmd.FUNC_PTP_TS_QUERY, HwrmFuncPtpTsQueryInput)
def func_ptp_ts_query(fw: Firmware, req: HwrmFuncPtpTsQueryInput) -> HwrmFuncPtpTsQueryOutput:
    """When the last pulse was told. PCIe time (PTM) is refused: the capability is not told."""
    _check_pps(fw)
    if req.flags & PtpTsQueryFlags.PTM_TIME:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)
    return HwrmFuncPtpTsQueryOutput(pps_event_ts=fw.pps.last_ns)
