# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive and send on one thread and one ring: what arrives is sent on from where it is.

The receiving area is a registered buffer as well, so no byte is copied between the two sockets.
"""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import dedicate_queue, wait_until_free
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.sendzc_echo import Echo, echo
from testbed.dut.streams import MIB

pytestmark = pytest.mark.needs(
    Capability.REGISTERED_PROVIDED_BUFFERS, Capability.ZCRX, Capability.HEADER_SPLIT
)

PORT = 5951


def check(result: Echo, total_bytes: int) -> None:
    """The same bytes at all three places, none copied as it came in, every piece given back.

    What notifications say of copies on the way out is not asked: see sendzc-usage-shared-skb.
    """
    assert result.digests[0][0] == total_bytes
    assert len(set(result.digests)) == 1
    assert result.copied_bytes in (0, None)
    assert result.outstanding == 0
    assert not result.left_in_refill_ring


def test_256_mebibytes(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """256 MiB through the device under test, in by zcrx and out by bundles."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    result = echo(dut, remote, where, total_bytes=256 * MIB, timeout_s=1800)
    check(result, 256 * MIB)
    assert 0 < result.bundles < result.entries
    wait_until_free(dut)


def test_small_budget(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Little may wait for its notification: receiving pauses and goes on, again and again."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    check(echo(dut, remote, where, total_bytes=8 * MIB, budget_bytes=64 << 10), 8 * MIB)
    wait_until_free(dut)


def test_single_bytes_and_odd_ends(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A stream whose length is no multiple of anything."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    check(echo(dut, remote, where, total_bytes=3 * MIB + 1), 3 * MIB + 1)
    wait_until_free(dut)
