# SPDX-License-Identifier: GPL-2.0-only
"""Promises of docs/suite-zcrx.md that no seeded bug breaks, and why."""

from __future__ import annotations

from collections.abc import Mapping

_FINDING = "the kernel breaks it already: a finding"
_GENERIC = "kept by io_uring for every request, by nothing of zcrx"
_OWN = "each has what is its own, nothing a small patch could mix up"

UNBROKEN: Mapping[str, str] = {
    "two threads that return buffers, with and without a lock, do not make the kernel lose a"
    " buffer": "both write in user space; what the kernel owes them are the promises beside it",
    "other queues are not affected": _OWN,
    "a packet lost on the wire arrives by retransmission, although the packets behind it hold every"
    " buffer: **finding** zcrx-area-out-of-order, QEMU": _FINDING,
    "a ping to a bound queue, split behind the IP header, does no harm: **finding**"
    " unreadable-checksum (`test_unreadable.py`)": _FINDING,
    "several sockets share one queue, each gets its own bytes": _OWN,
    "a request can be cancelled, and the next goes on where it was": _GENERIC,
    "an interface with an XDP program is refused": (
        "not to be seen with bnxt_en: it has no XDP program beside header split, so that the check"
        " for the split refuses first; a kernel without the check for XDP passed"
    ),
    "accesses to user memory and allocations may fail, up to the restart of the queue (uml-san)": (
        "none made yet: it would show on uml-san only, as a leak or a crash"
    ),
}
