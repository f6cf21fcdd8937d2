# SPDX-License-Identifier: GPL-2.0-only
"""Which test of tests/suite/page_pool catches which mutation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.kernel_mutations.mutation import Mutation

_pool = partial(Mutation, feature="page_pool")
_RECYCLING = "test_recycling.py::"
_HELD = "test_held.py::"

PAGE_POOL: Sequence[Mutation] = (
    _pool(
        name="fast_path_lost",
        caught_by=(_RECYCLING + "test_dropped_packets_go_back_to_the_cache",),
    ),
    _pool(
        name="every_eighth_page_lost",
        caught_by=(_RECYCLING + "test_dropped_packets_need_no_new_page",),
    ),
    _pool(
        name="restart_forgets_napi",
        caught_by=(_RECYCLING + "test_fast_path_after_queue_restart",),
        in_sample=True,
    ),
    _pool(name="of_order_1", caught_by=(_RECYCLING + "test_order_0_only[4096]",)),
    _pool(
        name="ignores_page_users",
        caught_by=(_HELD + "test_page_with_another_user_leaves_the_pool",),
    ),
    _pool(
        name="leaks_when_ring_is_full",
        caught_by=(_HELD + "test_more_waits_than_the_ring_takes",),
    ),
    _pool(name="hides_orphans", caught_by=(_HELD + "test_driver_goes_while_data_waits",)),
)
