# SPDX-License-Identifier: GPL-2.0-only
"""What catches the bugs of the receive path: refill ring, references, copies, requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kernels.patches import RACES
from tests.seeded.record import Seeded, seeded_for_tests

_zcrx = partial(seeded_for_tests, "zcrx")
_RING = "test_refill_ring.py::"
_HELD = "test_references.py::"
_EXHAUSTION = "test_exhaustion.py::"
_COPY = "test_copy_fallback.py::"
_ASKED = "test_receive_requests.py::"
_WRONG_ENTRY = (
    "an entry with padding, another area's number, or a number beyond the last buffer returns"
    " nothing, whether the driver or a flush parses it"
)
_COPIES_AGAIN = (
    "without a buffer to copy into the request fails with ENOMEM; after a flush the buffers can be"
    " used again"
)
_TOLD = "an event is reported once, and again when its notification is armed again"
_WRONG_REQUEST = "wrong requests fail with the right errno and consume nothing"

RECEIVING: Sequence[Seeded] = (
    # -- the refill ring --------------------------------------------------------------------
    _zcrx(
        "buffer_number_unchecked",
        _RING + "test_wrong_entry_is_refused[flush-buffer behind the last]",
        _RING + "test_wrong_entry_is_refused[driver-buffer behind the last]",
        in_sample=True,
        promise=_WRONG_ENTRY,
    ),
    _zcrx(
        "padding_ignored",
        _RING + "test_wrong_entry_is_refused[flush-padding]",
        _RING + "test_wrong_entry_is_refused[driver-highest bit of padding]",
        promise=_WRONG_ENTRY,
    ),
    _zcrx(
        "area_number_ignored",
        _RING + "test_wrong_entry_is_refused[flush-area 1]",
        _RING + "test_wrong_entry_is_refused[driver-area 65535]",
        promise=_WRONG_ENTRY,
    ),
    _zcrx(
        "return_without_reference",
        _RING + "test_buffer_returned_twice_counts_once[flush]",
        _RING + "test_buffers_that_are_not_ours_cannot_be_returned[driver]",
        promise="a buffer that the user does not hold cannot be returned; a buffer held once can be"
        " returned once",
    ),
    _zcrx(
        "head_from_user",
        _RING + "test_head_written_by_the_user_is_ignored",
        promise="the kernel uses its own copy of the head",
    ),
    _zcrx(
        "last_slot_skipped",
        _RING + "test_ring_wraps_around",
        promise="the indices run past the ring's end without loss",
    ),
    _zcrx(
        "last_entry_deferred",
        _RING + "test_entries_count_once_they_are_published",
        promise="entries count as soon as the tail is published",
    ),
    _zcrx(
        "bad_entry_eats_the_rest",
        _RING + "test_good_entries_among_bad_ones_are_taken",
        promise="good entries among bad ones are taken",
    ),
    _zcrx(
        "flush_stands_at_a_bad_entry",
        _RING + "test_flush_goes_on_behind_a_bad_entry",
        promise="a flush stops behind a bad entry; the next flush goes on",
    ),
    _zcrx(
        "offset_names_only_the_start",
        _RING + "test_any_byte_names_its_buffer",
        promise="any offset within a buffer names the buffer",
    ),
    _zcrx(
        "tail_without_limit",
        _RING + "test_tail_beyond_the_ring[100]",
        _RING + "test_tail_beyond_the_ring[1000]",
        _RING + "test_tail_beyond_the_ring[backwards]",
        promise="with a tail beyond the ring, or behind the head, the number of entries is limited"
        " to the ring's size",
    ),
    _zcrx(
        "refill_without_lock",
        _RING + "test_flushes_beside_the_driver",
        on_top_of=(RACES / "refill-ring.patch",),
        flavour="uml-smp",
        promise="a flush beside the driver's refill takes each entry once",
    ),
    # -- references -------------------------------------------------------------------------
    _zcrx(
        "scrub_incomplete",
        _HELD + "test_ring_closed_while_buffers_are_held",
        _HELD + "test_process_killed_while_buffers_are_held",
        promise="closing the ring, also by SIGKILL, takes held buffers back",
    ),
    _zcrx(
        "scrub_takes_queued",
        _HELD + "test_queued_data_outlives_the_ring",
        promise="packets in a socket keep their page pool until the socket is closed",
    ),
    _zcrx(
        "parts_returned_at_once",
        _HELD + "test_buffer_given_in_parts",
        promise="a buffer delivered in several parts needs as many returns",
    ),
    _zcrx(
        "pool_of_a_buffer_ignored",
        _HELD + "test_interface_down_while_buffers_are_held",
        promise="held buffers outlive socket, queue and page pool",
    ),
    _zcrx(
        "plain_read_loses",
        _HELD + "test_plain_read_of_zero_copy_data",
        promise="an ordinary recv(2) of such payload fails with EFAULT and loses nothing",
    ),
    _zcrx(
        "area_unpinned",
        _HELD + "test_area_stays_pinned",
        promise="the area stays pinned when it is unmapped: whoever gets memory next keeps what he"
        " writes there",
    ),
    # -- copies and events ------------------------------------------------------------------
    _zcrx(
        "copied_bytes_short",
        _COPY + "test_local_traffic_is_copied_and_counted",
        in_sample=True,
        promise="every copied byte is counted, and no other",
    ),
    _zcrx("copy_without_reference", _COPY + "test_no_buffer_to_copy_into", promise=_COPIES_AGAIN),
    _zcrx("copied_buffer_lost", _COPY + "test_no_buffer_to_copy_into", promise=_COPIES_AGAIN),
    _zcrx(
        "copy_from_the_start",
        _COPY + "test_local_traffic_is_copied_and_counted",
        promise="a missed split, or a packet on an ordinary queue, leaves the stream complete"
        " (fault engine)",
    ),
    _zcrx(
        "device_memory_copied_into",
        _COPY + "test_device_memory_is_not_copied_into",
        promise="device memory is never copied into",
    ),
    _zcrx(
        "event_reported_again",
        _EXHAUSTION + "test_allocation_failure_is_reported_once",
        _COPY + "test_copy_is_reported_once",
        promise=_TOLD,
    ),
    _zcrx(
        "arm_does_nothing",
        _EXHAUSTION + "test_allocation_failure_is_reported_once",
        _COPY + "test_copy_is_reported_once",
        promise=_TOLD,
    ),
    _zcrx(
        "event_nobody_wants",
        _EXHAUSTION + "test_unregistered_event_is_not_reported",
        promise="an event that was not registered is not reported",
    ),
    # -- requests ---------------------------------------------------------------------------
    _zcrx(
        "limit_overrun",
        _ASKED + "test_limit_is_kept[1000]",
        promise="a length limit is kept to the byte",
    ),
    _zcrx(
        "throttle_off",
        _ASKED + "test_requests_take_turns",
        promise="requests take turns: some twenty packets, then another socket",
    ),
    _zcrx(
        "mixed_flag_missing",
        _ASKED + "test_mixed_completions",
        promise="in a ring with completions of both sizes each payload is a large one",
    ),
    _zcrx(
        "full_ring_loses",
        _ASKED + "test_full_completion_ring",
        promise="a full completion ring ends a request or makes it wait, and loses no byte",
    ),
    _zcrx("single_shot_accepted", _ASKED + "test_wrong_requests", promise=_WRONG_REQUEST),
    _zcrx("any_protocol", _ASKED + "test_wrong_requests", promise=_WRONG_REQUEST),
    _zcrx(
        "control_argument_ignored",
        _ASKED + "test_wrong_control_calls",
        promise="wrong control calls fail with the right errno",
    ),
    _zcrx(
        "reset_not_reported",
        _ASKED + "test_reset_is_reported",
        promise="a request whose connection the peer resets ends with ECONNRESET",
    ),
)
