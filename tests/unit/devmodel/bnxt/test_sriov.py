# SPDX-License-Identifier: GPL-2.0-only
"""Virtual functions: that they come and go, what they get, and that each is alone."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.config_space import SRIOV_OFFSET
from devmodel.bnxt.hsi.cfa import (
    HwrmCfaL2SetRxMaskInput,
    L2FilterEnables,
    RxMask,
)
from devmodel.bnxt.hsi.func import (
    FuncCfgEnables,
    FuncCfgFlags,
    HwrmFuncCfgInput,
    HwrmFuncDrvRgtrInput,
    HwrmFuncQcapsInput,
    HwrmFuncQcfgInput,
    HwrmFuncResourceQcapsInput,
)
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.nvm import HwrmNvmReadInput
from devmodel.bnxt.hsi.regs import FW_RESET, DbType
from devmodel.bnxt.hsi.ring import AsyncEvent, HwrmAsyncEventCmpl
from devmodel.bnxt.hsi.ring_alloc import HwrmRingFreeInput, RingType
from devmodel.bnxt.hsi.vf import (
    FuncVfCfgEnables,
    HwrmFuncVfCfgInput,
    HwrmFuncVfRescFreeInput,
    HwrmFuncVfResourceCfgInput,
    HwrmFwdAsyncEventCmplInput,
)
from devmodel.bnxt.hsi.vnic import HwrmVnicFreeInput
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import BASE
from tests.unit.devmodel.bnxt.sriov_bench import (
    FIRST,
    SHARE,
    VFS,
    Family,
    filter_for,
    frame,
    mac,
    open_queue,
    received,
    send,
)


@pytest.fixture
def family() -> Family:
    return Family()


@pytest.fixture
def four(family: Family) -> Family:
    family.enable()
    return family


def test_they_come_and_go_with_the_capability(family: Family) -> None:
    functions = family.card.functions
    assert [vf.config_read(0, 4) for vf in functions] == [b"\xff" * 4] * VFS
    assert functions[0].config_read(0xA0, 4) == b"\xff" * 4
    family.show(2)
    assert [vf.is_present for vf in functions] == [True, True, False, False]
    assert functions[1].config_read(0, 4) == b"\xff" * 4, "a VF has no ids of its own"
    assert functions[1].config_read(0xA0, 1) == b"\x11"
    family.show(0)
    assert not any(vf.is_present for vf in functions)
    assert functions[0].mmio_read(0, 0x520, 4) == b"\xff" * 4


def test_a_reset_of_the_physical_function_takes_them_along(four: Family) -> None:
    four.open(0, mac(1))
    four.card.reset(ResetKind.FLR)
    assert not any(vf.is_present for vf in four.card.functions)
    assert not four.card.functions[0].resources.rx_rings


def test_their_memory_is_enabled_by_the_physical_function(four: Family) -> None:
    vf = four.card.functions[0]
    assert vf.mmio_read(0, 0x520, 4) == struct.pack("<I", 0x8000)
    four.card.config_write(SRIOV_OFFSET + 8, struct.pack("<H", 1))
    assert vf.mmio_read(0, 0x520, 4) == b"\xff" * 4
    assert {v["function"] for v in four.trace.violations} == {"vf0"}


def test_each_has_an_id_and_what_it_was_granted(four: Family) -> None:
    caps = four.pf.call(HwrmFuncQcapsInput(fid=0xFFFF))
    assert (caps.first_vf_id, caps.max_vfs) == (FIRST, VFS)
    for index, vf in enumerate(four.vfs):
        own = vf.call(HwrmFuncQcapsInput(fid=0xFFFF))
        assert (own.fid, own.mac_address, own.max_vfs) == (FIRST + index, bytes(6), 0)
        most = vf.call(HwrmFuncResourceQcapsInput(fid=0xFFFF))
        assert (most.max_tx_rings, most.max_msix) == (SHARE["max_tx_rings"], SHARE["max_msix"])


def test_what_is_granted_is_no_longer_the_physical_functions(four: Family) -> None:
    limits = four.card.firmware.identity.limits
    left = four.pf.call(HwrmFuncResourceQcapsInput(fid=0xFFFF))
    assert left.max_tx_rings == limits.tx_rings - VFS * SHARE["min_tx_rings"]
    too_many = HwrmFuncCfgInput(
        fid=0xFFFF, enables=FuncCfgEnables.NUM_TX_RINGS, num_tx_rings=limits.tx_rings
    )
    assert four.pf.error(too_many) == Err.RESOURCE_ALLOC_ERROR
    for fid in range(FIRST, FIRST + VFS):
        four.pf.call(HwrmFuncVfRescFreeInput(vf_id=fid))
    four.pf.call(too_many)


def test_no_more_is_granted_than_there_is(family: Family) -> None:
    all_rings = family.card.firmware.identity.limits.tx_rings
    request = HwrmFuncVfResourceCfgInput(
        vf_id=FIRST, **{**SHARE, "max_tx_rings": all_rings, "min_tx_rings": all_rings}
    )
    family.pf.reserve()
    assert family.pf.error(request) == Err.RESOURCE_ALLOC_ERROR
    swapped = HwrmFuncVfResourceCfgInput(vf_id=FIRST, **{**SHARE, "min_tx_rings": 9})
    assert family.pf.error(swapped) == Err.INVALID_PARAMS
    nobody = HwrmFuncVfResourceCfgInput(vf_id=FIRST + VFS, **SHARE)
    assert family.pf.error(nobody) == Err.RESOURCE_ACCESS_DENIED
    assert family.pf.rules == {"hwrm_unknown_function"}


def test_a_virtual_function_reserves_of_its_share_only(four: Family) -> None:
    over = HwrmFuncVfCfgInput(enables=FuncVfCfgEnables.NUM_TX_RINGS, num_tx_rings=9)
    assert four.vfs[0].error(over) == Err.RESOURCE_ALLOC_ERROR
    over.flags = 1
    assert four.vfs[0].error(over) == Err.RESOURCE_ALLOC_ERROR
    four.reserve(0, num_tx_rings=8)
    assert four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF)).alloc_tx_rings == 8
    assert four.pf.call(HwrmFuncQcfgInput(fid=FIRST)).alloc_tx_rings == 8
    assert four.pf.error(HwrmFuncVfCfgInput()) == Err.CMD_NOT_SUPPORTED


def test_what_is_of_the_board_is_not_for_them(four: Family) -> None:
    vf = four.vfs[0]
    assert vf.error(HwrmNvmReadInput()) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncCfgInput(fid=0xFFFF)) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncVfResourceCfgInput(vf_id=FIRST)) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncQcapsInput(fid=FIRST + 1)) == Err.RESOURCE_ACCESS_DENIED
    assert vf.error(HwrmFuncQcapsInput(fid=1)) == Err.RESOURCE_ACCESS_DENIED
    assert four.trace.violation_counts == {"hwrm_unknown_function": 2}
    restarts = four.card.firmware.restarts
    vf.card.mmio_write(0, FW_RESET, b"\1\0\0\0")
    assert four.card.firmware.restarts == restarts
    assert "reserved_register_write" in four.trace.violation_counts


# -- each is alone ------------------------------------------------------------------------------
def test_memory_of_another_function_cannot_be_named(four: Family) -> None:
    """DMA goes by the function: an address that is mapped for the other is a fault for this one."""
    secret = BASE + 0x10_0000
    one, other = four.vfs[:2]
    other.poke(secret, b"secret")
    one.card.dma.unmap_all()
    for request in (HwrmFuncQcapsInput(fid=0xFFFF, resp_addr=secret),):
        one.submit(request)
    assert other.peek(secret, 6) == b"secret"
    assert four.trace.violation_counts["hwrm_request_address"] == 1
    assert four.trace.violations[-1]["function"] == "vf0"


def test_rings_of_another_function_cannot_be_named(four: Family) -> None:
    four.open(1, mac(2))
    four.reserve(0)
    one, other = four.vfs[:2]
    before = {ring.id: (ring.prod, ring.cons) for ring in other.card.resources.descriptor_rings()}
    for ring_id in before:
        for kind in (DbType.SQ, DbType.SRQ):
            one.doorbell(kind, ring_id, 5)
    for kind in RingType:
        for ring_id in before:
            assert one.error(HwrmRingFreeInput(ring_type=kind, ring_id=ring_id))
    assert one.error(HwrmVnicFreeInput(vnic_id=0)) == Err.INVALID_PARAMS
    after = {ring.id: (ring.prod, ring.cons) for ring in other.card.resources.descriptor_rings()}
    assert after == before
    assert {v["function"] for v in four.trace.violations} == {"vf0"}
    assert "doorbell_unknown_ring" in four.trace.violation_counts


def test_an_address_has_one_owner(four: Family) -> None:
    four.open(1, mac(2))
    four.open(0, mac(1))
    one = four.vfs[0]
    assert one.error(filter_for(mac(2), 0)) == Err.RESOURCE_ACCESS_DENIED
    assert one.error(filter_for(four.card.firmware.mac, 0)) == Err.RESOURCE_ACCESS_DENIED
    wanted = HwrmFuncVfCfgInput(enables=FuncVfCfgEnables.DFLT_MAC_ADDR, dflt_mac_addr=mac(2))
    assert one.error(wanted) == Err.RESOURCE_ACCESS_DENIED
    assert four.trace.violation_counts == {"vf_address_taken": 3}
    enables = L2FilterEnables.L2_ADDR | L2FilterEnables.DST_ID | L2FilterEnables.L2_ADDR_MASK
    every = filter_for(mac(9), 0, enables=enables, l2_addr_mask=bytes(6))
    assert one.error(every) == Err.RESOURCE_ACCESS_DENIED
    trust(four, 0)
    one.call(every)


def trust(four: Family, index: int) -> None:
    flags = FuncCfgFlags.TRUSTED_VF_ENABLE
    four.pf.call(HwrmFuncCfgInput(fid=FIRST + index, flags=flags))


def test_only_who_is_trusted_receives_what_is_no_ones(four: Family) -> None:
    four.open(0, mac(1))
    four.receive(frame(mac(9)))
    assert received(four.vfs[0]) == 0
    promiscuous = HwrmCfaL2SetRxMaskInput(vnic_id=0, mask=RxMask.PROMISCUOUS)
    assert four.vfs[0].error(promiscuous) == Err.RESOURCE_ACCESS_DENIED
    trust(four, 0)
    assert four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF)).flags & 0x40
    four.vfs[0].call(promiscuous)
    four.receive(frame(mac(9)))
    assert received(four.vfs[0]) == 1


# -- the switch ---------------------------------------------------------------------------------
def test_a_frame_reaches_the_function_it_is_for(four: Family) -> None:
    for index in range(VFS):
        four.open(index, mac(index))
    four.receive(frame(mac(2)), frame(mac(0)), frame(mac(2)))
    assert [received(vf) for vf in four.vfs] == [1, 0, 2, 0]
    assert four.card.mac.rx.lengths == {60: 3}, "all came through the port"


def test_a_broadcast_reaches_all(four: Family) -> None:
    four.pf.reserve()
    open_queue(four.pf, four.card.firmware.mac)
    for index in range(VFS):
        four.open(index, mac(index))
    four.receive(frame(b"\xff" * 6))
    assert [received(host) for host in (four.pf, *four.vfs)] == [1] * 5


def test_functions_talk_without_the_wire(four: Family) -> None:
    four.pf.reserve()
    queue_of_pf = open_queue(four.pf, four.card.firmware.mac)
    queues = [four.open(index, mac(index)) for index in range(VFS)]
    send(four.vfs[0], queues[0], frame(mac(3), mac(0)))
    send(four.vfs[3], queues[3], frame(four.card.firmware.mac, mac(3)))
    send(four.pf, queue_of_pf, frame(mac(1), four.card.firmware.mac))
    assert [received(host) for host in (four.pf, *four.vfs)] == [1, 0, 1, 0, 1]
    assert four.wire.sent == []
    send(four.vfs[0], queues[0], frame(mac(9), mac(0)))
    assert four.wire.sent == [frame(mac(9), mac(0))]
    send(four.vfs[0], queues[0], frame(b"\xff" * 6, mac(0)))
    assert four.wire.sent[1:] == [frame(b"\xff" * 6, mac(0))]
    assert [received(host) for host in (four.pf, *four.vfs)] == [2, 0, 2, 1, 2]


def test_one_that_went_receives_nothing(four: Family) -> None:
    four.open(0, mac(0))
    four.show(0)
    four.receive(frame(mac(0)))
    assert four.trace.counters["switch_drop_queue_full"] == 0
    assert not four.card.functions[0].resources.rx_rings


def test_a_spoofed_frame_is_dropped_if_that_is_checked(four: Family) -> None:
    queue = four.open(0, mac(0))
    send(four.vfs[0], queue, frame(mac(9), mac(7)))
    assert len(four.wire.sent) == 1
    check = FuncCfgFlags.SRC_MAC_ADDR_CHECK_ENABLE
    four.pf.call(HwrmFuncCfgInput(fid=FIRST, flags=check))
    send(four.vfs[0], queue, frame(mac(9), mac(7)))
    assert len(four.wire.sent) == 1
    assert four.trace.counters["vf_tx_drop_spoofed"] == 1
    send(four.vfs[0], queue, frame(mac(9), mac(0)))
    assert len(four.wire.sent) == 2


def test_a_vlan_of_the_physical_functions_choice(four: Family) -> None:
    queue = four.open(0, mac(0))
    four.pf.call(HwrmFuncCfgInput(fid=FIRST, enables=FuncCfgEnables.DFLT_VLAN, dflt_vlan=7))
    assert four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF)).vlan == 7
    send(four.vfs[0], queue, frame(mac(9), mac(0)))
    assert four.wire.sent[0][12:16] == b"\x81\x00\x00\x07"
    tagged = frame(mac(0))
    four.receive(tagged)
    assert received(four.vfs[0]) == 0
    four.receive(tagged[:12] + b"\x81\x00\x00\x07" + tagged[12:])
    assert received(four.vfs[0]) == 1


def test_the_next_one_begins_anew(four: Family) -> None:
    enables = FuncCfgEnables.DFLT_VLAN | FuncCfgEnables.DFLT_MAC_ADDR
    given = {"dflt_vlan": 7, "dflt_mac_addr": mac(5)}
    flags = FuncCfgFlags.TRUSTED_VF_ENABLE
    four.pf.call(HwrmFuncCfgInput(fid=FIRST, enables=enables, flags=flags, **given))
    told = four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF))
    assert (told.vlan, told.flags & 0x40) == (7, 0x40)
    assert four.vfs[0].call(HwrmFuncQcapsInput(fid=0xFFFF)).mac_address == mac(5)
    four.pf.call(HwrmFuncVfRescFreeInput(vf_id=FIRST))
    told = four.vfs[0].call(HwrmFuncQcfgInput(fid=0xFFFF))
    assert (told.vlan, told.flags & 0x40) == (0, 0)
    assert four.vfs[0].call(HwrmFuncQcapsInput(fid=0xFFFF)).mac_address == bytes(6)


def test_events_are_passed_on(four: Family) -> None:
    four.reserve(0)
    vf = four.vfs[0]
    queue = vf.open_queue()
    vf.call(HwrmFuncDrvRgtrInput(async_event_fwd=(0, 1 << 19, 0, 0, 0, 0, 0, 0)))
    enables = FuncVfCfgEnables.ASYNC_EVENT_CR
    vf.call(HwrmFuncVfCfgInput(enables=enables, async_event_cr=queue.nq))
    event = HwrmAsyncEventCmpl(event_id=AsyncEvent.VF_CFG_CHANGE).pack()
    told = HwrmFwdAsyncEventCmplInput(
        encap_async_event_target_id=128, encap_async_event_cmpl=struct.unpack("<4I", event)
    )
    four.pf.call(told)
    nq = vf.card.resources.nqs[queue.nq]
    assert nq.prod == 1
    told.encap_async_event_target_id = 0xFFFF
    four.pf.call(told)
    assert nq.prod == 2


def test_all_have_the_link_of_the_port(four: Family) -> None:
    four.open(0, mac(0))
    four.card.set_link(False)
    four.receive(frame(mac(0)))
    assert received(four.vfs[0]) == 0
    four.card.set_link(True)
    four.receive(frame(mac(0)))
    assert received(four.vfs[0]) == 1
