# SPDX-License-Identifier: GPL-2.0-only
"""How a driver watches the firmware and resets it (hwrm_error_recovery_qcfg,
hwrm_func_echo_response).
"""

from __future__ import annotations

import enum
from typing import Annotated

from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput
from devmodel.layout import layout, le32, u8


class RecoveryFlags(enum.IntFlag):
    """ERROR_RECOVERY_QCFG_RESP_FLAGS_*: who resets the firmware."""

    HOST = 0x1


IN_BAR0 = 0x2
"""ERROR_RECOVERY_QCFG_RESP_*_REG_ADDR_SPACE_BAR0, bits 1..0 of a register's place."""


@layout(size=24, c_name="hwrm_error_recovery_qcfg_input")
class HwrmErrorRecoveryQcfgInput(HwrmInput):
    unused_0: Annotated[bytes, "8s"] = b""


@layout(size=208, c_name="hwrm_error_recovery_qcfg_output")
class HwrmErrorRecoveryQcfgOutput(HwrmOutput):
    """Periods in units of 100 ms."""

    flags: le32 = 0
    driver_polling_freq: le32 = 0
    master_func_wait_period: le32 = 0
    normal_func_wait_period: le32 = 0
    master_func_wait_period_after_reset: le32 = 0
    max_bailout_time_after_reset: le32 = 0
    fw_health_status_reg: le32 = 0
    fw_heartbeat_reg: le32 = 0
    fw_reset_cnt_reg: le32 = 0
    reset_inprogress_reg: le32 = 0
    reset_inprogress_reg_mask: le32 = 0
    unused_0: Annotated[bytes, "3s"] = b""
    reg_array_cnt: u8 = 0
    reset_reg: Annotated[tuple[int, ...], "16I"] = (0,) * 16
    reset_reg_val: Annotated[tuple[int, ...], "16I"] = (0,) * 16
    delay_after_reset: Annotated[bytes, "16s"] = b""
    err_recovery_cnt_reg: le32 = 0
    unused_1: Annotated[bytes, "3s"] = b""
    valid: u8 = 1


@layout(size=24, c_name="hwrm_func_echo_response_input")
class HwrmFuncEchoResponseInput(HwrmInput):
    event_data1: le32 = 0
    event_data2: le32 = 0


@layout(size=16, c_name="hwrm_func_echo_response_output")
class HwrmFuncEchoResponseOutput(HwrmOutput):
    unused_0: Annotated[bytes, "7s"] = b""
    valid: u8 = 1
