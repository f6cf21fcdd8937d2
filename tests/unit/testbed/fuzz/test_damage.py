# SPDX-License-Identifier: GPL-2.0-only
"""Which complaints say that memory is not what it was, and which may come of it."""

from __future__ import annotations

import pytest

from testbed.findings.splat_report import SplatReport, reports
from testbed.fuzz.damage import has_two_owners, is_damage, is_untracked, may_follow
from tests.unit.testbed.fuzz.judged import KASAN, events, warn

UNREF = warn("bnxt_frob", "page_pool_put").replace(
    "net/core/dev.c:1762", "include/net/page_pool/helpers.h:297"
)
UNMAP = """\
------------[ cut here ]------------
WARNING: kernel/dma/debug.c:1004 at check_unmap+0x1090/0x2a50, CPU#0: ip/33
DMA-API: bnxt_en 0000:00:00.0: device driver tries to free DMA memory it has not allocated [device address=0x{address:016x}] [size=4096 bytes]
Call Trace:
 check_unmap+0x1090/0x2a50
 debug_dma_unmap_phys+0xa2/0xc0
 {scope}+0x17/0x40
---[ end trace 0000000000000000 ]---
"""  # noqa: E501
NEGATIVE = warn("page_pool_inflight", "page_pool_release")
OF_POOL = "__page_pool_unmap_netmem_dma"


def the(log: str) -> SplatReport:
    (one,) = reports(events(log))
    return one


@pytest.mark.parametrize(
    ("log", "two"),
    [
        ("list_add corruption. next->prev should be prev (620fd328), but was 0.\n", True),
        ("BUG: Bad page state in process stream_rx  pfn:05f2b\n", True),
        ("page_pool_empty_ring() page_pool refcnt 0 violation\n", True),
        (UNREF, True),
        (warn("bnxt_frob", "page_pool_put"), False),
        (NEGATIVE, True),
        (UNMAP.format(address=0, scope=OF_POOL), True),
        (UNMAP.format(address=0x1000, scope=OF_POOL), False),
        (UNMAP.format(address=0, scope="bnxt_frob"), False),  # of a buffer that no pool gave
        (KASAN.format(scope="bnxt_frob"), False),
    ],
)
def test_a_page_that_has_two_owners(log: str, two: bool) -> None:
    assert has_two_owners(the(log)) is two
    assert is_damage(the(log)) is (two or log.startswith("BUG: KASAN"))


@pytest.mark.parametrize(
    ("log", "may"),
    [
        (warn("inet_event", "bnxt_frob"), True),
        (UNMAP.format(address=0x1000, scope=OF_POOL), True),
        (KASAN.format(scope="__tlb_remove_folio_pages"), True),
        (KASAN.format(scope="bnxt_frob"), False),
    ],
)
def test_what_may_come_of_it(log: str, may: bool) -> None:
    assert may_follow(the(log)) is may


@pytest.mark.parametrize(
    ("log", "is_one"),
    [
        (UNMAP.format(address=0x1000, scope="bnxt_frob"), True),
        (UNMAP.format(address=0x1000, scope="bnxt_frob").replace("to free", "to sync"), True),
        (UNMAP.format(address=0x1000, scope="bnxt_frob").replace("to free", "to see"), False),
        (KASAN.format(scope="bnxt_frob"), False),
    ],
)
def test_a_mapping_that_somebody_has_lost_track_of(log: str, is_one: bool) -> None:
    assert is_untracked(the(log)) is is_one
