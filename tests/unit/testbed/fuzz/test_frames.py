# SPDX-License-Identifier: GPL-2.0-only
"""Frames to send beside a workload: some are well-formed, as scapy reads them."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from testbed.fuzz.frames import CARD_MAC, frame
from testbed.fuzz.schedule import Packet


@given(st.integers(0, 1 << 31))
def test_any_frame_is_one_of_a_schedule(seed: int) -> None:
    drawn = frame(Random(seed))
    assert Packet(after=0, data=drawn.hex()).data == drawn.hex()
    assert 14 <= len(drawn) < 2200


def test_some_frames_are_well_formed_and_for_the_card() -> None:
    random = Random(1)
    read = [Ether(frame(random)) for _ in range(200)]
    assert sum(bytes.fromhex(one.dst.replace(":", "")) == CARD_MAC for one in read) > 100
    good = 0
    for one in read:
        if IP in one:
            told, one[IP].chksum = one[IP].chksum, None
            good += IP(bytes(one[IP])).chksum == told
    assert good > 50
