# SPDX-License-Identifier: GPL-2.0-only
"""Mutations of device memory TCP."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kernel_mutations.mutation import Mutation


def _mutation(name: str, *caught_by: str, in_sample: bool = False) -> Mutation:
    return Mutation(feature="devmem", name=name, caught_by=caught_by, in_sample=in_sample)


DEVMEM: Sequence[Mutation] = (
    # -- receive ----------------------------------------------------------------------------
    _mutation(
        "offset_within_chunk",
        "test_receive.py::test_stream_lands_in_the_dmabuf[scattered-IPv4]",
    ),
    _mutation("read_without_the_flag", "test_unreadable.py::test_ordinary_read_is_refused[read]"),
    _mutation("capture_of_payload", "test_unreadable.py::test_capture_has_headers_only"),
    _mutation("sent_by_any_device", "test_unreadable.py::test_forwarding[in device memory]"),
    # -- tokens -----------------------------------------------------------------------------
    _mutation("token_good_twice", "test_tokens.py::test_each_is_taken_once", in_sample=True),
    _mutation("tokens_without_limit", "test_tokens.py::test_too_many_tokens_in_a_call"),
    _mutation("fragments_without_limit", "test_tokens.py::test_too_many_fragments_in_a_call"),
    _mutation("tokens_left_at_close", "test_tokens.py::test_tokens_held_at_close"),
    # -- binding ----------------------------------------------------------------------------
    _mutation("split_not_required", "test_binding.py::test_queue_without_split[threshold]"),
    _mutation("queue_taken_over", "test_binding.py::test_queue_taken"),
    _mutation("some_queues_bound", "test_binding.py::test_all_queues_or_none"),
    _mutation("binding_not_told", "test_binding.py::test_netlink_tells_of_the_binding"),
    _mutation("dmabuf_kept", "test_binding.py::test_binding_holds_its_dmabuf"),
    # -- transmit ---------------------------------------------------------------------------
    _mutation("other_way_out", "test_transmit.py::test_other_way_out"),
    _mutation("end_not_checked", "test_transmit.py::test_outside_of_the_dmabuf"),
    _mutation("sent_from_the_page", "test_transmit.py::test_offsets_and_pieces"),
)
