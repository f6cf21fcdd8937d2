# SPDX-License-Identifier: GPL-2.0-only
"""Restarts of the firmware: who is told, the registers of error recovery, faults that use them."""

from __future__ import annotations

from devmodel.bnxt.card import REGISTER_BAR
from devmodel.bnxt.faulty.receive import queue_rings
from devmodel.bnxt.hsi.func import (
    FuncDrvIfChangeFlags,
    HwrmFuncDrvIfChangeInput,
    HwrmFuncQcapsInput,
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
    assert [go_up(host), go_up(host)] == [FuncDrvIfChangeFlags.HOT_FW_RESET_DONE, 0]


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
