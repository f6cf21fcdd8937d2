# SPDX-License-Identifier: GPL-2.0-only
"""Firmware: resets that are asked for, live patches."""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.fw import (
    FwResetFlags,
    HwrmFwLivepatchInput,
    HwrmFwLivepatchOutput,
    HwrmFwLivepatchQueryInput,
    HwrmFwLivepatchQueryOutput,
    HwrmFwResetInput,
    HwrmFwResetOutput,
    LivepatchError,
    LivepatchOpcode,
    LivepatchTarget,
    Processor,
    SelfReset,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring import ResetNotify

COMMANDS = CommandTable()
_OF_THE_CARD = (Processor.BOOT, Processor.MGMT, Processor.NETCTRL, Processor.ROCE, Processor.CHIP)
_TARGETS = tuple(LivepatchTarget)


@COMMANDS.handles(Cmd.FW_RESET, HwrmFwResetInput)
def fw_reset(fw: Firmware, req: HwrmFwResetInput) -> HwrmFwResetOutput:
    """Reset the chip below the driver, or when it has gone, or with the next PCIe reset.

    A processor of its own resets only with PCIe, or not at all; there is no application processor.
    """
    if req.embedded_proc_type not in _OF_THE_CARD or req.selfrst_status > SelfReset.IMMEDIATE:
        raise HwrmError(Err.INVALID_PARAMS)
    if req.selfrst_status == SelfReset.PCIE_RST:
        fw.restarts_with_bus = True
    elif req.embedded_proc_type == Processor.CHIP and req.selfrst_status != SelfReset.NONE:
        _reset_chip(fw, req.flags)
    return HwrmFwResetOutput(selfrst_status=req.selfrst_status)


def _reset_chip(fw: Firmware, flags: int) -> None:
    if not flags & FwResetFlags.RESET_GRACEFUL or not fw.identity.resets_itself:
        fw.restart_waits = True
    elif flags & FwResetFlags.FW_ACTIVATION:
        fw.request_restart(ResetNotify.FW_ACTIVATION)
    else:
        fw.request_restart(ResetNotify.MANAGEMENT_RESET_REQUEST)


@COMMANDS.handles(Cmd.FW_LIVEPATCH_QUERY, HwrmFwLivepatchQueryInput)
def fw_livepatch_query(fw: Firmware, req: HwrmFwLivepatchQueryInput) -> HwrmFwLivepatchQueryOutput:
    """No patch is installed, none is active."""
    if req.fw_target not in _TARGETS:
        raise HwrmError(Err.INVALID_PARAMS)
    return HwrmFwLivepatchQueryOutput()


@COMMANDS.handles(Cmd.FW_LIVEPATCH, HwrmFwLivepatchInput)
def fw_livepatch(fw: Firmware, req: HwrmFwLivepatchInput) -> HwrmFwLivepatchOutput:
    """There is no patch to activate or to take back."""
    if req.opcode not in tuple(LivepatchOpcode):
        raise HwrmError(Err.INVALID_PARAMS, LivepatchError.INVALID_OPCODE)
    if req.fw_target not in _TARGETS:
        raise HwrmError(Err.INVALID_PARAMS, LivepatchError.INVALID_TARGET)
    if req.opcode == LivepatchOpcode.DEACTIVATE:
        raise HwrmError(Err.FAIL, LivepatchError.NOT_PATCHED)
    raise HwrmError(Err.FAIL, LivepatchError.NOT_INSTALLED)
