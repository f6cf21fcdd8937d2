# SPDX-License-Identifier: GPL-2.0-only
"""Temperature, self tests, wake on LAN, PCIe statistics."""

from __future__ import annotations

import pytest

from devmodel.bnxt.board import MAX_WOL_FILTERS
from devmodel.bnxt.hsi.board import (
    HwrmPcieQstatsInput,
    HwrmSelftestExecInput,
    HwrmSelftestIrqInput,
    HwrmSelftestQlistInput,
    HwrmTempMonitorQueryInput,
    HwrmWolFilterAllocInput,
    HwrmWolFilterFreeInput,
    HwrmWolFilterQcfgInput,
    PcieCtxHwStatsV2,
    SelfTest,
    TempFlags,
    WolFilterAllocEnables,
    WolFilterFreeEnables,
    WolFilterFreeFlags,
)
from devmodel.bnxt.hsi.func import FuncQcapsFlags
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.module import ModuleKind
from tests.unit.devmodel.bnxt.cardhost import BASE, UNMAPPED, CardHost, OpenQueue


@pytest.mark.parametrize(
    ("module", "temperature", "missing"),
    [
        (ModuleKind.DAC, 0, TempFlags.OM_TEMP_NOT_AVAILABLE),
        (ModuleKind.SR4, 38, TempFlags(0)),
        (ModuleKind.NONE, 0, TempFlags.OM_NOT_PRESENT),
    ],
)
def test_temperatures(module: ModuleKind, temperature: int, missing: TempFlags) -> None:
    answer = CardHost(Identity(module=module)).call(HwrmTempMonitorQueryInput())
    assert (answer.temp, answer.om_temp) == (78, temperature)
    of_module = TempFlags.OM_TEMP_NOT_AVAILABLE | TempFlags.OM_NOT_PRESENT
    assert answer.flags & of_module == missing
    thresholds = (answer.warn_threshold, answer.critical_threshold, answer.fatal_threshold)
    assert (*thresholds, answer.shutdown_threshold) == (95, 100, 110, 105)


def test_self_tests_are_named_and_pass(host: CardHost) -> None:
    answer = host.call(HwrmSelftestQlistInput())
    names = [answer.test_name[i * 32 : i * 32 + 32].rstrip(b"\0") for i in range(answer.num_tests)]
    assert names == [b"nvm", b"link", b"register", b"memory"]
    assert answer.offline_tests == SelfTest.REGISTER | SelfTest.MEMORY
    assert host.call(HwrmSelftestExecInput(flags=0xF)).test_success == 0xF
    host.card.set_link(False)
    assert host.call(HwrmSelftestExecInput(flags=0x3)).test_success == SelfTest.NVM


def test_offline_tests_need_a_closed_port(host: CardHost, queue: OpenQueue) -> None:
    assert host.error(HwrmSelftestExecInput(flags=SelfTest.MEMORY)) == Err.INVALID_PARAMS
    assert host.error(HwrmSelftestExecInput(flags=0x80)) == Err.INVALID_FLAGS
    assert host.rules == {"hwrm_selftest_offline", "hwrm_selftest"}


def test_the_interrupt_test_completes_in_the_ring_it_names(
    host: CardHost, queue: OpenQueue
) -> None:
    host.call(HwrmSelftestIrqInput(), cmpl_ring=queue.nq)
    entry = host.card.resources.nqs[queue.nq].memory.read_entry(0)
    assert entry[0] & 0x3F == CmplType.HWRM_DONE
    assert host.interrupts == [0]


# -- wake on LAN ----------------------------------------------------------------------------------
@pytest.fixture
def waker() -> CardHost:
    """A card that can be woken."""
    return CardHost(
        Identity(func_flags=Identity().func_flags | FuncQcapsFlags.WOL_MAGICPKT_SUPPORTED)
    )


def listed(host: CardHost) -> list[tuple[int, bytes]]:
    """All filters, as the driver walks through them."""
    found, handle = [], 0
    while True:
        answer = host.call(HwrmWolFilterQcfgInput(handle=handle))
        if not answer.next_handle:
            return found
        found.append((answer.wol_filter_id, answer.mac_address))
        if answer.next_handle == 0xFFFF:
            return found
        handle = answer.next_handle


def test_wol_filters_come_and_go(waker: CardHost) -> None:
    assert listed(waker) == []
    mac = b"\2\0\0\0\0\5"
    named = HwrmWolFilterAllocInput(enables=WolFilterAllocEnables.MAC_ADDRESS, mac_address=mac)
    assert waker.call(named).wol_filter_id == 0
    assert waker.call(HwrmWolFilterAllocInput()).wol_filter_id == 1
    assert listed(waker) == [(0, mac), (1, Identity().mac)]
    of_first = HwrmWolFilterFreeInput(enables=WolFilterFreeEnables.WOL_FILTER_ID, wol_filter_id=0)
    waker.call(of_first)
    assert waker.error(of_first) == Err.INVALID_PARAMS
    waker.call(HwrmWolFilterFreeInput(flags=WolFilterFreeFlags.FREE_ALL_WOL_FILTERS))
    assert listed(waker) == []
    assert waker.rules == {"hwrm_unknown_id"}


def test_wol_filters_are_few_and_of_one_kind(waker: CardHost) -> None:
    for _ in range(MAX_WOL_FILTERS):
        waker.call(HwrmWolFilterAllocInput())
    assert waker.error(HwrmWolFilterAllocInput()) == Err.RESOURCE_ALLOC_ERROR
    assert waker.error(HwrmWolFilterAllocInput(wol_type=1)) == Err.INVALID_PARAMS
    assert waker.rules == {"hwrm_wol_type"}


@pytest.mark.parametrize(
    "kind", [HwrmWolFilterAllocInput, HwrmWolFilterFreeInput, HwrmWolFilterQcfgInput]
)
def test_a_card_that_cannot_be_woken_has_no_filters(host: CardHost, kind: type) -> None:
    assert host.error(kind()) == Err.CMD_NOT_SUPPORTED
    assert host.rules == set()


# -- PCIe -----------------------------------------------------------------------------------------
def test_pcie_statistics_are_as_long_as_the_room(host: CardHost) -> None:
    at = host.allocate(4096)
    host.poke(at, b"\xff" * PcieCtxHwStatsV2.SIZE)
    answer = host.call(HwrmPcieQstatsInput(pcie_stat_size=96, pcie_stat_host_addr=at))
    assert answer.pcie_stat_size == 96
    assert host.peek(at, 97) == bytes(96) + b"\xff"


@pytest.mark.parametrize(("address", "size"), [(0, 96), (BASE, 0), (UNMAPPED, 96)])
def test_pcie_statistics_need_a_place(host: CardHost, address: int, size: int) -> None:
    request = HwrmPcieQstatsInput(pcie_stat_size=size, pcie_stat_host_addr=address)
    assert host.error(request) == Err.INVALID_PARAMS
