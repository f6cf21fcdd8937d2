# SPDX-License-Identifier: GPL-2.0-only
"""Resets of the firmware: what the driver is told of them, and how it causes one."""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import (
    FuncDrvIfChangeAnswer,
    FuncDrvIfChangeFlags,
    HwrmFuncDrvIfChangeInput,
    HwrmFuncDrvIfChangeOutput,
)
from devmodel.bnxt.hsi.recovery import (
    IN_BAR0,
    HwrmErrorRecoveryQcfgInput,
    HwrmErrorRecoveryQcfgOutput,
    HwrmFuncEchoResponseInput,
    HwrmFuncEchoResponseOutput,
    RecoveryFlags,
)
from devmodel.bnxt.hsi.regs import FW_HEARTBEAT, FW_RESET, FW_RESET_COUNT, FW_STATUS

COMMANDS = CommandTable()
_POLLING_DSECS = 10
_WAIT_DSECS = 10
_NORMAL_WAIT_DSECS = 60
_BAILOUT_DSECS = 60
"""Guesses. ``devlink dev reload action fw_activate`` waits the normal period for the restart."""


@COMMANDS.handles(Cmd.FUNC_DRV_IF_CHANGE, HwrmFuncDrvIfChangeInput)
def func_drv_if_change(fw: Firmware, req: HwrmFuncDrvIfChangeInput) -> HwrmFuncDrvIfChangeOutput:
    """The interface goes up or down; on its way up it learns that the firmware has restarted, or
    that it may have another number of something, for which it has to reserve anew."""
    if not req.flags & FuncDrvIfChangeFlags.UP:
        return HwrmFuncDrvIfChangeOutput()
    flags = FuncDrvIfChangeAnswer.HOT_FW_RESET_DONE if fw.has_restarted else 0
    if fw.settle_grants():
        flags |= FuncDrvIfChangeAnswer.RESC_CHANGE
    fw.has_restarted = False
    return HwrmFuncDrvIfChangeOutput(flags=flags)


@COMMANDS.handles(Cmd.ERROR_RECOVERY_QCFG, HwrmErrorRecoveryQcfgInput)
def error_recovery_qcfg(
    fw: Firmware, req: HwrmErrorRecoveryQcfgInput
) -> HwrmErrorRecoveryQcfgOutput:
    """All registers are in BAR0; one write to one of them restarts the firmware."""
    return HwrmErrorRecoveryQcfgOutput(
        flags=RecoveryFlags.HOST,
        driver_polling_freq=_POLLING_DSECS,
        master_func_wait_period=_WAIT_DSECS,
        normal_func_wait_period=_NORMAL_WAIT_DSECS,
        master_func_wait_period_after_reset=_WAIT_DSECS,
        max_bailout_time_after_reset=_BAILOUT_DSECS,
        fw_health_status_reg=FW_STATUS | IN_BAR0,
        fw_heartbeat_reg=FW_HEARTBEAT | IN_BAR0,
        fw_reset_cnt_reg=FW_RESET_COUNT | IN_BAR0,
        reset_inprogress_reg=FW_RESET | IN_BAR0,
        reset_inprogress_reg_mask=1,
        reg_array_cnt=1,
        reset_reg=(FW_RESET | IN_BAR0, *(0,) * 15),
        reset_reg_val=(1, *(0,) * 15),
    )


@COMMANDS.handles(Cmd.FUNC_ECHO_RESPONSE, HwrmFuncEchoResponseInput)
def func_echo_response(fw: Firmware, req: HwrmFuncEchoResponseInput) -> HwrmFuncEchoResponseOutput:
    """The driver answers an ECHO_REQUEST event, which shows that it lives."""
    return HwrmFuncEchoResponseOutput()
