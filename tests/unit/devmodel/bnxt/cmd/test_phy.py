# SPDX-License-Identifier: GPL-2.0-only
"""The PHY as the firmware describes it and the driver sets it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from devmodel.bnxt.hsi.func import HwrmFuncResetInput
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput
from devmodel.bnxt.hsi.phy import (
    ActiveFec,
    AutoMode,
    FdrstatOps,
    FecCfg,
    HwrmPortPhyCfgInput,
    HwrmPortPhyFdrstatInput,
    HwrmPortPhyI2cReadInput,
    HwrmPortPhyI2cWriteInput,
    HwrmPortPhyQcapsInput,
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
    PhyQcapsFlags2,
)
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.module import ModuleKind, read_module
from tests.unit.devmodel.bnxt.cardhost import CardHost

FORCE = PhyCfgFlags.FORCE | PhyCfgFlags.RESET_PHY
FEC_OFF = (
    PhyCfgFlags.FEC_AUTONEG_DISABLE
    | PhyCfgFlags.FEC_CLAUSE74_DISABLE
    | PhyCfgFlags.FEC_CLAUSE91_DISABLE
    | PhyCfgFlags.FEC_RS544_1XN_DISABLE
    | PhyCfgFlags.FEC_RS544_IEEE_DISABLE
    | PhyCfgFlags.FEC_RS272_1XN_DISABLE
    | PhyCfgFlags.FEC_RS272_IEEE_DISABLE
    | PhyCfgFlags.RESET_PHY
)


@pytest.fixture
def host() -> CardHost:
    return CardHost()


def state(host: CardHost) -> HwrmPortPhyQcfgOutput:
    """What the port says once the link is trained."""
    for _ in range(2):
        host.call(HwrmPortPhyQcfgInput())
        host.card.settle()
    answer: HwrmPortPhyQcfgOutput = host.call(HwrmPortPhyQcfgInput())
    return answer


def configure(host: CardHost, **fields: Any) -> HwrmPortPhyQcfgOutput:
    host.call(HwrmPortPhyCfgInput(**fields))
    return state(host)


def test_fec_is_active_while_the_link_is_up(host: CardHost) -> None:
    request = HwrmPortPhyQcfgInput()
    up = host.call(request)
    assert up.active_fec_signal_mode == ActiveFec.CLAUSE91
    host.card.set_link(False)
    down = host.call(request)
    assert down.active_fec_signal_mode == ActiveFec.NONE
    assert (down.link, down.link_down_reason) == (PhyLink.NO_LINK, LinkDownReason.CABLE_REMOVED)


def test_a_forced_speed_needs_a_partner_of_the_same(host: CardHost) -> None:
    answer = configure(host, flags=FORCE, force_link_speed=250)
    assert (answer.link, answer.force_link_speed, answer.link_speed) == (PhyLink.SIGNAL, 250, 0)
    host.card.set_partner({"speed": "25G"})
    answer = state(host)
    assert (answer.link, answer.link_speed, answer.auto_mode) == (PhyLink.LINK, 250, 0)


def test_a_forced_pam4_speed(host: CardHost) -> None:
    host.card.set_partner({"speed": "200G-pam4"})
    answer = configure(
        host, flags=FORCE, enables=PhyCfgEnables.FORCE_PAM4_LINK_SPEED, force_pam4_link_speed=2000
    )
    assert (answer.link, answer.link_speed) == (PhyLink.LINK, 2000)
    assert (answer.force_link_speed, answer.force_pam4_link_speed) == (0, 2000)
    assert answer.active_fec_signal_mode == ActiveFec.RS544_IEEE | 1


def test_fec_off_is_off_and_costs_the_link_unless_the_partner_has_none(host: CardHost) -> None:
    answer = configure(host, flags=FEC_OFF)
    enabled = sum(flag for flag in FecCfg if str(flag.name).endswith("_ENABLED"))
    assert (answer.link, answer.fec_cfg & enabled) == (PhyLink.SIGNAL, 0)
    host.card.set_partner({"fec": "none"})
    answer = state(host)
    assert (answer.link, answer.active_fec_signal_mode) == (PhyLink.LINK, ActiveFec.NONE)


def test_autonegotiation_tells_what_the_partner_offers(host: CardHost) -> None:
    host.card.set_partner({"advertise": ["25G", "50G-pam4"], "pause": "rx"})
    answer = configure(
        host,
        flags=PhyCfgFlags.RESTART_AUTONEG | PhyCfgFlags.RESET_PHY,
        enables=PhyCfgEnables.AUTO_MODE
        | PhyCfgEnables.AUTO_PAUSE
        | PhyCfgEnables.AUTO_LINK_SPEED_MASK
        | PhyCfgEnables.AUTO_PAM4_LINK_SPEED_MASK,
        auto_mode=AutoMode.SPEED_MASK,
        auto_link_speed_mask=0xF40,
        auto_link_pam4_speed_mask=0x7,
        auto_pause=PauseBits.AUTONEG | PauseBits.TX | PauseBits.RX,
    )
    assert (answer.link, answer.link_speed, answer.auto_mode) == (2, 500, AutoMode.SPEED_MASK)
    assert (answer.link_partner_adv_speeds, answer.link_partner_pam4_adv_speeds) == (0x100, 0x1)
    assert answer.link_partner_adv_pause == PauseBits.RX
    assert answer.pause == PauseBits.RX | PauseBits.TX


@pytest.mark.parametrize(
    ("auto_mode", "mask"),
    [(AutoMode.ALL_SPEEDS, 0xF40), (AutoMode.ONE_SPEED, 0x400), (AutoMode.ONE_OR_BELOW, 0x740)],
)
def test_other_ways_to_name_speeds(host: CardHost, auto_mode: AutoMode, mask: int) -> None:
    answer = configure(
        host, enables=PhyCfgEnables.AUTO_MODE, auto_mode=auto_mode, auto_link_speed=500
    )
    assert answer.auto_link_speed_mask == mask


def test_forced_pause_counts_at_once(host: CardHost) -> None:
    answer = configure(host, enables=PhyCfgEnables.FORCE_PAUSE, force_pause=PauseBits.RX)
    assert (answer.pause, answer.force_pause) == (PauseBits.RX, PauseBits.RX)
    assert host.card.firmware.link.down_events == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": FORCE, "force_link_speed": 2000},
        {"flags": FORCE},
        {"flags": FORCE, "enables": 0x800, "force_pam4_link_speed": 250},
        {"enables": 0x11, "auto_mode": 4, "auto_link_speed_mask": 0x8},
        {"enables": 0x1, "auto_mode": 9},
        {"enables": 0x2000, "force_link_speeds2": 1000},
    ],
)
def test_an_illegal_speed_is_refused_with_the_reason(
    host: CardHost, fields: dict[str, int]
) -> None:
    answer = HwrmErrOutput.unpack(host.submit(HwrmPortPhyCfgInput(**fields)))
    assert (answer.error_code, answer.cmd_err) == (Err.INVALID_PARAMS, PhyCfgErr.ILLEGAL_SPEED)
    assert host.rules == {"hwrm_link_speed"}
    assert state(host).link == PhyLink.LINK


def test_contradictory_fec_is_refused(host: CardHost) -> None:
    both = PhyCfgFlags.FEC_CLAUSE91_ENABLE | PhyCfgFlags.FEC_CLAUSE91_DISABLE
    assert host.error(HwrmPortPhyCfgInput(flags=both)) == Err.INVALID_FLAGS
    assert host.rules == {"hwrm_fec_both_ways"}


def test_loopback_of_the_phy(host: CardHost) -> None:
    host.card.set_link(False)
    answer = configure(host, enables=PhyCfgEnables.LPBK, lpbk=Loopback.LOCAL)
    assert (answer.link, answer.lpbk) == (PhyLink.LINK, Loopback.LOCAL)
    host.call(HwrmFuncResetInput())
    assert state(host).link == PhyLink.NO_LINK
    request = HwrmPortPhyCfgInput(enables=PhyCfgEnables.LPBK, lpbk=Loopback.REMOTE)
    assert host.error(request) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_phy_loopback"}


def test_fec_histogram_counts_time_and_no_errors(host: CardHost) -> None:
    caps = host.call(HwrmPortPhyQcapsInput())
    assert caps.flags2 & PhyQcapsFlags2.FDRSTAT_CMD_SUPPORTED
    request = HwrmPortPhyFdrstatInput(ops=FdrstatOps.COUNTER)
    first = host.call(request)
    host.clock.advance_to(host.clock.now_ns + 1_000_000)
    second = host.call(request)
    bins, earlier = second.accumulated_codewords_err_s, first.accumulated_codewords_err_s
    assert bins[0] - earlier[0] >= 19_531
    assert not any(bins[1:])
    assert sum(bins) == second.accumulated_total_codewords


def test_unknown_fdrstat_operation_is_refused(host: CardHost) -> None:
    error = host.error(HwrmPortPhyFdrstatInput(ops=9))
    assert error == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_fdrstat_op"}


# -- module ---------------------------------------------------------------------------------------
def read(host: CardHost, offset: int, length: int, **more: int) -> HwrmPortPhyI2cReadInput:
    fields = {"i2c_slave_addr": 0xA0, "enables": I2cReadEnables.PAGE_OFFSET, **more}
    return HwrmPortPhyI2cReadInput(page_offset=offset, data_length=length, **fields)


def test_memory_of_the_module_is_read_page_by_page() -> None:
    host = CardHost(Identity(module=ModuleKind.SR4))
    for page, offset in ((0, 0), (0, 128), (3, 160)):
        answer = host.call(read(host, offset, 64, page_number=page))
        data = struct.pack("<16I", *answer.data)
        assert data == read_module(ModuleKind.SR4, page, offset, 64)


@pytest.mark.parametrize(
    "more",
    [
        {"i2c_slave_addr": 0xA2},
        {"page_number": 5},
        {"enables": 3, "bank_number": 1},
        {"page_offset": 250},
    ],
)
def test_what_the_module_does_not_acknowledge_fails(host: CardHost, more: dict[str, int]) -> None:
    request = read(host, more.pop("page_offset", 0), 16, **more)
    assert host.error(request) == Err.FAIL
    assert host.rules == set()


@pytest.mark.parametrize("length", [0, 65])
def test_a_read_longer_than_the_answer_is_refused(host: CardHost, length: int) -> None:
    assert host.error(read(host, 0, length)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_i2c_length"}


def test_without_a_module() -> None:
    host = CardHost(Identity(module=ModuleKind.NONE))
    answer = state(host)
    assert (answer.module_status, answer.link) == (4, PhyLink.SIGNAL)
    assert host.error(read(host, 0, 1)) == Err.FAIL


def test_no_byte_of_a_module_can_be_written(host: CardHost) -> None:
    assert host.error(HwrmPortPhyI2cWriteInput()) == Err.FAIL
    assert host.rules == set()
