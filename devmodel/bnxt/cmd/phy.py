# SPDX-License-Identifier: GPL-2.0-only
"""PHY of the port: modes, FEC, pause, loopback, module (docs/port.md)."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable

from devmodel.bnxt.cmd.port import check_port
from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.phy import (
    AutoMode,
    FdrstatOps,
    FecCfg,
    HwrmPortPhyCfgInput,
    HwrmPortPhyCfgOutput,
    HwrmPortPhyFdrstatInput,
    HwrmPortPhyFdrstatOutput,
    HwrmPortPhyI2cReadInput,
    HwrmPortPhyI2cReadOutput,
    HwrmPortPhyI2cWriteInput,
    HwrmPortPhyI2cWriteOutput,
    HwrmPortPhyQcapsInput,
    HwrmPortPhyQcapsOutput,
    HwrmPortPhyQcfgInput,
    HwrmPortPhyQcfgOutput,
    I2cReadEnables,
    LinkDownReason,
    Loopback,
    PauseBits,
    PhyCfgEnables,
    PhyCfgErr,
    PhyCfgFlags,
    PhyLink,
    PhyQcapsFlags,
    PhyQcapsFlags2,
    SignalMode,
)
from devmodel.bnxt.module import (
    I2C_ADDRESS,
    IDENTIFIER_QSFP28,
    PART_NUMBERS,
    VENDOR,
    ModuleKind,
    read_module,
)
from devmodel.bnxt.phy import ALL_MODES, Mode, Outcome, PhySettings, mask_of, modes_of

COMMANDS = CommandTable()
_PHY_TYPE_100G_BASESR4 = 0x10
_PHY_TYPE_200G_BASECR4 = 0x1C
_MEDIA_TYPE_DAC = 2
_MEDIA_TYPE_FIBRE = 3
_XCVR_EXTERNAL = 2
_DUPLEX_FULL = 1
_MODULE_STATUS_NONE = 0
_MODULE_STATUS_NOTINSERTED = 4
_SIGNAL_MODE_KNOWN = 0x2
_MAX_I2C_BYTES = 64
_FEC_SUPPORTED = (
    FecCfg.AUTONEG_SUPPORTED
    | FecCfg.CLAUSE74_SUPPORTED
    | FecCfg.CLAUSE91_SUPPORTED
    | FecCfg.RS544_1XN_SUPPORTED
    | FecCfg.RS544_IEEE_SUPPORTED
    | FecCfg.RS272_1XN_SUPPORTED
    | FecCfg.RS272_IEEE_SUPPORTED
)
_FEC_SWITCHES = (
    (PhyCfgFlags.FEC_AUTONEG_ENABLE, PhyCfgFlags.FEC_AUTONEG_DISABLE, FecCfg.AUTONEG_ENABLED),
    (PhyCfgFlags.FEC_CLAUSE74_ENABLE, PhyCfgFlags.FEC_CLAUSE74_DISABLE, FecCfg.CLAUSE74_ENABLED),
    (PhyCfgFlags.FEC_CLAUSE91_ENABLE, PhyCfgFlags.FEC_CLAUSE91_DISABLE, FecCfg.CLAUSE91_ENABLED),
    (PhyCfgFlags.FEC_RS544_1XN_ENABLE, PhyCfgFlags.FEC_RS544_1XN_DISABLE, FecCfg.RS544_1XN_ENABLED),
    (PhyCfgFlags.FEC_RS544_IEEE_ENABLE, PhyCfgFlags.FEC_RS544_IEEE_DISABLE,
     FecCfg.RS544_IEEE_ENABLED),
    (PhyCfgFlags.FEC_RS272_1XN_ENABLE, PhyCfgFlags.FEC_RS272_1XN_DISABLE, FecCfg.RS272_1XN_ENABLED),
    (PhyCfgFlags.FEC_RS272_IEEE_ENABLE, PhyCfgFlags.FEC_RS272_IEEE_DISABLE,
     FecCfg.RS272_IEEE_ENABLED),
)  # fmt: skip
"""Flag that enables, flag that disables, and what."""
_TRAINING = PhyCfgFlags.RESET_PHY | PhyCfgFlags.FORCE | PhyCfgFlags.RESTART_AUTONEG
_QUERIES_OF_FEC = 2
"""bnxt_set_fecparam() asks for the state itself and believes that the link is down; the event that
it is up must come later than this (bnxt_ethtool.c).
"""


@COMMANDS.handles(Cmd.PORT_PHY_QCAPS, HwrmPortPhyQcapsInput)
def port_phy_qcaps(fw: Firmware, req: HwrmPortPhyQcapsInput) -> HwrmPortPhyQcapsOutput:
    """One port with every mode there is, forced or negotiated. No EEE."""
    nrz, pam4 = mask_of(ALL_MODES, SignalMode.NRZ), mask_of(ALL_MODES, SignalMode.PAM4)
    return HwrmPortPhyQcapsOutput(
        flags=PhyQcapsFlags.EXTERNAL_LPBK_SUPPORTED | PhyQcapsFlags.AUTONEG_LPBK_SUPPORTED,
        port_cnt=1,
        supported_speeds_force_mode=nrz,
        supported_speeds_auto_mode=nrz,
        supported_pam4_speeds_force_mode=pam4,
        supported_pam4_speeds_auto_mode=pam4,
        flags2=PhyQcapsFlags2.FDRSTAT_CMD_SUPPORTED | PhyQcapsFlags2.REMOTE_LPBK_UNSUPPORTED,
    )


@COMMANDS.handles(Cmd.PORT_PHY_QCFG, HwrmPortPhyQcfgInput)
def port_phy_qcfg(fw: Firmware, req: HwrmPortPhyQcfgInput) -> HwrmPortPhyQcfgOutput:
    """What the port is set to, what its partner offers, and the link that came of it."""
    check_port(fw, req.port_id)
    link = fw.link
    settings, media = link.settings, link.media or frozenset(ALL_MODES)
    is_pam4 = settings.forced.signal is SignalMode.PAM4
    answer = HwrmPortPhyQcfgOutput(
        link=PhyLink.LINK if link.up else PhyLink.SIGNAL if link.wire_up else PhyLink.NO_LINK,
        duplex_cfg=_DUPLEX_FULL,
        duplex_state=_DUPLEX_FULL,
        support_speeds=mask_of(media, SignalMode.NRZ),
        support_pam4_speeds=mask_of(media, SignalMode.PAM4),
        force_link_speed=0 if is_pam4 else settings.forced.speed,
        force_pam4_link_speed=settings.forced.speed if is_pam4 else 0,
        auto_pause=settings.auto_pause,
        force_pause=settings.force_pause,
        lpbk=settings.loopback,
        fec_cfg=_FEC_SUPPORTED | settings.fec,
        option_flags=_SIGNAL_MODE_KNOWN,
        link_down_reason=0 if link.wire_up else LinkDownReason.CABLE_REMOVED,
    )
    if settings.autoneg:
        answer.auto_mode = AutoMode.SPEED_MASK
        answer.auto_link_speed_mask = mask_of(settings.advertised, SignalMode.NRZ)
        answer.auto_pam4_link_speed_mask = mask_of(settings.advertised, SignalMode.PAM4)
    if link.outcome is not None:
        _tell_outcome(fw, answer, link.outcome)
    _tell_module(answer, fw.identity.module)
    link.queried()
    return answer


def _tell_outcome(fw: Firmware, answer: HwrmPortPhyQcfgOutput, outcome: Outcome) -> None:
    answer.link_speed = outcome.mode.speed
    answer.active_fec_signal_mode = outcome.fec | outcome.mode.signal
    answer.pause = outcome.pause & (PauseBits.RX | PauseBits.TX)
    if outcome.negotiated:
        partner = fw.link.partner
        answer.link_partner_adv_auto_mode = AutoMode.SPEED_MASK
        answer.link_partner_adv_speeds = mask_of(partner.advertise, SignalMode.NRZ)
        answer.link_partner_pam4_adv_speeds = mask_of(partner.advertise, SignalMode.PAM4)
        answer.link_partner_adv_pause = partner.pause.bits


def _tell_module(answer: HwrmPortPhyQcfgOutput, module: ModuleKind) -> None:
    answer.xcvr_pkg_type = _XCVR_EXTERNAL
    if module is ModuleKind.NONE:
        answer.module_status = _MODULE_STATUS_NOTINSERTED
        return
    is_copper = module is ModuleKind.DAC
    answer.phy_type = _PHY_TYPE_200G_BASECR4 if is_copper else _PHY_TYPE_100G_BASESR4
    answer.media_type = _MEDIA_TYPE_DAC if is_copper else _MEDIA_TYPE_FIBRE
    answer.module_status = _MODULE_STATUS_NONE
    answer.xcvr_identifier_type_tx_lpi_timer = IDENTIFIER_QSFP28 << 24
    answer.phy_vendor_name = VENDOR.encode("ascii")
    answer.phy_vendor_partnumber = PART_NUMBERS[module].encode("ascii")


@COMMANDS.handles(Cmd.PORT_PHY_CFG, HwrmPortPhyCfgInput)
def port_phy_cfg(fw: Firmware, req: HwrmPortPhyCfgInput) -> HwrmPortPhyCfgOutput:
    """Settings, and training with them if a flag asks for it.

    FORCE_LINK_DWN takes the link down if the port is ours alone. Flags of EEE do nothing on a port
    without.
    """
    check_port(fw, req.port_id)
    settings = _pause(req, _fec(fw, req, _speed(fw, req, fw.link.settings)))
    if req.enables & PhyCfgEnables.LPBK:
        if req.lpbk not in (Loopback.NONE, Loopback.LOCAL, Loopback.EXTERNAL):
            raise fw.refuse("hwrm_phy_loopback", lpbk=req.lpbk)
        settings = dataclasses.replace(settings, loopback=Loopback(req.lpbk))
    fw.link.configure(settings)
    goes_down = bool(req.flags & PhyCfgFlags.FORCE_LINK_DWN) and not fw.identity.keeps_link
    if req.flags & _TRAINING and not goes_down:
        fw.link.train(queries=_QUERIES_OF_FEC if _changes_fec(req) else 1)
    elif not fw.identity.keeps_link:
        fw.link.force_down(goes_down)
    return HwrmPortPhyCfgOutput()


def _changes_fec(req: HwrmPortPhyCfgInput) -> bool:
    return any(req.flags & (on | off) for on, off, _ in _FEC_SWITCHES)


def _illegal_speed(fw: Firmware, **detail: object) -> HwrmError:
    fw.trace.violation("hwrm_link_speed", **detail)
    return HwrmError(Err.INVALID_PARAMS, PhyCfgErr.ILLEGAL_SPEED)


def _speed(fw: Firmware, req: HwrmPortPhyCfgInput, settings: PhySettings) -> PhySettings:
    media = fw.link.media or frozenset(ALL_MODES)
    if req.enables & (PhyCfgEnables.FORCE_LINK_SPEEDS2 | PhyCfgEnables.AUTO_LINK_SPEEDS2_MASK):
        raise _illegal_speed(fw, enables=req.enables)  # of later chips
    if req.flags & PhyCfgFlags.FORCE:
        is_pam4 = bool(req.enables & PhyCfgEnables.FORCE_PAM4_LINK_SPEED)
        speed = req.force_pam4_link_speed if is_pam4 else req.force_link_speed
        signal = SignalMode.PAM4 if is_pam4 else SignalMode.NRZ
        chosen = [mode for mode in media if (mode.speed, mode.signal) == (speed, signal)]
        if not chosen:
            raise _illegal_speed(fw, speed=speed, signal=signal.name)
        return dataclasses.replace(settings, autoneg=False, forced=chosen[0])
    if not req.enables & PhyCfgEnables.AUTO_MODE:
        return settings
    if req.auto_mode == AutoMode.NONE:
        return dataclasses.replace(settings, autoneg=False)
    advertised = frozenset(_advertised(req, settings)) & media
    if not advertised:
        raise _illegal_speed(fw, auto_mode=req.auto_mode)
    return dataclasses.replace(settings, autoneg=True, advertised=advertised)


def _advertised(req: HwrmPortPhyCfgInput, settings: PhySettings) -> Iterable[Mode]:
    """Modes that autonegotiation is to offer; none if what is asked for is unknown."""
    if req.auto_mode == AutoMode.ALL_SPEEDS:
        return ALL_MODES
    if req.auto_mode == AutoMode.ONE_SPEED:
        return [mode for mode in ALL_MODES if mode.speed == req.auto_link_speed]
    if req.auto_mode == AutoMode.ONE_OR_BELOW:
        return [mode for mode in ALL_MODES if mode.speed <= req.auto_link_speed]
    if req.auto_mode != AutoMode.SPEED_MASK:
        return ()
    masks = PhyCfgEnables.AUTO_LINK_SPEED_MASK | PhyCfgEnables.AUTO_PAM4_LINK_SPEED_MASK
    if not req.enables & masks:
        return settings.advertised
    has_nrz = req.enables & PhyCfgEnables.AUTO_LINK_SPEED_MASK
    has_pam4 = req.enables & PhyCfgEnables.AUTO_PAM4_LINK_SPEED_MASK
    return modes_of(
        req.auto_link_speed_mask if has_nrz else 0,
        req.auto_link_pam4_speed_mask if has_pam4 else 0,
    )


def _fec(fw: Firmware, req: HwrmPortPhyCfgInput, settings: PhySettings) -> PhySettings:
    fec = settings.fec
    for on, off, what in _FEC_SWITCHES:
        if req.flags & on and req.flags & off:
            raise fw.refuse("hwrm_fec_both_ways", Err.INVALID_FLAGS, fec=what.name)
        if req.flags & on:
            fec |= what
        elif req.flags & off:
            fec &= ~what
    return dataclasses.replace(settings, fec=fec)


def _pause(req: HwrmPortPhyCfgInput, settings: PhySettings) -> PhySettings:
    auto, forced = settings.auto_pause, settings.force_pause
    if req.enables & PhyCfgEnables.AUTO_PAUSE:
        auto = PauseBits(req.auto_pause & 0x7)
    if req.enables & PhyCfgEnables.FORCE_PAUSE:
        forced = PauseBits(req.force_pause & 0x3)
    return dataclasses.replace(settings, auto_pause=auto, force_pause=forced)


@COMMANDS.handles(Cmd.PORT_PHY_FDRSTAT, HwrmPortPhyFdrstatInput)
def port_phy_fdrstat(fw: Firmware, req: HwrmPortPhyFdrstatInput) -> HwrmPortPhyFdrstatOutput:
    """FEC codewords by symbol errors since power-on: the wire makes none.

    The collector always runs; START, STOP and CLEAR change nothing.
    """
    check_port(fw, req.port_id)
    if req.ops > FdrstatOps.COUNTER:
        raise fw.refuse("hwrm_fdrstat_op", ops=req.ops)
    codewords = fw.link.codewords
    return HwrmPortPhyFdrstatOutput(
        accumulated_total_codewords=codewords,
        accumulated_codewords_err_s=(codewords, *(0,) * 16),
    )


@COMMANDS.handles(Cmd.PORT_PHY_I2C_READ, HwrmPortPhyI2cReadInput)
def port_phy_i2c_read(fw: Firmware, req: HwrmPortPhyI2cReadInput) -> HwrmPortPhyI2cReadOutput:
    """Memory of the module. What it does not acknowledge fails, and is nobody's fault."""
    check_port(fw, req.port_id)
    if not 0 < req.data_length <= _MAX_I2C_BYTES:
        raise fw.refuse("hwrm_i2c_length", length=req.data_length)
    offset = req.page_offset if req.enables & I2cReadEnables.PAGE_OFFSET else 0
    bank = req.bank_number if req.enables & I2cReadEnables.BANK_NUMBER else 0
    data = None
    if req.i2c_slave_addr == I2C_ADDRESS and not bank:
        data = read_module(fw.identity.module, req.page_number, offset, req.data_length)
    if data is None:
        raise HwrmError(Err.FAIL)
    words = struct.unpack("<16I", data.ljust(_MAX_I2C_BYTES, b"\0"))
    return HwrmPortPhyI2cReadOutput(data=words)


@COMMANDS.handles(Cmd.PORT_PHY_I2C_WRITE, HwrmPortPhyI2cWriteInput)
def port_phy_i2c_write(fw: Firmware, req: HwrmPortPhyI2cWriteInput) -> HwrmPortPhyI2cWriteOutput:
    """Refused: no byte of these modules can be written."""
    check_port(fw, req.port_id)
    raise HwrmError(Err.FAIL)
