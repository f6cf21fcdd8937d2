# SPDX-License-Identifier: GPL-2.0-only
"""Which test of tests/suite/send_zc catches which bug; all are changes of our own series."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kernels.patches import OURS
from tests.seeded.record import Seeded, seeded_for_tests

_send_zc = partial(seeded_for_tests, "send_zc", on_top_of=(OURS / "provided-registered-buffers",))
_TAKEN = "test_provided.py::"
_WAITING = "test_provided_waiting.py::"

SEND_ZC: Sequence[Seeded] = (
    # -- which memory -----------------------------------------------------------------------
    _send_zc("index_cut_to_16_bits", _TAKEN + "test_index_without_a_buffer[65536]", in_sample=True),
    _send_zc(
        "offset_brought_inside",
        _TAKEN + "test_offset_beyond_the_buffer[single-beyond the end]",
        _TAKEN + "test_offset_beyond_the_buffer[single-across the end]",
        _TAKEN + "test_offset_beyond_the_buffer[bundle-far beyond]",
    ),
    _send_zc("bundle_of_two_buffers", _TAKEN + "test_bundle_is_of_one_registered_buffer"),
    _send_zc(
        "increment_in_index",
        _TAKEN + "test_incremental_consumption",
        _TAKEN + "test_incremental_bundle",
    ),
    # -- how much, and what is said of it ---------------------------------------------------
    _send_zc(
        "length_ignored",
        _TAKEN + "test_length_cuts_an_entry",
        _TAKEN + "test_bundle_is_paced_by_length",
        _TAKEN + "test_bundle_begins_with_a_cut_entry",
    ),
    _send_zc("bundle_without_limit", _TAKEN + "test_bundle_has_a_limit"),
    _send_zc(
        "first_buffer_not_named",
        _TAKEN + "test_one_entry[0-4096]",
        _TAKEN + "test_bundle",
        _WAITING + "test_peer_goes_in_the_middle",
    ),
    # -- when ---------------------------------------------------------------------------------
    _send_zc(
        "no_notification_of_its_own",
        _WAITING + "test_notification_is_for_the_whole_bundle",
        _TAKEN + "test_bundle",
        "test_registered.py::test_notification_waits_for_the_receiver",
        "test_registered.py::test_usage_report",
    ),
    _send_zc(
        "consumed_before_sent",
        _WAITING + "test_nothing_sent_is_nothing_consumed",
        _WAITING + "test_no_wait",
        _WAITING + "test_peer_is_gone",
    ),
    _send_zc("buffer_held_while_waiting", _WAITING + "test_waiting_send_holds_no_buffer"),
    _send_zc(
        "part_is_the_end",
        _WAITING + "test_partial_send_keeps_its_entries",
        _WAITING + "test_partial_single_send_goes_on",
        in_sample=True,
    ),
    _send_zc("entries_left_unlocked", _WAITING + "test_worker_takes_entries_at_once"),
)
