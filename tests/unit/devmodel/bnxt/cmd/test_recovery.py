# SPDX-License-Identifier: GPL-2.0-only
"""Restarts of the firmware: who is told, the registers of error recovery, faults that use them."""

from __future__ import annotations

from devmodel.bnxt.card import REGISTER_BAR
from devmodel.bnxt.faulty.receive import queue_rings
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncDrvIfChangeAnswer,
    FuncDrvIfChangeFlags,
    HwrmFuncCfgInput,
    HwrmFuncDrvIfChangeInput,
    HwrmFuncQcapsInput,
    HwrmFuncQcfgInput,
    HwrmFuncResetInput,
    HwrmFuncResourceQcapsInput,
)
from devmodel.bnxt.hsi.header import HwrmOutput
from devmodel.bnxt.hsi.recovery import HwrmErrorRecoveryQcfgInput
from devmodel.bnxt.hsi.regs import FW_HEARTBEAT, FW_RESET, FW_RESET_COUNT, FW_STATUS
from tests.unit.devmodel.bnxt.cardhost import CardHost

ADDRESS = 0xFFFF_FFFC


def go_up(host: CardHost, flags: int = FuncDrvIfChangeFlags.UP) -> int:
    request = HwrmFuncDrvIfChangeInput(flags=flags)
    return host.call(request).flags


def test_the_driver_is_told_once_of_a_restart(host: CardHost) -> None:
    host.open_queue()
    assert go_up(host) == 0
    host.arm("now", {"action": "card", "do": "fw_restart"})
    assert not host.card.resources.rx_rings
    assert go_up(host, flags=0) == 0
    assert [go_up(host), go_up(host)] == [FuncDrvIfChangeAnswer.HOT_FW_RESET_DONE, 0]


def test_registers_are_where_the_firmware_says(host: CardHost) -> None:
    told = host.call(HwrmErrorRecoveryQcfgInput())
    places = (told.fw_health_status_reg, told.fw_heartbeat_reg, told.fw_reset_cnt_reg)
    assert [place & ADDRESS for place in places] == [FW_STATUS, FW_HEARTBEAT, FW_RESET_COUNT]
    assert told.reg_array_cnt == 1
    assert told.reset_reg[0] & ADDRESS == FW_RESET


def test_the_heart_beats_and_the_driver_can_restart_it(host: CardHost) -> None:
    first = host.register(FW_HEARTBEAT)
    assert host.register(FW_HEARTBEAT) != first
    host.arm("now", {"action": "card", "do": "health", "params": {"fw_status": 0xDEAD}})
    assert (host.register(FW_STATUS), host.register(FW_RESET_COUNT)) == (0xDEAD, 0)
    host.card.mmio_write(REGISTER_BAR, FW_RESET, (1).to_bytes(4, "little"))
    assert (host.register(FW_STATUS), host.register(FW_RESET_COUNT)) == (0x8000, 1)
    assert "reserved_register_write" not in host.rules


def test_an_answer_of_no_length_has_a_whole_header(host: CardHost) -> None:
    host.arm("hwrm.answer", {"action": "set", "fields": {"resp_len": 0}})
    host.submit(HwrmFuncQcapsInput(fid=0xFFFF))
    assert HwrmOutput.unpack(host.peek(host.response_at, 8)).resp_len == 0


def test_a_queue_no_vnic_leads_to_has_its_rings(host: CardHost) -> None:
    queue = host.open_queue()
    rings = queue_rings(host.card.resources, 0)
    assert rings is not None
    assert [ring.id for ring in rings] == [queue.rx, queue.rx_cq]
    host.vnic_of(queue)
    assert queue_rings(host.card.resources, 0) == rings
    assert queue_rings(host.card.resources, 5) is None


OWN = 0xFFFF


def grant(host: CardHost, what: str, most: int) -> None:
    params = {"what": what, "most": most}
    host.arm("now", {"action": "card", "do": "grant", "params": params})


def reserve(host: CardHost, vnics: int) -> int:
    """Reserve; how many the function has then."""
    enables = FuncCfgEnables.NUM_VNICS
    host.submit(HwrmFuncCfgInput(fid=OWN, enables=enables, num_vnics=vnics))
    return host.call(HwrmFuncQcfgInput(fid=OWN)).alloc_vnics


def most(host: CardHost) -> int:
    return host.call(HwrmFuncResourceQcapsInput(fid=OWN)).max_vnics


def test_another_grant_is_told_once_and_takes_what_was_reserved(host: CardHost) -> None:
    whole = most(host)
    assert reserve(host, 3) == 3
    grant(host, "vnics", 2)
    assert (most(host), reserve(host, 4)) == (whole, 4)  # the interface is open
    assert go_up(host, flags=0) == 0
    assert [go_up(host), go_up(host)] == [FuncDrvIfChangeAnswer.RESC_CHANGE, 0]
    assert host.call(HwrmFuncQcfgInput(fid=OWN)).alloc_vnics == 0
    assert (most(host), reserve(host, 3), reserve(host, 2)) == (2, 0, 2)


def test_what_was_granted_is_given_back(host: CardHost) -> None:
    whole = most(host)
    grant(host, "vnics", 0)
    grant(host, "", -1)
    assert go_up(host) == 0  # nothing has changed
    grant(host, "", 1)
    assert (go_up(host), most(host)) == (FuncDrvIfChangeAnswer.RESC_CHANGE, 1)
    grant(host, "", -1)
    assert (go_up(host), most(host)) == (FuncDrvIfChangeAnswer.RESC_CHANGE, whole)


def test_a_driver_that_begins_anew_has_what_was_granted(host: CardHost) -> None:
    """One that could not reserve what its probe needs never opens its interface."""
    whole = most(host)
    grant(host, "vnics", 0)
    host.call(HwrmFuncResetInput())
    assert (most(host), reserve(host, 1)) == (0, 0)
    grant(host, "", -1)
    host.call(HwrmFuncResetInput())
    assert (most(host), go_up(host)) == (whole, 0)


def test_nobody_is_granted_more_than_there_is(host: CardHost) -> None:
    whole = most(host)
    grant(host, "vnics", whole + 1)
    go_up(host)
    assert most(host) == whole


def test_a_restart_settles_what_was_granted(host: CardHost) -> None:
    grant(host, "vnics", 5)
    host.arm("now", {"action": "card", "do": "fw_restart"})
    assert most(host) == 5
    assert go_up(host) == FuncDrvIfChangeAnswer.HOT_FW_RESET_DONE
