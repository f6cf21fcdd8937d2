# SPDX-License-Identifier: GPL-2.0-only
"""Which test of tests/suite/zcrx catches which mutation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.kernel_mutations.mutation import Mutation

_zcrx = partial(Mutation, feature="zcrx")
_RING = "test_refill_ring.py::"
_SETUP = "test_setup_errors.py::"
_TAKEN = "test_setup_refused.py::"

ZCRX: Sequence[Mutation] = (
    # -- the refill ring --------------------------------------------------------------------
    _zcrx(
        name="buffer_number_unchecked",
        caught_by=(
            _RING + "test_wrong_entry_is_refused[flush-buffer behind the last]",
            _RING + "test_wrong_entry_is_refused[driver-buffer behind the last]",
        ),
        in_sample=True,
    ),
    _zcrx(
        name="padding_ignored",
        caught_by=(
            _RING + "test_wrong_entry_is_refused[flush-padding]",
            _RING + "test_wrong_entry_is_refused[driver-highest bit of padding]",
        ),
    ),
    _zcrx(
        name="area_number_ignored",
        caught_by=(
            _RING + "test_wrong_entry_is_refused[flush-area 1]",
            _RING + "test_wrong_entry_is_refused[driver-area 65535]",
        ),
    ),
    _zcrx(
        name="return_without_reference",
        caught_by=(
            _RING + "test_buffer_returned_twice_counts_once[flush]",
            _RING + "test_buffers_that_are_not_ours_cannot_be_returned[driver]",
        ),
    ),
    _zcrx(
        name="head_from_user",
        caught_by=(_RING + "test_head_written_by_the_user_is_ignored",),
    ),
    # -- references -------------------------------------------------------------------------
    _zcrx(
        name="scrub_incomplete",
        caught_by=(
            "test_references.py::test_ring_closed_while_buffers_are_held",
            "test_references.py::test_process_killed_while_buffers_are_held",
        ),
    ),
    _zcrx(
        name="import_without_reference",
        caught_by=("test_sharing.py::test_queue_lives_until_its_last_user",),
    ),
    # -- copies and events ------------------------------------------------------------------
    _zcrx(
        name="copied_bytes_short",
        caught_by=("test_copy_fallback.py::test_local_traffic_is_copied_and_counted",),
        in_sample=True,
    ),
    _zcrx(
        name="copy_without_reference",
        caught_by=("test_copy_fallback.py::test_no_buffer_to_copy_into",),
    ),
    _zcrx(
        name="event_told_again",
        caught_by=(
            "test_exhaustion.py::test_drought_is_told_once",
            "test_copy_fallback.py::test_copy_is_told_once",
        ),
    ),
    # -- requests ---------------------------------------------------------------------------
    _zcrx(
        name="limit_overrun",
        caught_by=("test_receive_requests.py::test_limit_is_kept[1000]",),
    ),
    _zcrx(
        name="data_of_another_queue",
        caught_by=("test_sharing.py::test_data_of_another_queue_is_refused",),
    ),
    # -- set-up -----------------------------------------------------------------------------
    _zcrx(
        name="area_alignment_unchecked",
        caught_by=(_SETUP + "test_wrong_registration_is_refused[area]",),
    ),
    _zcrx(
        name="area_not_accounted",
        caught_by=(_TAKEN + "test_area_beyond_the_memory_limit",),
    ),
    _zcrx(
        name="queue_taken_twice",
        caught_by=(_TAKEN + "test_queue_that_is_bound",),
    ),
    _zcrx(
        name="split_not_required",
        caught_by=(_TAKEN + "test_queue_without_header_split",),
    ),
    _zcrx(
        name="anyone_may_bind",
        caught_by=(_TAKEN + "test_binding_takes_a_privilege",),
    ),
    # -- netlink ----------------------------------------------------------------------------
    _zcrx(
        name="provider_not_named",
        caught_by=("test_provider_info.py::test_queue_and_pool_name_their_provider",),
    ),
    _zcrx(
        name="provider_length_wrong",
        caught_by=("test_provider_info.py::test_queue_and_pool_name_their_provider",),
    ),
)
