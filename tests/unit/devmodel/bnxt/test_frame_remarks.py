# SPDX-License-Identifier: GPL-2.0-only
"""What is said of received frames: queue and reason, why it is dropped, which fault hit it."""

from __future__ import annotations

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import ARP

from tests.unit.devmodel.bnxt.rig import Rig
from tests.unit.devmodel.bnxt.test_fault_points import arm, change, placed
from tests.unit.devmodel.bnxt.test_steering import NTUPLE, steer
from tests.unit.devmodel.frames import ETHER, V4, build, tcp

STRANGER = b"\x02\0\0\0\0\x77" + tcp(10)[6:]


@pytest.fixture
def told() -> list[tuple[bytes, str]]:
    return []


@pytest.fixture
def rig(told: list[tuple[bytes, str]]) -> Rig:
    rig = placed(queues=2)
    rig.trace.about_frame = lambda frame, text: told.append((bytes(frame), text))
    return rig


def test_the_first_frame_of_a_flow_has_its_queue(rig: Rig, told: list[tuple[bytes, str]]) -> None:
    frames = [tcp(10), tcp(10, sport=7)]
    rig.receive(frames[0], tcp(20), frames[1])
    hashes = [steer(rig, frame).hash for frame in frames]
    queues = [number % 2 for number in hashes]
    assert told == [
        (frame, f"queue {queue}: RSS hash {number:#010x}")
        for frame, queue, number in zip(frames, queues, hashes, strict=True)
    ]


def test_what_chose_the_queue_is_named() -> None:
    rig = placed(queues=4)
    rig.resources.ntuple_filters[NTUPLE.id] = NTUPLE
    found = steer(rig, build(ETHER, V4, TCP(dport=5000)))
    assert found.why == f"ntuple filter {NTUPLE.id}, bucket 3"
    arp = steer(rig, build(ETHER, ARP()))
    assert arp.why == "the default ring"


def test_a_drop_has_its_reason(rig: Rig, told: list[tuple[bytes, str]]) -> None:
    assert rig.receive(STRANGER) == []
    assert told == [(STRANGER, "dropped: no_l2_match")]


@pytest.mark.parametrize("point", ["rx.frame", "rx.steer"])
def test_a_fault_is_named(rig: Rig, told: list[tuple[bytes, str]], point: str) -> None:
    arm(rig.dma.faults, point, {"action": "drop"})
    assert rig.receive(tcp(10)) == []
    assert told == [(tcp(10), "fault a: drop")]


def test_a_changed_frame_is_told_as_it_came(rig: Rig, told: list[tuple[bytes, str]]) -> None:
    arm(rig.dma.faults, "rx.frame", change(length=60))
    rig.receive(tcp(100))
    assert told[0] == (tcp(100), "fault a: set")


def test_nobody_listens(rig: Rig) -> None:
    rig.trace.about_frame = None
    arm(rig.dma.faults, "rx.frame", change(length=60))
    assert len(rig.receive(tcp(100), tcp(10))) == 2
