# SPDX-License-Identifier: GPL-2.0-only
"""The example card as a process, driven by our own client; also where devmodel/bnxt is deleted."""

from __future__ import annotations

import os
import select
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from docs.examples import ring_nic as n
from tests.protocol.client import CONFIG
from tests.protocol.test_process import ROOT, Card

ARGUMENTS = ("--card", "docs.examples.ring_nic:make_card")
MEMORY_BYTES = 1 << 20
IOVA = 0x10_0000
RINGS = {n.TX: 0, n.RX: 0x1000}
"""Where in guest memory each ring is; buffers follow."""
BUFFERS = 0x2000
ENTRIES = 8
FRAME = bytes(range(200))


class Driver:
    """A driver of the card, as small as it can be."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.memory = os.memfd_create("guest")
        os.ftruncate(self.memory, MEMORY_BYTES)
        client = card.client
        client.version()
        assert client.dma_map(IOVA, MEMORY_BYTES, self.memory).error == 0
        client.write_int(CONFIG, 4, 0x6, 2)
        self.interrupts = [os.eventfd(0) for _ in range(2)]
        client.set_irqs(0x24, 2, 0, 2, self.interrupts)
        client.write_int(CONFIG, n.MSIX_OFFSET + 2, 0x8000, 2)
        for ring, offset in RINGS.items():
            client.write(0, ring + n.BASE, (IOVA + offset).to_bytes(8, "little"))
            client.write_int(0, ring + n.ENTRIES, ENTRIES)

    def close(self) -> None:
        for fd in (self.memory, *self.interrupts):
            os.close(fd)

    def post(self, ring: int, buffers: Sequence[tuple[int, int]]) -> None:
        """Fill the first descriptors with (offset, bytes) of buffers, and ring the doorbell."""
        for i, (offset, size) in enumerate(buffers):
            data = n.DESCRIPTOR.pack(size << 16, 100 + i, IOVA + offset)
            os.pwrite(self.memory, data, RINGS[ring] + i * n.DESCRIPTOR.size)
        self.card.client.write_int(0, ring + n.PRODUCER, len(buffers))

    def post_receive_buffers(self, count: int) -> None:
        self.post(n.RX, [(BUFFERS + i * n.BUFFER_BYTES, n.BUFFER_BYTES) for i in range(count)])

    def interrupted(self, vector: int) -> bool:
        """Wait for the interrupt."""
        fd = self.interrupts[vector]
        return bool(select.select([fd], [], [], 10)[0]) and os.eventfd_read(fd) > 0

    def descriptor(self, ring: int, index: int) -> tuple[int, int, int]:
        """(bytes, flags, cookie)."""
        at = RINGS[ring] + index * n.DESCRIPTOR.size
        word, cookie, _ = n.DESCRIPTOR.unpack(os.pread(self.memory, n.DESCRIPTOR.size, at))
        return word >> 16, word & 0xFFFF, cookie

    def consumer(self, ring: int) -> int:
        return self.card.client.read_int(0, ring + n.CONSUMER)

    def arrive(self, frame: bytes) -> None:
        """A frame on the wire."""
        self.card.wire.sendall(struct.pack(">I", len(frame)) + frame)

    def departed(self) -> bytes:
        """The next frame the card sends."""
        wire = self.card.wire
        wire.settimeout(10)
        (size,) = struct.unpack(">I", wire.recv(4))
        return wire.recv(size)

    def violations(self) -> dict[str, Any]:
        """By rule, the first record of it."""
        kept = self.card.ask("state")["result"]["violations"]["kept"]
        return {record["rule"]: record for record in reversed(kept)}


@pytest.fixture(scope="module", params=["the whole tree", "bnxt deleted"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the card's process is started."""
    if request.param == "the whole tree":
        return ROOT
    copy = tmp_path_factory.mktemp("tree")
    for folder in ("devmodel", "docs/examples"):
        ignored = shutil.ignore_patterns("bnxt", "__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    assert not (copy / "devmodel" / "bnxt").exists()
    return copy


@pytest.fixture
def driver(tree: Path, tmp_path: Path) -> Iterator[Driver]:
    card = Card(tmp_path, arguments=ARGUMENTS, tree=tree)
    driver = Driver(card)
    yield driver
    driver.close()
    card.close()


def test_a_frame_is_sent(driver: Driver) -> None:
    os.pwrite(driver.memory, FRAME, BUFFERS)
    driver.post(n.TX, [(BUFFERS, len(FRAME)), (BUFFERS + 10, 60)])
    assert driver.departed() == FRAME
    assert driver.departed() == FRAME[10:70]
    assert driver.interrupted(0)
    assert driver.consumer(n.TX) == 2
    assert driver.descriptor(n.TX, 1) == (60, n.DONE, 101)
    assert driver.violations() == {}


def test_a_frame_is_received(driver: Driver) -> None:
    driver.post_receive_buffers(2)
    driver.arrive(FRAME)
    assert driver.interrupted(1)
    assert os.pread(driver.memory, len(FRAME), BUFFERS) == FRAME
    assert driver.descriptor(n.RX, 0) == (len(FRAME), n.DONE, 100)
    assert driver.consumer(n.RX) == 1
    state = driver.card.ask("state")["result"]
    assert state["card"]["oracle"] == {
        "rings": 1, "buffers": 1, "batches": 1, "judged_bytes": n.BUFFER_BYTES,
    }  # fmt: skip
    assert state["violations"]["counts"] == {}


def test_a_frame_without_a_buffer_is_dropped_and_counted(driver: Driver) -> None:
    driver.arrive(FRAME)
    assert driver.interrupted(1)
    assert driver.card.ask("state")["result"]["counters"] == {"rx_drop": 1}


def test_a_frame_longer_than_a_buffer_is_cut(driver: Driver) -> None:
    """The driver's descriptor may name more than its buffer has: that is not the card's breach."""
    driver.post(n.RX, [(BUFFERS, 2 * n.BUFFER_BYTES)])
    driver.arrive(FRAME * (2 * n.BUFFER_BYTES // len(FRAME)))
    assert driver.interrupted(1)
    assert driver.descriptor(n.RX, 0)[0] == n.BUFFER_BYTES
    assert driver.violations().keys() == {"buffer_length"}


def test_a_reset_by_a_plan_is_not_the_drivers(driver: Driver) -> None:
    what = {"action": "card", "do": "flr"}
    plan = {"version": 1, "fault": [{"id": "flr", "where": "frame.receive", "what": what}]}
    driver.card.ask("faults_arm", plan=plan)
    driver.post_receive_buffers(2)
    driver.arrive(FRAME)
    for _ in range(1000):
        if not driver.card.ask("state")["result"]["card"]["rings"]:
            break
    assert driver.card.ask("state")["result"]["card"]["rings"] == 0
    assert driver.violations() == {}


def test_a_driver_stops_a_ring(driver: Driver) -> None:
    driver.post_receive_buffers(2)
    assert driver.card.ask("state")["result"]["card"]["rings"] == 2
    driver.card.client.write_int(0, n.RX + n.ENTRIES, 0)
    assert driver.card.ask("state")["result"]["card"]["rings"] == 1
    assert driver.violations() == {}


def test_a_fault_at_its_own_point(driver: Driver) -> None:
    what = {"action": "set", "fields": {"length": 10}}
    plan = {"version": 1, "fault": [{"id": "short", "where": "frame.receive", "what": what}]}
    driver.card.ask("faults_arm", plan=plan)
    driver.post_receive_buffers(2)
    driver.arrive(FRAME)
    assert driver.interrupted(1)
    assert driver.descriptor(n.RX, 0) == (10, n.DONE, 100)
    (fault,) = driver.card.ask("faults_status")["result"]["faults"]
    assert (fault["id"], fault["fired"]) == ("short", 1)


def test_a_plan_for_another_card_is_refused(driver: Driver) -> None:
    fault = {"id": "a", "where": "hwrm.request", "what": {"action": "drop"}}
    error = driver.card.ask("faults_arm", plan={"version": 1, "fault": [fault]})["error"]
    assert "allowed: now, dma.read, dma.write, irq.raise, config.read, frame" in error["message"]


def test_its_own_oracle_rule(driver: Driver) -> None:
    driver.post(n.TX, [(BUFFERS, n.MTU_BYTES + 1)])
    assert driver.interrupted(0)
    record = driver.violations()["transmit_length"]
    assert (record["culprit"], record["length"]) == ("driver", n.MTU_BYTES + 1)
    assert record["cause"] == n.RULES["transmit_length"].cause


def test_the_rules_of_dma_hold_for_it(driver: Driver) -> None:
    driver.post(n.RX, [(BUFFERS, n.BUFFER_BYTES)] * 2)
    driver.post(n.TX, [(MEMORY_BYTES, 60)])
    assert driver.interrupted(0)
    found = driver.violations()
    assert set(found) == {"posted_twice", "dma_unmapped"}
    assert found["posted_twice"]["also"] == "RX ring 0, index 0"


def test_what_a_driver_may_not_do_is_a_violation(driver: Driver) -> None:
    client = driver.card.client
    client.write_int(0, n.TX + n.PRODUCER, ENTRIES)
    client.write_int(0, n.REG_MAGIC, 0)
    client.write_int(0, n.RX + n.ENTRIES, 3)
    client.write_int(0, n.RX + n.PRODUCER, 1)
    assert set(driver.violations()) == {"doorbell_index", "write_to_read_only", "ring_entries"}
    assert client.read_int(0, n.REG_MAGIC) == n.MAGIC


def test_reset_forgets_the_rings(driver: Driver) -> None:
    driver.post_receive_buffers(1)
    driver.card.client.write_int(CONFIG, n.EXPRESS_OFFSET + 8, 0x8000, 2)
    state = driver.card.ask("state")["result"]
    assert state["card"]["oracle"]["rings"] == state["card"]["rings"] == 0


@pytest.mark.parametrize(
    ("name", "exit_code", "message"),
    [
        ("tulip", 3, "card is 'tulip'; allowed: bnxt, or package.module:function"),
        (":make_card", 3, "card :make_card: Empty module name"),
        ("devmodel.cards:", 3, "card devmodel.cards:: "),
        ("docs.examples.none:make_card", 3, "No module named 'docs.examples.none'"),
        ("docs.examples.ring_nic:none", 3, "has no attribute 'none'"),
        ("docs.examples.ring_nic:RingNic", 4, "takes 4 positional arguments but 5 were given"),
    ],
)
def test_a_card_that_is_not(tmp_path: Path, name: str, exit_code: int, message: str) -> None:
    card = Card(tmp_path, arguments=("--card", name))
    code, err = card.end()
    card.close()
    assert code == exit_code
    assert message in err
