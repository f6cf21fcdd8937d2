# SPDX-License-Identifier: GPL-2.0-only
"""The board: temperature, self tests, wake on LAN, PCIe statistics (docs/port.md)."""

from __future__ import annotations

from devmodel.bnxt.board import MAX_WOL_FILTERS
from devmodel.bnxt.cmd.port import check_port
from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.board import (
    HwrmPcieQstatsInput,
    HwrmPcieQstatsOutput,
    HwrmSelftestExecInput,
    HwrmSelftestExecOutput,
    HwrmSelftestIrqInput,
    HwrmSelftestIrqOutput,
    HwrmSelftestQlistInput,
    HwrmSelftestQlistOutput,
    HwrmTempMonitorQueryInput,
    HwrmTempMonitorQueryOutput,
    HwrmWolFilterAllocInput,
    HwrmWolFilterAllocOutput,
    HwrmWolFilterFreeInput,
    HwrmWolFilterFreeOutput,
    HwrmWolFilterQcfgInput,
    HwrmWolFilterQcfgOutput,
    PcieCtxHwStatsV2,
    SelfTest,
    TempFlags,
    WolFilterAllocEnables,
    WolFilterFreeEnables,
    WolFilterFreeFlags,
    WolType,
)
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import FuncQcapsFlags
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.module import ModuleKind, module_temperature

COMMANDS = CommandTable()
_OFFLINE = SelfTest.REGISTER | SelfTest.MEMORY
_TEST_TIMEOUT_MS = 5000
_TEST_NAME_BYTES = 32
_NO_MORE = 0
_LAST_HANDLE = 0xFFFF
_WOL_TYPE_INVALID = 0xFF


@COMMANDS.handles(Cmd.TEMP_MONITOR_QUERY, HwrmTempMonitorQueryInput)
def temp_monitor_query(fw: Firmware, req: HwrmTempMonitorQueryInput) -> HwrmTempMonitorQueryOutput:
    """What the sensors read, always the same, and the thresholds."""
    of_chip, of_module = fw.board.temperatures, module_temperature(fw.identity.module)
    flags = TempFlags.THRESHOLD_VALUES_AVAILABLE | TempFlags.PHY_TEMP_NOT_AVAILABLE
    if fw.identity.module is ModuleKind.NONE:
        flags |= TempFlags.OM_NOT_PRESENT
    elif of_module is None:
        flags |= TempFlags.OM_TEMP_NOT_AVAILABLE
    return HwrmTempMonitorQueryOutput(
        temp=of_chip.chip,
        om_temp=of_module or 0,
        flags=flags,
        warn_threshold=of_chip.warning,
        critical_threshold=of_chip.critical,
        fatal_threshold=of_chip.fatal,
        shutdown_threshold=of_chip.shutdown,
    )


# -- self tests -----------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.SELFTEST_QLIST, HwrmSelftestQlistInput)
def selftest_qlist(fw: Firmware, req: HwrmSelftestQlistInput) -> HwrmSelftestQlistOutput:
    """The tests of the firmware; the driver adds its own, with loopback."""
    names = b"".join(
        str(test.name).lower().encode("ascii").ljust(_TEST_NAME_BYTES, b"\0") for test in SelfTest
    )
    return HwrmSelftestQlistOutput(
        num_tests=len(SelfTest),
        available_tests=sum(SelfTest),
        offline_tests=_OFFLINE,
        test_timeout=_TEST_TIMEOUT_MS,
        test_name=names,
    )


@COMMANDS.handles(Cmd.SELFTEST_EXEC, HwrmSelftestExecInput)
def selftest_exec(fw: Firmware, req: HwrmSelftestExecInput) -> HwrmSelftestExecOutput:
    """The link test says whether there is a link; the others find nothing."""
    if req.flags & ~sum(SelfTest):
        raise fw.refuse("hwrm_selftest", Err.INVALID_FLAGS, flags=req.flags)
    if req.flags & _OFFLINE and fw.resources.rx_rings:
        raise fw.refuse("hwrm_selftest_offline", flags=req.flags)
    success = req.flags
    if not fw.link.up:
        success &= ~SelfTest.LINK
    return HwrmSelftestExecOutput(requested_tests=req.flags, test_success=success)


@COMMANDS.handles(Cmd.SELFTEST_IRQ, HwrmSelftestIrqInput)
def selftest_irq(fw: Firmware, req: HwrmSelftestIrqInput) -> HwrmSelftestIrqOutput:
    """The completion in the ring that the request names is the interrupt."""
    return HwrmSelftestIrqOutput()


# -- wake on LAN ----------------------------------------------------------------------------------
def _check_wol(fw: Firmware, port_id: int) -> None:
    check_port(fw, port_id)
    if not fw.identity.func_flags & FuncQcapsFlags.WOL_MAGICPKT_SUPPORTED:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)


@COMMANDS.handles(Cmd.WOL_FILTER_ALLOC, HwrmWolFilterAllocInput)
def wol_filter_alloc(fw: Firmware, req: HwrmWolFilterAllocInput) -> HwrmWolFilterAllocOutput:
    """A filter for magic packets. Nothing wakes the host: no power is modelled."""
    _check_wol(fw, req.port_id)
    filters = fw.board.wol_filters
    if req.wol_type != WolType.MAGICPKT:
        raise fw.refuse("hwrm_wol_type", wol_type=req.wol_type)
    if len(filters) >= MAX_WOL_FILTERS:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR)
    number = next(i for i in range(MAX_WOL_FILTERS) if i not in filters)
    has_address = req.enables & WolFilterAllocEnables.MAC_ADDRESS
    filters[number] = req.mac_address if has_address else fw.mac
    return HwrmWolFilterAllocOutput(wol_filter_id=number)


@COMMANDS.handles(Cmd.WOL_FILTER_FREE, HwrmWolFilterFreeInput)
def wol_filter_free(fw: Firmware, req: HwrmWolFilterFreeInput) -> HwrmWolFilterFreeOutput:
    """One filter, or all."""
    _check_wol(fw, req.port_id)
    filters = fw.board.wol_filters
    if req.flags & WolFilterFreeFlags.FREE_ALL_WOL_FILTERS:
        filters.clear()
    elif not req.enables & WolFilterFreeEnables.WOL_FILTER_ID or req.wol_filter_id not in filters:
        raise fw.refuse("hwrm_unknown_id", kind="wol_filter", id=req.wol_filter_id)
    else:
        del filters[req.wol_filter_id]
    return HwrmWolFilterFreeOutput()


@COMMANDS.handles(Cmd.WOL_FILTER_QCFG, HwrmWolFilterQcfgInput)
def wol_filter_qcfg(fw: Firmware, req: HwrmWolFilterQcfgInput) -> HwrmWolFilterQcfgOutput:
    """The filter at a handle, and the handle of the next one; handle 0 is the first's.

    ``next_handle`` 0 says that there was none, 0xffff that this was the last (as the driver reads
    it, bnxt_get_wol_settings()).
    """
    _check_wol(fw, req.port_id)
    numbers = sorted(fw.board.wol_filters)
    if req.handle >= len(numbers):
        return HwrmWolFilterQcfgOutput(next_handle=_NO_MORE, wol_type=_WOL_TYPE_INVALID)
    number = numbers[req.handle]
    is_last = req.handle + 1 == len(numbers)
    return HwrmWolFilterQcfgOutput(
        next_handle=_LAST_HANDLE if is_last else req.handle + 1,
        wol_filter_id=number,
        wol_type=WolType.MAGICPKT,
        mac_address=fw.board.wol_filters[number],
    )


# -- PCIe -----------------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.PCIE_QSTATS, HwrmPcieQstatsInput)
def pcie_qstats(fw: Firmware, req: HwrmPcieQstatsInput) -> HwrmPcieQstatsOutput:
    """A link without errors or history: all zero, as much as there is room for."""
    stats = PcieCtxHwStatsV2()
    size = min(req.pcie_stat_size, stats.SIZE)
    if not req.pcie_stat_host_addr or not size:
        raise fw.refuse("hwrm_pcie_stats", size=size)
    fw.write(req.pcie_stat_host_addr, stats.pack()[:size], stats.C_NAME)
    return HwrmPcieQstatsOutput(pcie_stat_size=size)
