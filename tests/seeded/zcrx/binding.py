# SPDX-License-Identifier: GPL-2.0-only
"""What catches the bugs of binding a queue: sharing, set-up, netlink, the queue API, teardown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import Seeded, seeded_for_tests

_zcrx = partial(seeded_for_tests, "zcrx")
_SETUP = "test_setup_errors.py::"
_TAKEN = "test_setup_refused.py::"
_SHARED = "test_sharing.py::"
_NETLINK = "test_provider_info.py::"
_LEASES = "test_leases.py::"
_FIELD = _SETUP + "test_wrong_registration_is_refused"
_WRONG_FIELD = "each wrong field gives its errno and changes nothing (39 cases)"
_LETS_GO = (
    "interface down or driver unbound, before the release or during use: the provider lets go"
)
_AS_THE_QUEUE = (
    "who binds a queue by its lease to another device receives as by the queue, without a copy"
)
_LEASE_ENDS = (
    "the lease of a queue ends, bound or not, with the device and with the NIC: the provider goes"
)
_LAST_USER = "an imported queue receives; a queue lives until its last user"
_REPORTED = "queue and pool report the provider and its buffers' length"
_ACCOUNTED = "the area is accounted for as long as it exists"

BINDING: Sequence[Seeded] = (
    # -- sharing ----------------------------------------------------------------------------
    _zcrx(
        "data_of_another_queue",
        _SHARED + "test_data_of_another_queue_is_refused",
        promise="several queues on one ring; payload of another queue gives EFAULT and is not lost",
    ),
    _zcrx(
        "import_without_reference",
        _SHARED + "test_queue_lives_until_its_last_user",
        promise=_LAST_USER,
    ),
    _zcrx(
        "export_without_reference",
        _SHARED + "test_exported_file_alone_keeps_the_queue",
        promise=_LAST_USER,
    ),
    # -- set-up -----------------------------------------------------------------------------
    _zcrx("area_alignment_unchecked", _FIELD + "[area]", promise=_WRONG_FIELD),
    _zcrx("odd_buffer_length", _FIELD + "[buffer]", promise=_WRONG_FIELD),
    _zcrx("buffers_beyond_segments", _FIELD + "[buffer]", promise=_WRONG_FIELD),
    _zcrx(
        "small_completions_accepted",
        _SETUP + "test_ring_has_to_be_fit[16-byte completions]",
        promise="the ring needs its flags",
    ),
    _zcrx(
        "clamp_ignored",
        _SETUP + "test_ring_size_is_rounded_and_clamped",
        promise="the refill ring's size is rounded and clamped",
    ),
    _zcrx(
        "old_content_left",
        _SETUP + "test_old_content_of_the_region_is_cleared",
        promise="old content of the region is cleared",
    ),
    _zcrx(
        "area_not_accounted",
        _TAKEN + "test_area_beyond_the_memory_limit",
        promise=_ACCOUNTED,
    ),
    _zcrx("account_left", _TAKEN + "test_area_beyond_the_memory_limit", promise=_ACCOUNTED),
    _zcrx(
        "queue_taken_twice",
        _TAKEN + "test_queue_that_is_bound",
        promise="a queue that is bound is refused",
    ),
    _zcrx(
        "split_not_required",
        _TAKEN + "test_queue_without_header_split",
        promise="a queue without header split is refused",
    ),
    _zcrx(
        "anyone_may_bind",
        _TAKEN + "test_binding_takes_a_privilege",
        promise="binding requires a privilege",
    ),
    # -- netlink ----------------------------------------------------------------------------
    _zcrx(
        "provider_not_named",
        _NETLINK + "test_queue_and_pool_name_their_provider",
        promise=_REPORTED,
    ),
    _zcrx(
        "provider_length_wrong",
        _NETLINK + "test_queue_and_pool_name_their_provider",
        promise=_REPORTED,
    ),
    _zcrx(
        "inflight_drift",
        _NETLINK + "test_inflight_counts_what_is_out",
        promise="the in-flight count equals the buffers that are out, however long traffic runs:"
        " with those in the free list it is the area",
    ),
    _zcrx(
        "channels_taken_away",
        _NETLINK + "test_bound_queue_forbids[fewer channels]",
        promise="settings that a bound queue depends on cannot be changed",
    ),
    # -- queue API --------------------------------------------------------------------------
    _zcrx(
        "range_unchecked",
        _FIELD + "[queue]",
        promise="a queue number beyond the last is refused",
    ),
    _zcrx(
        "failed_binding_left",
        "test_scrub.py::test_not_bound_while_down",
        promise="a binding that fails leaves the queue unbound",
    ),
    _zcrx(
        "provider_left_at_close",
        _NETLINK + "test_provider_disappears",
        promise="a queue is without a provider after its ring is closed",
    ),
    _zcrx(
        "old_memory_left",
        _NETLINK + "test_provider_disappears",
        promise="a restarted queue frees its old rings and buffers",
    ),
    # -- leases -----------------------------------------------------------------------------
    _zcrx(
        "lease_of_another_queue",
        _LEASES + "test_nothing_is_copied_over_a_leased_queue",
        promise=_AS_THE_QUEUE,
    ),
    _zcrx(
        "lease_bound_by_owner",
        _LEASES + "test_leased_queue_is_not_bound_by_its_own_name",
        promise="a queue that is leased is bound by its lease only",
    ),
    _zcrx(
        "lease_ends_bound",
        _LEASES + "test_queue_that_is_taken_back_is_as_before",
        promise=_LEASE_ENDS,
    ),
    # -- teardown ---------------------------------------------------------------------------
    _zcrx(
        "netdev_kept_at_uninstall",
        "test_teardown.py::test_driver_removed_while_bound",
        promise=_LETS_GO,
    ),
)
