# SPDX-License-Identifier: GPL-2.0-only
"""What catches each bug of page_pool."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import (
    FROM_SOCKETS,
    Benchmark,
    Oracle,
    Seeded,
    SuiteTests,
    seeded_for_tests,
)

_pool = partial(seeded_for_tests, "page_pool")
_bug = partial(Seeded, "page_pool")
_on_qemu = partial(Seeded, "page_pool", engine="qemu")
_RECYCLING = "test_recycling.py::"
_HELD = "test_held.py::"
_ACCOUNTING = "test_accounting.py::"
_XDP = "test_xdp.py::"
_OPEN = "test_open_aggregations.py::"
_LOW_MEMORY = "test_low_memory.py::"
_IN_FLIGHT = "pages in flight = handed out - returned; none is lost over time or over restarts"
_STAYS_MAPPED = "a page stays mapped: the IOMMU sees no map or unmap per packet"
_ENDS = "pages of an aggregation come back, whatever ends it or its ring"
_NEW_POOLS = "a new ring size, MTU or number of channels creates new pools and ends the old ones"

PAGE_POOL: Sequence[Seeded] = (
    # -- a page's way back --------------------------------------------------------------------
    _pool(
        "fast_path_lost",
        _RECYCLING + "test_dropped_packets_go_back_to_the_cache",
        promise="a packet freed where it was received returns its pages without a lock",
    ),
    _pool(
        "every_eighth_page_lost",
        _RECYCLING + "test_dropped_packets_need_no_new_page",
        promise="once the pool is warm, no page comes from the page allocator",
    ),
    _pool(
        "ring_not_used",
        _RECYCLING + "test_stream_recycles",
        _RECYCLING + "test_stream_returns_by_the_ring",
        _RECYCLING + "test_stream_needs_few_new_pages",
        promise="a page freed by any user comes back through the ptr_ring",
    ),
    _pool(
        "restart_forgets_napi",
        _RECYCLING + "test_fast_path_after_queue_restart",
        in_sample=True,
        promise="a restarted queue has the fast path, too",
    ),
    _pool(
        "napi_of_the_first_queue",
        _ACCOUNTING + "test_every_queue_has_its_pool",
        promise="each queue has a pool of its own, owned by the queue's NAPI",
    ),
    _pool("of_order_1", _RECYCLING + "test_order_0_only[4096]", promise="order-0 only"),
    _pool(
        "ignores_page_users",
        _HELD + "test_page_with_another_user_leaves_the_pool",
        promise="a page with a second user is not used for receive again",
    ),
    _pool(
        "leaks_when_ring_is_full",
        _HELD + "test_more_waits_than_the_ring_takes",
        promise="pages that do not fit the ptr_ring leave the pool, once",
    ),
    _pool(
        "xdp_tx_takes_a_page",
        _XDP + "test_reflected_frames_take_no_page",
        promise="XDP_TX posts a page again without the pool",
    ),
    # -- who answers for it ---------------------------------------------------------------------
    _pool("hold_not_counted", _ACCOUNTING + "test_books_balance", promise=_IN_FLIGHT),
    _pool("release_not_counted", _ACCOUNTING + "test_books_balance", promise=_IN_FLIGHT),
    _pool(
        "cache_not_in_flight",
        _ACCOUNTING + "test_pool_answers_for_as_many_wherever_they_lie",
        promise="pages in the pool's own lists are in flight, too",
    ),
    _pool("ring_not_emptied", _ACCOUNTING + "test_ring_size[511]", promise=_NEW_POOLS),
    _pool(
        "users_not_waited_for",
        _HELD + "test_ring_goes_while_data_waits[resize_ring]",
        promise="a pool waits for pages that users still hold, and their data is intact",
    ),
    _pool(
        "detached_not_told",
        _HELD + "test_ring_goes_while_data_waits[resize_ring]",
        promise="a pool that waits is reported as detached",
    ),
    _pool(
        "hides_orphans",
        _HELD + "test_driver_goes_while_data_waits",
        promise="a pool whose interface is gone is reported until its last page is back",
    ),
    # -- aggregations that are open ---------------------------------------------------------------
    _pool(
        "open_aggregation_header_lost",
        _OPEN + "test_ends_are_lost[close]",
        _OPEN + "test_ends_are_lost[restart]",
        promise=_ENDS,
    ),
    _pool(
        "open_aggregation_pages_lost",
        _OPEN + "test_ends_are_lost[close]",
        _OPEN + "test_ends_are_lost[restart]",
        promise=_ENDS,
    ),
    _pool(
        "open_aggregation_posted",
        _OPEN + "test_queue_restarts",
        _OPEN + "test_another_queue_of_the_vnic_restarts",
        _OPEN + "test_link_is_lost",
        _OPEN + "test_interface_goes[close]",
        promise=_ENDS,
    ),
    _pool(
        "restart_before_aggregations_end",
        _OPEN + "test_queue_restarts",
        _OPEN + "test_another_queue_of_the_vnic_restarts",
        promise=_ENDS,
    ),
    # -- when the page allocator refuses ----------------------------------------------------------
    _bug(
        "allocator_comes_first",
        SuiteTests((_LOW_MEMORY + "test_dropped_packets_need_no_page_at_all",)),
        flavour="uml-san",
        promise="a warm pool asks for no page, so it works while all are refused",
    ),
    # -- mappings ---------------------------------------------------------------------------------
    _on_qemu(
        "mapped_for_each_packet",
        SuiteTests((_RECYCLING + "test_no_mapping_per_packet",)),
        promise=_STAYS_MAPPED,
    ),
    _on_qemu(
        "other_cpu_loses_pages",
        SuiteTests((_RECYCLING + "test_return_from_each_cpu",)),
        promise="a page freed on any CPU comes back through the ptr_ring",
    ),
    # -- what it costs
    _on_qemu("fast_path_slower", Benchmark(most_added=10)),
    # -- seen by the card --------------------------------------------------------------------
    _bug(
        "page_handed_out_twice",
        Oracle(rules=("posted_twice",), others="WARN and panic as the queue is restarted"),
    ),
    _on_qemu(
        "page_pool_unmap_missing",
        Oracle(
            rules=("mapping_leaked",),
            consequences=("two_owners",),
            others="DMA_API_DEBUG at unbind",
            workloads=FROM_SOCKETS,
        ),
    ),
    _on_qemu(
        "page_pool_maps_read_only",
        Oracle(
            rules=("posted_not_writable", "rx_buffer"),
            others="DMA_API_DEBUG at each sync",
            workloads=FROM_SOCKETS,
        ),
    ),
)
