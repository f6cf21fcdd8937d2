# SPDX-License-Identifier: GPL-2.0-only
"""A card that splits headers wrongly, or uses the wrong queue, now and then: the fault engine's.

What is not in the area is copied into it, and the stream stays whole. Copies of fragments count.
Payload behind the header of a packet, in its linear part, does not (``io_zcrx_recv_skb()``), unless
GRO has made it a fragment of the packet before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from testbed.dut.defer import Defer
from testbed.dut.faults import Faults
from testbed.dut.nic import aggregate_nothing
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, BoundQueue, bound_queue

pytestmark = pytest.mark.needs(
    Capability.ZCRX, Capability.ZCRX_EVENTS, Capability.HEADER_SPLIT, Capability.FAULTS
)

PORT = 5131
AREA_BYTES = 8 * BUFFERS * BUFFER_BYTES  # copies take buffers that the driver has never had
TOTAL_BYTES = 60 * BUFFER_BYTES
LONG = {"placement": 2, "length": {"gt": 1000}}
EVERY = 5
HEADER_BUFFER_BYTES = 256  # of bnxt_en: the threshold of copying


def receive_misplaced(bound: BoundQueue, faults: Faults, fault: Mapping[str, Any]) -> int:
    """A verified stream during which ``fault`` strikes each EVERY-th packet; bytes copied."""
    bound.transfer(TOTAL_BYTES)
    assert bound.zcrx.state().copy_bytes == 0
    with faults.inject({**fault, "times": 0}):
        bound.transfer(TOTAL_BYTES)
    copied = bound.zcrx.state().copy_bytes
    assert copied is not None
    bound.transfer(TOTAL_BYTES)
    assert bound.zcrx.state().copy_bytes == copied
    return copied


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"first": {"add": 100}}, id="100 bytes late"),
        pytest.param({"first": 256, "placement": 1}, id="not done"),
    ],
)
def test_split_missed(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults, fields: dict[str, Any]
) -> None:
    """Payload in the header buffer is copied, the rest of the packet is not."""
    misplaced = TOTAL_BYTES // BUFFER_BYTES // EVERY + 1  # packets
    fault = {
        "where": "rx.place",
        "when": {"match": LONG, "every": EVERY},
        "what": {"action": "set", "fields": fields},
    }
    aggregate_nothing(dut, defer)  # aggregated packets are placed otherwise
    with bound_queue(dut, remote, defer, PORT, area=AREA_BYTES) as bound:
        assert receive_misplaced(bound, faults, fault) < misplaced * HEADER_BUFFER_BYTES


def test_packets_on_an_ordinary_queue(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """Of one stream some packets take another queue: those are copied, and counted."""
    with bound_queue(dut, remote, defer, PORT, area=AREA_BYTES) as bound:
        fault = {
            "where": "rx.steer",
            "when": {"match": {"dport": PORT}, "every": EVERY},
            "what": {"action": "set", "fields": {"queue": bound.queue - 1}},
        }
        assert 0 < receive_misplaced(bound, faults, fault) < TOTAL_BYTES
