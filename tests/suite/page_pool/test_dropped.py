# SPDX-License-Identifier: GPL-2.0-only
"""Packets that the driver drops because of what the card says of them: their pages go back."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.faults import Faults
from testbed.dut.nic import set_copybreak, set_feature, split_headers, wait_until_free
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5845
COPYBREAK = 256
VLAN, UNKNOWN_TPID = 1, 0x1234_0005
ORDINARY = {"type": "RX_L2", "agg_bufs": {"ge": 1}}, "rx_cmp_meta_data"
AGGREGATED = {"type": "RX_TPA_START"}, "rx_tpa_start_cmp_metadata"


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.parametrize(
    ("match", "word", "gro"),
    [
        pytest.param(*ORDINARY, "off", id="ordinary"),
        pytest.param(
            *AGGREGATED, "on", id="aggregated",
            marks=pytest.mark.finding("tpa-vlan-drop-leaked"),
        ),
    ],
)  # fmt: skip
def test_vlan_tag_of_no_known_kind(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults,
    match: dict[str, Any], word: str, gro: str,
) -> None:  # fmt: skip
    """A tag that was taken off, of a TPID that is none: the packet is dropped, its pages are free.

    The header is copied (rx-copybreak), so that only the payload is in pages of the pool.
    """
    split_headers(dut, defer)
    set_copybreak(dut, COPYBREAK)
    defer(set_copybreak, dut, 0)
    set_feature(dut, "rx-gro-hw", gro, defer)
    tag = {
        "where": "cqe.write",
        "when": {"match": match, "nth": 5},
        "what": {"action": "set", "fields": {"meta_format": VLAN, word: UNKNOWN_TPID}},
        "times": 3,
    }
    with faults.inject(tag):
        check_stream(dut, remote, port=PORT, total_bytes=MIB)
    cycle_link(dut)
    wait_until_free(dut)
