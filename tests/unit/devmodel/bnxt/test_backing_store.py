# SPDX-License-Identifier: GPL-2.0-only
"""Context memory: both versions of its configuration, page tables, use."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from devmodel.bnxt.backing_store import INIT_OFFSET_WORDS, INIT_VALUE
from devmodel.bnxt.hsi.backing_store import (
    BackingStoreCfgV2Flags,
    BackingStoreEnables,
    BackingStoreFlags,
    ContextType,
    HwrmFuncBackingStoreCfgInput,
    HwrmFuncBackingStoreCfgV2Input,
    HwrmFuncBackingStoreQcapsInput,
    HwrmFuncBackingStoreQcapsV2Input,
    HwrmFuncBackingStoreQcfgInput,
    HwrmFuncBackingStoreQcfgV2Input,
)
from devmodel.bnxt.hsi.func import FuncQcapsFlagsExt, HwrmFuncDrvUnrgtrInput, HwrmFuncResetInput
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hsi.stat import HwrmStatCtxFreeInput
from devmodel.bnxt.hsi.vnic import HwrmVnicFreeInput
from devmodel.bnxt.identity import Identity
from devmodel.dma import Access, Mapping
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES, UNMAPPED, CardHost

KIND_AT = INIT_OFFSET_WORDS * 4
LEVEL_1, LEVEL_2 = 1, 2
PG_64K = 2 << 4
V2 = FuncQcapsFlagsExt.EXT_HW_STATS_SUPPORTED | FuncQcapsFlagsExt.BS_V2_SUPPORTED


def table(host: CardHost, size: int, entry_size: int) -> tuple[int, int]:
    """(directory, first page) of initialised memory behind a page table of one level."""
    count = -(-size // 4096)
    at = host.allocate(count * 4096)
    for i in range(0, count * 4096, entry_size):
        host.poke(at + i + KIND_AT, bytes([INIT_VALUE]))
    directory = host.allocate(4096)
    host.poke(directory, struct.pack(f"<{count}Q", *(at + i * 4096 | 1 for i in range(count))))
    return directory, at


def configure(host: CardHost) -> dict[str, int]:
    """Every type but the TQM rings, as the driver does. Returns the first page of each."""
    caps = host.call(HwrmFuncBackingStoreQcapsInput())
    names = {"qp": "qpc", "srq": "srq", "cq": "cq", "vnic": "vnic", "stat": "stat"}
    counts = {
        "qp": caps.qp_max_entries, "srq": caps.srq_max_entries, "cq": caps.cq_max_entries,
        "vnic": caps.vnic_max_vnic_entries + caps.vnic_max_ring_table_entries,
        "stat": caps.stat_max_entries,
    }  # fmt: skip
    request = HwrmFuncBackingStoreCfgInput(
        enables=0x1F, vnic_num_vnic_entries=caps.vnic_max_vnic_entries,
        vnic_num_ring_table_entries=caps.vnic_max_ring_table_entries,
    )  # fmt: skip
    pages = {}
    for name, long in names.items():
        size = getattr(caps, f"{name}_entry_size")
        directory, pages[name] = table(host, counts[name] * size, size)
        setattr(request, f"{long}_pg_size_{long}_lvl", LEVEL_1)
        setattr(request, f"{long}_page_dir", directory)
        setattr(request, f"{name}_entry_size", size)
        if name != "vnic":
            setattr(request, f"{name}_num_entries", counts[name])
    host.call(request)
    return pages


@pytest.fixture
def host() -> CardHost:
    return CardHost()


@pytest.fixture
def newer() -> CardHost:
    return CardHost(Identity(func_flags_ext=V2))


def cq_request(host: CardHost, **changes: Any) -> HwrmFuncBackingStoreCfgInput:
    """A table of 64 CQ contexts in one page."""
    directory, _ = table(host, 4096, 64)
    wanted = {
        "enables": BackingStoreEnables.CQ, "cq_pg_size_cq_lvl": LEVEL_1, "cq_page_dir": directory,
        "cq_num_entries": 64, "cq_entry_size": 64,
    }  # fmt: skip
    return HwrmFuncBackingStoreCfgInput(**(wanted | changes))


def test_each_object_has_a_context_while_it_lives(host: CardHost) -> None:
    pages = configure(host)
    host.reserve()
    queue = host.open_queue()
    vnic = host.vnic_of(queue)
    written = {name: host.peek(at + KIND_AT, 1)[0] for name, at in pages.items()}
    assert written == {name: ContextType[name.upper()] for name in pages}
    assert int.from_bytes(host.peek(pages["qp"], 4), "little") == queue.tx
    assert int.from_bytes(host.peek(pages["srq"] + 64, 4), "little") == queue.agg
    host.call(HwrmVnicFreeInput(vnic_id=vnic))
    host.close_queue(queue)
    host.call(HwrmStatCtxFreeInput(stat_ctx_id=queue.stat))
    assert {host.peek(at + KIND_AT, 1)[0] for at in pages.values()} == {INIT_VALUE}
    assert not host.rules


def test_memory_that_was_used_by_another_shows(host: CardHost) -> None:
    pages = configure(host)
    host.reserve()
    queue = host.open_queue()
    host.poke(pages["qp"] + 100, b"\xa5")
    host.close_queue(queue)
    (found,) = (one for one in host.trace.violations if one["rule"] == "context_changed")
    assert (found["type"], found["index"], found["offset"], found["found"]) == ("QP", 0, 100, 0xA5)
    assert found["culprit"] == "driver"
    assert host.rules == {"context_changed"}


def test_an_entry_without_the_initial_value_shows(host: CardHost) -> None:
    pages = configure(host)
    host.poke(pages["stat"] + KIND_AT, b"\0")
    host.reserve()
    host.stat_ctx()
    assert host.rules == {"context_not_initialised"}


@pytest.mark.parametrize("how", [HwrmFuncResetInput(), HwrmFuncDrvUnrgtrInput()])
def test_the_memory_is_the_drivers_again(host: CardHost, how: Any) -> None:
    pages = configure(host)
    host.call(how)
    host.reserve()
    host.open_queue()
    assert host.peek(pages["qp"] + KIND_AT, 1)[0] == INIT_VALUE
    assert host.call(HwrmFuncBackingStoreQcfgInput()).enables == 0


def behind_an_iommu(host: CardHost) -> None:
    """Each page is a mapping of its own."""
    host.card.dma.unmap_all()
    for at in range(0, MEMORY_BYTES, 4096):
        both = Access.READ | Access.WRITE
        host.card.dma.map(Mapping(BASE + at, 4096, both, host.memory, at))


def test_memory_that_is_unmapped_too_early(host: CardHost) -> None:
    behind_an_iommu(host)
    pages = configure(host)
    host.card.dma.unmap(pages["vnic"], 4096)
    (found,) = host.trace.violations
    assert (found["rule"], found["what"]) == ("unmap_of_ring", "context memory VNIC 0")
    host.call(HwrmFuncResetInput())
    host.card.dma.unmap(pages["stat"], 4096)
    assert len(host.trace.violations) == 1


def test_a_card_that_masters_no_bus_needs_no_memory(host: CardHost) -> None:
    behind_an_iommu(host)
    pages = configure(host)
    host.card.config_write(0x04, struct.pack("<H", 0x2))
    host.card.dma.unmap(pages["vnic"], 4096)
    assert not host.rules


def test_memory_that_is_gone_is_a_violation_each_way(host: CardHost) -> None:
    configure(host)
    host.card.dma.unmap_all()
    host.card.firmware.contexts.created(ContextType.CQ, "ring", 5)
    assert host.rules == {"context_read", "context_write"}


def test_boot_code_configures_nothing(host: CardHost) -> None:
    host.call(HwrmFuncBackingStoreCfgInput(flags=BackingStoreFlags.PREBOOT_MODE))
    host.reserve()
    host.close_queue(host.open_queue())
    assert host.call(HwrmFuncBackingStoreQcfgInput()).enables == 0
    assert not host.rules


def test_what_was_told_can_be_asked(host: CardHost) -> None:
    request = cq_request(host)
    host.call(request)
    out = host.call(HwrmFuncBackingStoreQcfgInput())
    assert out.enables == BackingStoreEnables.CQ
    assert (out.cq_page_dir, out.cq_num_entries) == (request.cq_page_dir, 64)
    assert out.cq_pg_size_cq_lvl == LEVEL_1
    configure(host)
    out = host.call(HwrmFuncBackingStoreQcfgInput())
    assert (out.enables, out.vnic_num_vnic_entries) == (0x1F, 48)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cq_entry_size": 32}, {"cq_num_entries": 0}, {"cq_num_entries": 193},
        {"cq_pg_size_cq_lvl": 6 << 4 | LEVEL_1}, {"cq_pg_size_cq_lvl": 3},
        {"cq_pg_size_cq_lvl": 0, "cq_page_dir": BASE + 64},
        {"cq_pg_size_cq_lvl": 0, "cq_num_entries": 65}, {"cq_page_dir": 0},
        {"cq_page_dir": BASE + 0x10004}, {"cq_page_dir": UNMAPPED}, {"cq_num_entries": 128},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_memory_is_refused(host: CardHost, wrong: dict[str, int]) -> None:
    assert host.error(cq_request(host, **wrong)) == Err.INVALID_PARAMS
    assert host.rules == {"context_memory"}
    assert host.call(HwrmFuncBackingStoreQcfgInput()).enables == 0


def test_types_that_are_not_wanted_are_refused(host: CardHost) -> None:
    request = cq_request(host, enables=BackingStoreEnables.MRAV)
    assert host.error(request) == Err.INVALID_ENABLES
    assert host.rules == {"context_memory"}


def test_no_page_table_and_two_levels(host: CardHost) -> None:
    directory, page = table(host, 192 * 64, 64)
    top = host.allocate(4096)
    host.poke(top, struct.pack("<Q", directory | 1))
    pages = {
        LEVEL_2: (top, 192), LEVEL_1: (directory, 192), 0: (page, 64), PG_64K: (page, 192),
    }  # fmt: skip
    for attributes, (at, entries) in pages.items():
        host.call(
            cq_request(host, cq_pg_size_cq_lvl=attributes, cq_page_dir=at, cq_num_entries=entries)
        )
        where = host.card.firmware.contexts.table(ContextType.CQ)
        assert where is not None
        assert where.address(entries - 1) == page + (entries - 1) * 64
    assert not host.rules


def test_version_2_walks_the_types(newer: CardHost) -> None:
    kind, walked = 0, []
    while kind < 0x2C:
        out = newer.call(HwrmFuncBackingStoreQcapsV2Input(type=kind))
        assert out.next_valid_type > kind
        walked.append((ContextType(kind), out.entry_size, out.instance_bit_map))
        kind = out.next_valid_type
    assert [one[0] for one in walked] == list(ContextType)
    assert walked[2] == (ContextType.CQ, 64, 0)
    assert walked[6][2] == 0xFF
    last = newer.call(HwrmFuncBackingStoreQcapsV2Input(type=0x1E))
    assert (last.flags, last.next_valid_type) == (0, 0xFFFF)


def test_version_2_is_in_force_when_all_is_told(newer: CardHost) -> None:
    pages = {}
    for kind, size in ((ContextType.STAT, 256), (ContextType.CQ, 64)):
        directory, pages[kind] = table(newer, 4096, size)
        flags = BackingStoreCfgV2Flags.BS_CFG_ALL_DONE if kind is ContextType.CQ else 0
        if flags:
            newer.reserve()
            newer.stat_ctx()
            assert newer.peek(pages[ContextType.STAT] + KIND_AT, 1)[0] == INIT_VALUE
        newer.call(
            HwrmFuncBackingStoreCfgV2Input(
                type=kind, flags=flags, page_dir=directory, num_entries=16, entry_size=size,
                page_size_pbl_level=LEVEL_1,
            )
        )  # fmt: skip
        out = newer.call(HwrmFuncBackingStoreQcfgV2Input(type=kind))
        assert (out.page_dir, out.num_entries, out.page_size_pbl_level) == (directory, 16, LEVEL_1)
    newer.stat_ctx()
    assert newer.peek(pages[ContextType.STAT] + KIND_AT, 1)[0] == ContextType.STAT
    assert not newer.rules


def test_version_2_refuses_version_1_and_unknown_types(newer: CardHost) -> None:
    assert newer.error(cq_request(newer)) == Err.INVALID_PARAMS
    assert not newer.rules
    assert newer.error(HwrmFuncBackingStoreCfgV2Input(type=0x1E)) == Err.INVALID_PARAMS
    assert newer.error(HwrmFuncBackingStoreQcfgV2Input(type=0x1E)) == Err.INVALID_PARAMS
    assert newer.rules == {"context_memory"}
    newer.call(HwrmFuncBackingStoreCfgV2Input(type=0, flags=BackingStoreCfgV2Flags.PREBOOT_MODE))


def test_older_firmware_does_not_know_version_2(host: CardHost) -> None:
    for request in (HwrmFuncBackingStoreQcapsV2Input(), HwrmFuncBackingStoreCfgV2Input()):
        assert host.error(request) == Err.CMD_NOT_SUPPORTED
    assert not host.rules


def test_a_card_without_context_memory() -> None:
    host = CardHost(Identity(has_backing_store=False))
    assert host.error(HwrmFuncBackingStoreQcapsInput()) == Err.CMD_NOT_SUPPORTED
    assert host.error(HwrmFuncBackingStoreQcapsV2Input()) == Err.CMD_NOT_SUPPORTED
    assert not host.rules


def test_a_table_that_is_too_small(host: CardHost) -> None:
    host.call(cq_request(host, cq_num_entries=1))
    host.reserve()
    nq = host.ring(RingType.NQ, logical_id=0)
    for handle in range(2):
        host.ring(RingType.L2_CMPL, nq_ring_id=nq, cq_handle=handle)
    assert host.rules == {"context_memory_full"}
