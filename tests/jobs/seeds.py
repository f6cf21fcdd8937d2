# SPDX-License-Identifier: GPL-2.0-only
"""What the testbed was made for: each feature of the five texts it began with, and its tests.

README.md shows them with what the jobs found. ``000`` and ``004`` are two versions of zero-copy
receive, ``001`` device memory in page_pool, ``002`` provided registered buffers, ``003`` recycling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SUITE = "tests/suite/"


@dataclass(frozen=True)
class Promised:
    """One feature. ``tests``: files, or ``file::test`` without parameters, below tests/suite."""

    seed: str
    feature: str
    tests: Sequence[str]

    def covers(self, node: str) -> bool:
        """Whether the test of that node id is one of them."""
        test = node.removeprefix(SUITE).partition("[")[0]
        return node.startswith(SUITE) and (
            test in self.tests or test.partition("::")[0] in self.tests
        )


def _zcrx(feature: str, *tests: str) -> Promised:
    return Promised("000, 004", feature, [f"zcrx/test_{test}" for test in tests])


def _devmem(feature: str, *tests: str) -> Promised:
    return Promised("001", feature, [f"devmem/test_{test}" for test in tests])


def _send(feature: str, *tests: str) -> Promised:
    return Promised("002", feature, [f"send_zc/test_{test}" for test in tests])


def _recycle(feature: str, *tests: str) -> Promised:
    return Promised("003", feature, [f"page_pool/test_{test}" for test in tests])


PROMISED: Sequence[Promised] = (
    _zcrx("payload lands in the user's area and is not copied", "receive.py"),
    _zcrx("refill ring: each entry is checked, the ring is the user's, its head the kernel's",
          "refill_ring.py"),
    _zcrx("buffers that are held stay: references, pinned area", "references.py"),
    _zcrx("an area that runs out loses nothing", "exhaustion.py"),
    _zcrx("copying is the fallback, counted byte by byte", "copy_fallback.py", "misplaced.py"),
    _zcrx("requests: limits, errors, multishot, CQEs of 32 bytes", "receive_requests.py"),
    _zcrx("registration: what is wrong is refused, and changes nothing",
          "setup_errors.py", "setup_refused.py"),
    _zcrx("several queues, sockets and rings", "sharing.py"),
    _zcrx("netlink names the provider of queue and pool", "provider_info.py"),
    _zcrx("teardown in any order: scrub, interface and driver that go", "scrub.py", "teardown.py"),
    Promised("000, 004", "queue restart under traffic (queue management API)",
             ["rings/test_restart.py"]),
    _devmem("payload lands in the dmabuf, headers in kernel memory", "receive.py"),
    _devmem("tokens: each is given once and taken back once", "tokens.py"),
    _devmem("binding: netlink, privilege, queues, what it forbids", "binding.py"),
    _devmem("skbs that cannot be read: read, peek, splice, capture, BPF, forwarding",
            "unreadable.py"),
    _devmem("sending out of a dmabuf", "transmit.py"),
    _devmem("teardown with data on its way, unread or held", "teardown.py"),
    _send("an entry names a registered buffer and a place in it; bundles, pacing", "provided.py"),
    _send("who owns the entries of a partial send, and when", "provided_waiting.py"),
    _send("receiving and sending on one thread, one ring, one memory", "together.py"),
    _send("SEND_ZC of registered buffers, on every kernel", "registered.py"),
    _recycle("freed in NAPI: back to the cache, no new page",
             "recycling.py::test_dropped_packets_go_back_to_the_cache",
             "recycling.py::test_dropped_packets_need_no_new_page",
             "recycling.py::test_stream_recycles",
             "recycling.py::test_stream_needs_few_new_pages"),
    _recycle("a page stays mapped: no mapping for a packet (IOMMU)",
             "recycling.py::test_no_mapping_per_packet",
             "recycling.py::test_no_mapping_per_packet_of_a_stream",
             "xdp.py::test_reflected_frames_are_not_mapped"),
    _recycle("return by the ring, from any CPU", "recycling.py::test_stream_returns_by_the_ring",
             "recycling.py::test_return_from_each_cpu"),
    _recycle("a pool for each queue; fast path after a restart",
             "accounting.py::test_every_queue_has_its_pool",
             "recycling.py::test_fast_path_after_queue_restart"),
    _recycle("order 0 only", "recycling.py::test_order_0_only"),
    _recycle("pages with another user, a full ring, a pool whose driver has gone", "held.py"),
    _recycle("the books balance", "accounting.py"),
    _recycle("no page to be had", "low_memory.py"),
    _recycle("XDP_TX and pages that pass", "xdp.py"),
)  # fmt: skip
