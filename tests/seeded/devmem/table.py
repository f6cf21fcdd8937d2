# SPDX-License-Identifier: GPL-2.0-only
"""Which test of tests/suite/devmem catches which bug."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import Seeded, seeded_for_tests

_devmem = partial(seeded_for_tests, "devmem")

DEVMEM: Sequence[Seeded] = (
    # -- receive ----------------------------------------------------------------------------
    _devmem(
        "offset_within_chunk", "test_receive.py::test_stream_lands_in_the_dmabuf[scattered-IPv4]"
    ),
    _devmem("read_without_the_flag", "test_unreadable.py::test_ordinary_read_is_refused[read]"),
    _devmem("capture_of_payload", "test_unreadable.py::test_capture_has_headers_only"),
    _devmem("sent_by_any_device", "test_unreadable.py::test_forwarding[in device memory]"),
    # -- tokens -----------------------------------------------------------------------------
    _devmem("token_good_twice", "test_tokens.py::test_each_is_taken_once", in_sample=True),
    _devmem("tokens_without_limit", "test_tokens.py::test_too_many_tokens_in_a_call"),
    _devmem("fragments_without_limit", "test_tokens.py::test_too_many_fragments_in_a_call"),
    _devmem("tokens_left_at_close", "test_tokens.py::test_tokens_held_at_close"),
    # -- binding ----------------------------------------------------------------------------
    _devmem("split_not_required", "test_binding.py::test_queue_without_split[threshold]"),
    _devmem("queue_taken_over", "test_binding.py::test_queue_taken"),
    _devmem("some_queues_bound", "test_binding.py::test_all_queues_or_none"),
    _devmem("binding_not_reported", "test_binding.py::test_netlink_tells_of_the_binding"),
    _devmem("dmabuf_kept", "test_binding.py::test_binding_holds_its_dmabuf"),
    # -- transmit ---------------------------------------------------------------------------
    _devmem("other_way_out", "test_transmit.py::test_other_way_out"),
    _devmem("end_not_checked", "test_transmit.py::test_outside_of_the_dmabuf"),
    _devmem("sent_from_the_page", "test_transmit.py::test_offsets_and_pieces"),
)
