# SPDX-License-Identifier: GPL-2.0-only
"""What catches each bug of zero-copy receive."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import FROM_ZCRX, Oracle, Seeded, seeded_for_tests

_zcrx = partial(seeded_for_tests, "zcrx")
_bug = partial(Seeded, "zcrx")
_on_qemu = partial(Seeded, "zcrx", engine="qemu")
_RING = "test_refill_ring.py::"
_SETUP = "test_setup_errors.py::"
_TAKEN = "test_setup_refused.py::"

ZCRX: Sequence[Seeded] = (
    # -- the refill ring --------------------------------------------------------------------
    _zcrx(
        "buffer_number_unchecked",
        _RING + "test_wrong_entry_is_refused[flush-buffer behind the last]",
        _RING + "test_wrong_entry_is_refused[driver-buffer behind the last]",
        in_sample=True,
    ),
    _zcrx(
        "padding_ignored",
        _RING + "test_wrong_entry_is_refused[flush-padding]",
        _RING + "test_wrong_entry_is_refused[driver-highest bit of padding]",
    ),
    _zcrx(
        "area_number_ignored",
        _RING + "test_wrong_entry_is_refused[flush-area 1]",
        _RING + "test_wrong_entry_is_refused[driver-area 65535]",
    ),
    _zcrx(
        "return_without_reference",
        _RING + "test_buffer_returned_twice_counts_once[flush]",
        _RING + "test_buffers_that_are_not_ours_cannot_be_returned[driver]",
    ),
    _zcrx(
        "head_from_user",
        _RING + "test_head_written_by_the_user_is_ignored",
        promise="the kernel uses its own copy of the head",
    ),
    # -- references -------------------------------------------------------------------------
    _zcrx(
        "scrub_incomplete",
        "test_references.py::test_ring_closed_while_buffers_are_held",
        "test_references.py::test_process_killed_while_buffers_are_held",
    ),
    _zcrx("import_without_reference", "test_sharing.py::test_queue_lives_until_its_last_user"),
    # -- copies and events ------------------------------------------------------------------
    _zcrx(
        "copied_bytes_short",
        "test_copy_fallback.py::test_local_traffic_is_copied_and_counted",
        in_sample=True,
    ),
    _zcrx("copy_without_reference", "test_copy_fallback.py::test_no_buffer_to_copy_into"),
    _zcrx(
        "event_reported_again",
        "test_exhaustion.py::test_drought_is_told_once",
        "test_copy_fallback.py::test_copy_is_told_once",
    ),
    # -- requests ---------------------------------------------------------------------------
    _zcrx("limit_overrun", "test_receive_requests.py::test_limit_is_kept[1000]"),
    _zcrx("data_of_another_queue", "test_sharing.py::test_data_of_another_queue_is_refused"),
    # -- set-up -----------------------------------------------------------------------------
    _zcrx("area_alignment_unchecked", _SETUP + "test_wrong_registration_is_refused[area]"),
    _zcrx("area_not_accounted", _TAKEN + "test_area_beyond_the_memory_limit"),
    _zcrx("queue_taken_twice", _TAKEN + "test_queue_that_is_bound"),
    _zcrx("split_not_required", _TAKEN + "test_queue_without_header_split"),
    _zcrx("anyone_may_bind", _TAKEN + "test_binding_takes_a_privilege"),
    # -- netlink ----------------------------------------------------------------------------
    _zcrx("provider_not_named", "test_provider_info.py::test_queue_and_pool_name_their_provider"),
    _zcrx(
        "provider_length_wrong", "test_provider_info.py::test_queue_and_pool_name_their_provider"
    ),
    # -- seen by the card --------------------------------------------------------------------
    _bug(
        "niov_handed_out_twice",
        Oracle(
            rules=("posted_twice",),
            others="data received by zcrx is wrong; WARN in zcrx as the area goes",
        ),
    ),
    _bug(
        "niov_recycled_early",
        Oracle(rules=("posted_twice",), others="WARN in zcrx and page_pool as the area goes"),
        in_sample=True,
    ),
    _on_qemu(
        "zcrx_area_not_unmapped",
        Oracle(rules=("mapping_leaked",), others="DMA_API_DEBUG at unbind", workloads=FROM_ZCRX),
    ),
    _on_qemu(
        "zcrx_area_unmapped_early",
        Oracle(
            rules=("unmap_while_owned",),
            others="DMA_API_DEBUG (a sync of address 0)",
            workloads=FROM_ZCRX,
        ),
    ),
    _on_qemu(
        "niov_leaked",
        Oracle(
            rules=("mapping_leaked",),
            others="zcrx starves; DMA_API_DEBUG at unbind",
            workloads=FROM_ZCRX,
        ),
    ),
)
