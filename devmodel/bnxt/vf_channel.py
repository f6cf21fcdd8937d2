# SPDX-License-Identifier: GPL-2.0-only
"""The HWRM channel of a virtual function: some commands are not for it, some are judged first."""

from __future__ import annotations

from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.cmds import Cmd, command_name
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput, HwrmInput
from devmodel.bnxt.hwrm import HwrmChannel
from devmodel.bnxt.iov import Iov

ALLOWED = frozenset(
    {
        Cmd.VER_GET,
        Cmd.FUNC_RESET,
        Cmd.FUNC_QCAPS,
        Cmd.FUNC_QCFG,
        Cmd.FUNC_VF_CFG,
        Cmd.FUNC_RESOURCE_QCAPS,
        Cmd.FUNC_DRV_RGTR,
        Cmd.FUNC_DRV_UNRGTR,
        Cmd.FUNC_DRV_IF_CHANGE,
        Cmd.FUNC_QSTATS,
        Cmd.FUNC_QSTATS_EXT,
        Cmd.FW_SET_TIME,
        Cmd.ERROR_RECOVERY_QCFG,
        Cmd.PORT_PHY_QCFG,
        Cmd.PORT_PHY_QCAPS,
        Cmd.PORT_LED_QCAPS,
        Cmd.PORT_MAC_QCAPS,
        Cmd.QUEUE_QPORTCFG,
        Cmd.QUEUE_PRI2COS_QCFG,
        Cmd.QUEUE_DSCP_QCAPS,
        Cmd.QUEUE_PFCWD_TIMEOUT_QCAPS,
        Cmd.VNIC_ALLOC,
        Cmd.VNIC_FREE,
        Cmd.VNIC_CFG,
        Cmd.VNIC_TPA_CFG,
        Cmd.VNIC_RSS_CFG,
        Cmd.VNIC_RSS_QCFG,
        Cmd.VNIC_PLCMODES_CFG,
        Cmd.VNIC_QCAPS,
        Cmd.VNIC_UPDATE,
        Cmd.VNIC_RSS_COS_LB_CTX_ALLOC,
        Cmd.VNIC_RSS_COS_LB_CTX_FREE,
        Cmd.RING_ALLOC,
        Cmd.RING_FREE,
        Cmd.RING_CMPL_RING_CFG_AGGINT_PARAMS,
        Cmd.RING_AGGINT_QCAPS,
        Cmd.CFA_ADV_FLOW_MGNT_QCAPS,
        Cmd.CFA_L2_FILTER_ALLOC,
        Cmd.CFA_L2_FILTER_FREE,
        Cmd.CFA_L2_SET_RX_MASK,
        Cmd.CFA_NTUPLE_FILTER_ALLOC,
        Cmd.CFA_NTUPLE_FILTER_FREE,
        Cmd.STAT_CTX_ALLOC,
        Cmd.STAT_CTX_FREE,
        Cmd.STAT_CTX_QUERY,
        Cmd.STAT_CTX_CLR_STATS,
        Cmd.TUNNEL_DST_PORT_ALLOC,
        Cmd.TUNNEL_DST_PORT_FREE,
        Cmd.DBG_RING_INFO_GET,
        Cmd.NVM_GET_DEV_INFO,
        Cmd.SELFTEST_QLIST,
        Cmd.TEMP_MONITOR_QUERY,
    }
)
"""What is of a function, and not of the board. Which a real card refuses is a guess."""


class VfChannel(HwrmChannel):
    """Its mailbox.

    :ivar waiting: a request that the driver of the physical function has been given.
    """

    def __init__(self, firmware: Firmware, iov: Iov[Firmware]) -> None:
        super().__init__(firmware)
        self.waiting: bytes | None = None
        self._firmware = firmware
        self._iov = iov

    def reset(self) -> None:
        """Function reset: nobody waits for an answer."""
        super().reset()
        self.waiting = None

    def execute(self, request: bytes, *, refuse: int = 0, skip: bool = False) -> None:
        """Execute and answer, unless it is not for a virtual function, or waits."""
        header = HwrmInput.unpack(request)
        if self.waiting is not None:
            self._firmware.trace.violation("vf_request_while_waiting", req_type=header.req_type)
            self._refuse(request, Err.BUSY)
            return
        if header.req_type not in ALLOWED:
            self._firmware.trace.refused_commands[command_name(header.req_type)] += 1
            self._refuse(request, Err.RESOURCE_ACCESS_DENIED)
            return
        vf = self._iov.of(self._firmware)
        if vf is None or not self._iov.is_forwarded(header.req_type):
            super().execute(request, refuse=refuse, skip=skip)
            return
        self.waiting = request
        if not self._iov.forward(vf, request):
            self.waiting = None
            self._refuse(request, Err.PF_UNAVAILABLE)

    def approved(self, request: bytes) -> None:
        """The driver of the physical function lets it pass."""
        self.waiting = None
        super().execute(request)
        self._firmware.ledger.answered()

    def rejected(self) -> None:
        """It does not."""
        request, self.waiting = self.waiting, None
        if request is not None:
            self._refuse(request, Err.RESOURCE_ACCESS_DENIED)

    def answered(self, response: bytes) -> None:
        """It has answered in its place: ``response`` is whole, with its header."""
        request, self.waiting = self.waiting, None
        if request is not None:
            header = self.decode(request)
            if self.write_answer(header, response):
                self.complete(header, header.seq_id)
            self._firmware.ledger.answered()

    def _refuse(self, request: bytes, error: Err) -> None:
        self._answer(self.decode(request), HwrmErrOutput(), error)
