# SPDX-License-Identifier: GPL-2.0-only
"""Segments that the card joins without the kernel's rules for it: LRO."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import set_feature
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5870


@pytest.mark.needs(Capability.HW_GRO)
@pytest.mark.finding("lro-segment-size-missing")
def test_joined_segments_tell_their_size(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """What LRO joins has ``gso_size``, as TCP and the bridge expect (skb_warn_if_lro() in
    include/linux/skbuff.h); the kernel complains of a segment larger than the MTU."""
    set_feature(dut, "rx-gro-hw", "off", defer)
    set_feature(dut, "lro", "on", defer)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=1)
