# SPDX-License-Identifier: GPL-2.0-only
"""Memory that is not what it was: which complaints of the kernel say so, and which follow from it.

Wording and places as in linux 7.2: lib/list_debug.c, mm/page_alloc.c, kernel/dma/debug.c,
``page_pool_inflight()`` of net/core/page_pool.c, ``page_pool_unref_netmem()`` of
include/net/page_pool/helpers.h.
"""

from __future__ import annotations

import re

from testbed.findings.kernel_log import Splat
from testbed.findings.splat_report import SplatReport
from testbed.fuzz.signature import MEMORY, kind_of, place_of

FOLLOWS = frozenset(
    {
        Splat.OOPS, Splat.PANIC, Splat.BUG, Splat.WARNING, Splat.REFCOUNT, Splat.SOFT_LOCKUP,
        Splat.HUNG_TASK, Splat.RCU_STALL, Splat.LOCKDEP, Splat.PAGE_POOL, Splat.NETWORK,
        Splat.DMA_API, Splat.KMEMLEAK,
    }
)  # fmt: skip
"""What comes of memory that somebody has written to."""

_OWNERS = re.compile(
    r"list_(add|del) corruption|Bad page state|page_pool refcnt -?\d+ violation"
    r"|WARNING: include/net/page_pool/helpers\.h:\d+ |WARNING: \S+ at page_pool_inflight\+"
)
_NOT_MAPPED = "tries to (free|sync) DMA memory it has not allocated"
_NO_ADDRESS = re.compile(rf"{_NOT_MAPPED} \[device address=0x0+\]")


def has_two_owners(report: SplatReport) -> bool:
    """Whether it says that a page or an object has two owners: lists and pages of all the kernel
    are not what they were any more.

    A page's count of references or a pool's of pages is below zero, or a pool unmaps a page that
    has no address any more: it came back before.
    """
    said = report.headline
    if _OWNERS.search(said):
        return True
    return _NO_ADDRESS.search(said) is not None and "page_pool" in place_of(report)[1]


def is_damage(report: SplatReport) -> bool:
    """Whether from here on anybody may complain."""
    return kind_of(report) == MEMORY or has_two_owners(report)


def is_untracked(report: SplatReport) -> bool:
    """Whether somebody believes mapped what is not: the next who does says so too, and what is
    mapped instead is left."""
    return re.search(_NOT_MAPPED, report.headline) is not None


def may_follow(report: SplatReport) -> bool:
    """Whether it may come of memory that was damaged before. What KASAN says of a place in scope
    is a complaint all the same: what it watches is kept in no list and no page."""
    return report.sanitizer in FOLLOWS or not place_of(report)[1]
