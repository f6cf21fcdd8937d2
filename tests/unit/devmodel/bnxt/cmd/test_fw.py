# SPDX-License-Identifier: GPL-2.0-only
"""Resets of the firmware that are asked for: when they happen, and what the driver is told."""

from __future__ import annotations

from typing import Any

import pytest

from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncDrvIfChangeAnswer,
    FuncDrvIfChangeFlags,
    FuncDrvRgtrFlags,
    FuncQcapsFlags,
    FuncQcfgFlags,
    HwrmFuncCfgInput,
    HwrmFuncDrvIfChangeInput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncDrvUnrgtrInput,
    HwrmFuncQcfgInput,
)
from devmodel.bnxt.hsi.fw import (
    FwResetFlags,
    HwrmFwLivepatchInput,
    HwrmFwLivepatchQueryInput,
    HwrmFwResetInput,
    LivepatchError,
    LivepatchOpcode,
    LivepatchTarget,
    Processor,
    SelfReset,
)
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput
from devmodel.bnxt.hsi.recovery import HwrmFuncEchoResponseInput
from devmodel.bnxt.hsi.regs import FW_RESET_COUNT
from devmodel.bnxt.hsi.ring import AsyncEvent, HwrmAsyncEventCmpl, ResetNotify
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.identity import Identity
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import CardHost

EVERY_EVENT = (0xFFFF_FFFF,) * 8
GRACEFUL = FwResetFlags.RESET_GRACEFUL
ACTIVATE = FwResetFlags.RESET_GRACEFUL | FwResetFlags.FW_ACTIVATION


def events(host: CardHost) -> list[tuple[int, int]]:
    """(event, data1) of every event in the NQ."""
    (nq,) = host.card.resources.nqs.values()
    entries = (HwrmAsyncEventCmpl.unpack(nq.memory.peek_entries(i, 1)) for i in range(8))
    return [(entry.event_id, entry.event_data1) for entry in entries if entry.opaque_v & 1]


def register(host: CardHost) -> Any:
    return host.call(HwrmFuncDrvRgtrInput(async_event_fwd=EVERY_EVENT))


def open_interface(host: CardHost) -> int:
    """A driver with an NQ for events. Returns what it is told of restarts."""
    flags: int = host.call(HwrmFuncDrvIfChangeInput(flags=FuncDrvIfChangeFlags.UP)).flags
    host.reserve()
    nq = host.ring(RingType.NQ, logical_id=0)
    host.call(
        HwrmFuncCfgInput(fid=0xFFFF, enables=FuncCfgEnables.ASYNC_EVENT_CR, async_event_cr=nq)
    )
    return flags


def chip(flags: int) -> HwrmFwResetInput:
    return HwrmFwResetInput(
        embedded_proc_type=Processor.CHIP, selfrst_status=SelfReset.ASAP, flags=flags
    )


@pytest.mark.parametrize(
    ("flags", "why"),
    [(GRACEFUL, ResetNotify.MANAGEMENT_RESET_REQUEST), (ACTIVATE, ResetNotify.FW_ACTIVATION)],
)
def test_the_driver_goes_and_the_firmware_restarts(
    host: CardHost, flags: int, why: ResetNotify
) -> None:
    assert register(host).flags == FuncDrvRgtrFlags.IF_CHANGE_SUPPORTED
    assert open_interface(host) == 0
    host.call(chip(flags))
    assert events(host) == [
        (AsyncEvent.ERROR_RECOVERY, 3),
        (AsyncEvent.RESET_NOTIFY, why | ResetNotify.DRIVER_IFDOWN),
    ]
    assert host.register(FW_RESET_COUNT) == 0
    host.free_ring(RingType.NQ, next(iter(host.card.resources.nqs)))
    host.call(HwrmFuncDrvUnrgtrInput())
    assert host.register(FW_RESET_COUNT) == 1
    register(host)
    assert open_interface(host) == FuncDrvIfChangeAnswer.HOT_FW_RESET_DONE
    assert not host.rules


def test_a_driver_that_stays_loses_its_rings(host: CardHost) -> None:
    register(host)
    open_interface(host)
    host.call(chip(GRACEFUL))
    host.clock.advance_to(host.clock.now_ns + 5_900_000_000)
    assert host.card.resources.nqs
    host.clock.advance_to(host.clock.now_ns + 200_000_000)
    assert not host.card.resources.nqs
    assert host.register(FW_RESET_COUNT) == 1
    host.clock.advance_to(host.clock.now_ns + 9_000_000_000)
    assert host.register(FW_RESET_COUNT) == 1


def test_a_second_restart_has_its_own_time(host: CardHost) -> None:
    """What the first one waited for at most is not the second one's: the driver is still going."""
    register(host)
    open_interface(host)
    host.call(chip(ACTIVATE))
    host.free_ring(RingType.NQ, next(iter(host.card.resources.nqs)))
    host.call(HwrmFuncDrvUnrgtrInput())
    register(host)
    open_interface(host)
    host.clock.advance_to(host.clock.now_ns + 5_900_000_000)
    host.call(chip(ACTIVATE))
    host.clock.advance_to(host.clock.now_ns + 5_900_000_000)
    assert host.card.resources.nqs
    assert host.register(FW_RESET_COUNT) == 1
    host.clock.advance_to(host.clock.now_ns + 200_000_000)
    assert not host.card.resources.nqs
    assert host.register(FW_RESET_COUNT) == 2


def test_with_nobody_to_tell_the_restart_is_at_once(host: CardHost) -> None:
    register(host)
    host.call(chip(GRACEFUL))
    assert host.register(FW_RESET_COUNT) == 1
    assert open_interface(host) == FuncDrvIfChangeAnswer.HOT_FW_RESET_DONE


def test_without_hot_reset_it_waits_until_the_driver_is_gone() -> None:
    for nic, flags in (
        (Identity(func_flags=FuncQcapsFlags.EXT_STATS_SUPPORTED), GRACEFUL),
        (Identity(), 0),
    ):
        host = CardHost(nic)
        assert bool(register(host).flags) is nic.resets_itself
        open_interface(host)
        host.call(chip(flags))
        assert AsyncEvent.RESET_NOTIFY not in dict(events(host))
        assert host.register(FW_RESET_COUNT) == 0
        host.free_ring(RingType.NQ, next(iter(host.card.resources.nqs)))
        host.call(HwrmFuncDrvUnrgtrInput())
        assert host.register(FW_RESET_COUNT) == 1


def test_a_processor_resets_with_the_bus(host: CardHost) -> None:
    host.call(
        HwrmFwResetInput(embedded_proc_type=Processor.BOOT, selfrst_status=SelfReset.PCIE_RST)
    )
    host.card.reset(ResetKind.FLR)
    assert host.card.firmware.restarts == 0
    host.card.reset(ResetKind.TRANSPORT)
    host.card.reset(ResetKind.TRANSPORT)
    assert host.card.firmware.restarts == 1


def test_resets_of_what_is_not_there_are_refused(host: CardHost) -> None:
    for processor in (Processor.AP, Processor.HOST, Processor.IMPACTLESS_ACTIVATION, 200):
        assert host.error(HwrmFwResetInput(embedded_proc_type=processor)) == Err.INVALID_PARAMS
    assert host.error(HwrmFwResetInput(selfrst_status=4)) == Err.INVALID_PARAMS


def test_a_reset_is_allowed_and_the_echo_heard(host: CardHost) -> None:
    assert host.call(HwrmFuncQcfgInput(fid=0xFFFF)).flags & FuncQcfgFlags.HOT_RESET_ALLOWED
    host.call(HwrmFuncEchoResponseInput(event_data1=1, event_data2=2))


def test_there_is_no_live_patch(host: CardHost) -> None:
    for target in LivepatchTarget:
        assert host.call(HwrmFwLivepatchQueryInput(fw_target=target)).status_flags == 0
    host.error(HwrmFwLivepatchQueryInput(fw_target=3))
    for opcode, target, why in (
        (LivepatchOpcode.ACTIVATE, 1, LivepatchError.NOT_INSTALLED),
        (LivepatchOpcode.DEACTIVATE, 2, LivepatchError.NOT_PATCHED),
        (LivepatchOpcode.ACTIVATE, 9, LivepatchError.INVALID_TARGET),
        (9, 1, LivepatchError.INVALID_OPCODE),
    ):
        request = HwrmFwLivepatchInput(opcode=opcode, fw_target=target)
        assert HwrmErrOutput.unpack(host.submit(request)).cmd_err == why


def test_virtual_functions_are_refused(host: CardHost) -> None:
    for cmd in (Cmd.FUNC_VF_CFG, Cmd.FUNC_VF_RESC_FREE, Cmd.FUNC_VF_RESOURCE_CFG):
        assert host.error(HwrmFuncQcfgInput(), cmd=cmd) == Err.CMD_NOT_SUPPORTED
