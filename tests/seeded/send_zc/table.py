# SPDX-License-Identifier: GPL-2.0-only
"""Which test of tests/suite/send_zc catches which bug; all are on top of our own series."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kernels.patches import OURS
from tests.seeded.record import Seeded, seeded_for_tests

_send_zc = partial(seeded_for_tests, "send_zc", on_top_of=(OURS / "provided-registered-buffers",))
_TAKEN = "test_provided.py::"
_WAITING = "test_provided_waiting.py::"
_REGISTERED = "test_registered.py::"
_INVALID = partial(_send_zc, promise="refused with EINVAL")
_NOTHING_THERE = partial(_send_zc, promise="ENOBUFS; ENOENT; EOPNOTSUPP")
_INCREMENTAL = partial(_send_zc, promise="IOU_PBUF_RING_INC")

SEND_ZC: Sequence[Seeded] = (
    # -- which memory -----------------------------------------------------------------------
    _send_zc(
        "index_cut_to_16_bits",
        _TAKEN + "test_index_without_a_buffer[65536]",
        in_sample=True,
        promise="refused with EFAULT",
    ),
    _send_zc(
        "offset_brought_inside",
        _TAKEN + "test_offset_beyond_the_buffer[single-beyond the end]",
        _TAKEN + "test_offset_beyond_the_buffer[single-across the end]",
        _TAKEN + "test_offset_beyond_the_buffer[bundle-far beyond]",
        promise="refused with EFAULT",
    ),
    _send_zc(
        "bundle_of_two_buffers",
        _TAKEN + "test_bundle_is_of_one_registered_buffer",
        promise="registered buffers in a bundle",
    ),
    _send_zc("rest_of_bundle_from_the_start", _TAKEN + "test_bundle", promise="bundle"),
    _INCREMENTAL(
        "increment_in_index",
        _TAKEN + "test_incremental_consumption",
        _TAKEN + "test_incremental_bundle",
    ),
    _INCREMENTAL(
        "incremental_entry_used_up",
        _TAKEN + "test_incremental_consumption",
        _TAKEN + "test_incremental_bundle",
    ),
    _INCREMENTAL(
        "more_not_told",
        _TAKEN + "test_incremental_consumption",
        _TAKEN + "test_incremental_bundle",
    ),
    # -- what is refused ----------------------------------------------------------------------
    _INVALID("plain_memory_taken", _TAKEN + "test_refused[not registered]"),
    _INVALID("vectorized_taken", _TAKEN + "test_refused[vectorized]"),
    _INVALID("bundle_without_group", _TAKEN + "test_refused[bundle without a group]"),
    _INVALID("old_buffers_taken", _TAKEN + "test_refused[buffers without a ring]"),
    _NOTHING_THERE("no_group_no_buffer", _TAKEN + "test_refused[no such group]"),
    _NOTHING_THERE("empty_entry_taken", _TAKEN + "test_refused[entry of no bytes]"),
    _NOTHING_THERE("sendmsg_takes_provided", _TAKEN + "test_sendmsg_takes_no_entries"),
    # -- how much, and what is said of it ---------------------------------------------------
    _send_zc(
        "all_entries_without_bundle",
        _TAKEN + "test_only_one_entry_without_bundle",
        promise="without IORING_RECVSEND_BUNDLE",
    ),
    _send_zc(
        "length_ignored",
        _TAKEN + "test_length_cuts_an_entry",
        _TAKEN + "test_bundle_is_paced_by_length",
        _TAKEN + "test_bundle_begins_with_a_cut_entry",
        promise="`sqe->len`",
    ),
    _send_zc("bundle_without_limit", _TAKEN + "test_bundle_has_a_limit", promise="bundle"),
    _send_zc(
        "first_buffer_not_named",
        _TAKEN + "test_one_entry[0-4096]",
        _TAKEN + "test_bundle",
        _WAITING + "test_peer_goes_in_the_middle",
        promise="result",
    ),
    _send_zc(
        "result_of_the_last_part",
        _REGISTERED + "test_full_send_goes_on",
        _WAITING + "test_partial_single_send_goes_on",
        promise="a send that waits in the middle reports all that it has sent",
    ),
    # -- when ---------------------------------------------------------------------------------
    _send_zc(
        "no_notification_of_its_own",
        _WAITING + "test_notification_is_for_the_whole_bundle",
        _TAKEN + "test_bundle",
        _REGISTERED + "test_notification_waits_for_the_receiver",
        _REGISTERED + "test_usage_report",
        promise="notification",
    ),
    _send_zc(
        "failure_without_notification",
        _REGISTERED + "test_refused[beyond the end]",
        _REGISTERED + "test_refused[no such slot]",
        promise="a send has two completions, its result and its notification, and so has one "
        "that failed",
    ),
    _send_zc(
        "copying_not_told",
        _REGISTERED + "test_usage_report_of_local_traffic",
        promise="the usage report says whether the kernel copied",
    ),
    _send_zc(
        "buffer_not_held",
        _WAITING + "test_emptied_slot_is_held[single]",
        promise="a registered buffer is held until the notification",
    ),
    _send_zc(
        "consumed_before_sent",
        _WAITING + "test_nothing_sent_is_nothing_consumed",
        _WAITING + "test_no_wait",
        _WAITING + "test_peer_is_gone",
        promise="nothing can be sent",
    ),
    _send_zc(
        "buffer_held_while_waiting",
        _WAITING + "test_waiting_send_holds_no_buffer",
        promise="nothing can be sent",
    ),
    _send_zc(
        "part_is_the_end",
        _WAITING + "test_partial_send_keeps_its_entries",
        _WAITING + "test_partial_single_send_goes_on",
        in_sample=True,
        promise="a part was sent",
    ),
    _send_zc(
        "entries_left_unlocked",
        _WAITING + "test_worker_takes_entries_at_once",
        promise="IOSQE_ASYNC",
    ),
)
