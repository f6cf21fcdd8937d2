# SPDX-License-Identifier: GPL-2.0-only
"""Which test of tests/suite/devmem catches which bug."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import Seeded, seeded_for_tests

_devmem = partial(seeded_for_tests, "devmem")
_RECEIVE = "test_receive.py::"
_UNREADABLE = "test_unreadable.py::"
_MIXED = "test_mixed.py::"
_BINDING = "test_binding.py::"
_TRANSMIT = "test_transmit.py::"
_NETLINK = "netlink: queue and page pool report the binding's id while the binding exists"
_TOKEN_LIMITS = "a call names at most 128 tokens and 1024 fragments"
_COLLAPSE = "a full receive queue is collapsed only where the CPU can read it"
_SETTINGS = (
    "channels, header split and threshold cannot be removed while bound; channels can be added"
)

DEVMEM: Sequence[Seeded] = (
    # -- receive ----------------------------------------------------------------------------
    _devmem(
        "offset_within_chunk",
        _RECEIVE + "test_stream_lands_in_the_dmabuf[scattered-IPv4]",
        promise="all payload arrives in the dmabuf, in order; IPv4, IPv6; also where device "
        "addresses and offsets run in opposite directions",
    ),
    _devmem(
        "fragment_cut",
        _RECEIVE + "test_peek_lends_the_same_fragments",
        promise="a fragment that was read in part goes on where the read ended",
    ),
    _devmem(
        "held_fragment_reused",
        _RECEIVE + "test_held_fragments_are_left_alone",
        promise="fragments that the user holds are not reused",
    ),
    _devmem(
        "truncated_read_lends",
        _RECEIVE + "test_truncating_reads_lend_nothing",
        promise="MSG_PEEK reports the same fragments; MSG_TRUNC reports none",
    ),
    # -- the CPU does not read it -------------------------------------------------------------
    _devmem(
        "read_without_the_flag",
        _UNREADABLE + "test_ordinary_read_is_refused[read]",
        promise="payload cannot be read: an ordinary read or peek gets EFAULT and no byte",
    ),
    _devmem("spliced", _UNREADABLE + "test_splice_moves_nothing", promise="splice() moves nothing"),
    _devmem(
        "zerocopy_receive_maps_it",
        _UNREADABLE + "test_zerocopy_receive_maps_nothing[in device memory]",
        promise="TCP_ZEROCOPY_RECEIVE maps nothing, and copies nothing",
    ),
    _devmem(
        "capture_of_payload",
        _UNREADABLE + "test_capture_has_headers_only",
        promise="tcpdump and packet sockets see headers only",
    ),
    _devmem(
        "filter_reads_payload",
        _UNREADABLE + "test_filter_in_the_kernel[in device memory]",
        promise="a BPF filter reads no payload",
    ),
    _devmem(
        "datagram_read",
        _UNREADABLE + "test_datagrams[in device memory]",
        promise="a datagram socket cannot read it either",
    ),
    _devmem(
        "sent_by_any_device",
        _UNREADABLE + "test_forwarding[in device memory]",
        promise="a packet forwarded to a device that cannot reach the dmabuf is dropped",
    ),
    _devmem(
        "both_kinds_in_one",
        _MIXED + "test_both_kinds_unread_in_one_socket[ordinary first]",
        _MIXED + "test_both_kinds_unread_in_one_socket[bound first]",
        promise="a packet of the receive queue is of one kind: what comes before and after "
        "(un)binding is not joined",
    ),
    _devmem(
        "collapse_begins_unreadable",
        _MIXED + "test_full_queue_is_not_collapsed[in device memory]",
        promise=_COLLAPSE,
    ),
    _devmem(
        "collapse_runs_into_unreadable",
        _MIXED + "test_collapse_ends_at_device_memory",
        promise=_COLLAPSE,
    ),
    _devmem(
        "page_lost_at_return",
        "test_receive.py::test_exhausted_dmabuf_recovers",
        promise="a dmabuf with every page held drops packets (rx-alloc-fail counts them) and"
        " recovers",
    ),
    # -- tokens -----------------------------------------------------------------------------
    _devmem(
        "token_good_twice",
        "test_tokens.py::test_each_is_taken_once",
        in_sample=True,
        promise="a token can be returned once",
    ),
    _devmem(
        "tokens_without_limit",
        "test_tokens.py::test_too_many_tokens_in_a_call",
        promise=_TOKEN_LIMITS,
    ),
    _devmem(
        "fragments_without_limit",
        "test_tokens.py::test_too_many_fragments_in_a_call",
        promise=_TOKEN_LIMITS,
    ),
    _devmem(
        "tokens_left_at_close",
        "test_tokens.py::test_tokens_held_at_close",
        promise="fragments held at close are given back",
    ),
    # -- binding ----------------------------------------------------------------------------
    _devmem(
        "split_not_required",
        _BINDING + "test_queue_without_split[threshold]",
        promise='refused without header split: "tcp-data-split is disabled", '
        '"hds-thresh is not zero"',
    ),
    _devmem(
        "queue_taken_over",
        _BINDING + "test_queue_taken",
        promise='a queue that is taken is refused ("designated queue already memory provider '
        'bound"), be it by zcrx, and zcrx on a queue taken by devmem',
    ),
    _devmem(
        "anyone_may_bind",
        _BINDING + "test_needs_a_privilege",
        promise="binding takes a privilege",
    ),
    _devmem(
        "some_queues_bound",
        _BINDING + "test_all_queues_or_none",
        promise="a request binds all its queues or none",
    ),
    _devmem(
        "second_queue_left_bound",
        _BINDING + "test_one_dmabuf_for_two_queues",
        promise="unbinding leaves every queue of the binding",
    ),
    _devmem(
        "channels_go_while_bound",
        _BINDING + "test_settings_it_forbids[fewer channels]",
        promise=_SETTINGS,
    ),
    _devmem(
        "split_switched_off_while_bound",
        _BINDING + "test_settings_it_forbids[split off]",
        _BINDING + "test_settings_it_forbids[threshold]",
        promise=_SETTINGS,
    ),
    _devmem(
        "binding_not_reported",
        _BINDING + "test_netlink_tells_of_the_binding",
        promise=_NETLINK,
    ),
    _devmem(
        "pool_names_no_binding",
        _BINDING + "test_netlink_tells_of_the_binding",
        promise=_NETLINK,
    ),
    _devmem(
        "dmabuf_kept",
        _BINDING + "test_binding_holds_its_dmabuf",
        promise="a binding holds one reference to the dmabuf",
    ),
    # -- transmit ---------------------------------------------------------------------------
    _devmem(
        "sent_from_the_page",
        _TRANSMIT + "test_offsets_and_pieces",
        promise="transmit: the data in the dmabuf arrives: any offset, any pieces, 2 MB in one "
        "call, mixed with ordinary data; completions report that nothing was copied",
    ),
    _devmem(
        "sent_without_the_flag",
        _TRANSMIT + "test_needs_the_flag",
        promise="EINVAL without MSG_ZEROCOPY or SO_ZEROCOPY",
    ),
    _devmem(
        "receive_binding_sends",
        _TRANSMIT + "test_wrong_ids",
        promise="EINVAL with a wrong id, be it that of a receive binding",
    ),
    _devmem(
        "end_not_checked",
        _TRANSMIT + "test_outside_of_the_dmabuf",
        promise="EFAULT outside the dmabuf",
    ),
    _devmem(
        "other_way_out",
        _TRANSMIT + "test_other_way_out",
        promise="ENODEV if the route uses another device",
    ),
    _devmem(
        "sent_without_a_checksum",
        _TRANSMIT + "test_card_without_checksum_offload",
        promise="without checksum offload nothing is sent: the kernel would have to read the "
        "payload",
    ),
)
