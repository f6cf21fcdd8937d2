# SPDX-License-Identifier: GPL-2.0-only
"""What catches each bug of page_pool."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import FROM_SOCKETS, Benchmark, Oracle, Seeded, seeded_for_tests

_pool = partial(seeded_for_tests, "page_pool")
_bug = partial(Seeded, "page_pool")
_on_qemu = partial(Seeded, "page_pool", engine="qemu")
_RECYCLING = "test_recycling.py::"
_HELD = "test_held.py::"

PAGE_POOL: Sequence[Seeded] = (
    _pool("fast_path_lost", _RECYCLING + "test_dropped_packets_go_back_to_the_cache"),
    _pool("every_eighth_page_lost", _RECYCLING + "test_dropped_packets_need_no_new_page"),
    _pool(
        "restart_forgets_napi", _RECYCLING + "test_fast_path_after_queue_restart", in_sample=True
    ),
    _pool("of_order_1", _RECYCLING + "test_order_0_only[4096]"),
    _pool("ignores_page_users", _HELD + "test_page_with_another_user_leaves_the_pool"),
    _pool("leaks_when_ring_is_full", _HELD + "test_more_waits_than_the_ring_takes"),
    _pool("hides_orphans", _HELD + "test_driver_goes_while_data_waits"),
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
