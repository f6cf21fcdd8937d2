# SPDX-License-Identifier: GPL-2.0-only
"""How long the card's process takes to answer, without a guest. Run by hand or by ``bench model``:

    python -P -m tests.bench.latency [--json] [--rounds N]

A client of ours speaks vfio-user with a real card process, as QEMU would: a register is read, a
firmware request is sent (four register writes, each acknowledged, and the answer in memory), a
frame is sent from doorbell to interrupt (eventfd), and one is received from the wire to the
interrupt. Prints least, median and 99th percentile in microseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from devmodel.bnxt.identity import Identity
from tests.protocol import polled_driver as polled
from tests.protocol.client import CONFIG, EVENTFD, MSIX, TRIGGER
from tests.protocol.polled_driver import IOVA, NONE, Fields, PolledDriver
from tests.protocol.test_process import Card

ROUNDS = 1000
MEMORY_BYTES = 1 << 20
MAC, PEER = Identity().mac, bytes.fromhex("020000000002")
CQ_ARM_ALL, MODE_MSIX = 6, 2
MESSAGE_CONTROL, ENABLED = 0xA2, 0x8000
LENGTH = struct.Struct(">I")
WAIT_S = 10.0


@dataclass
class InterruptedDriver(PolledDriver):
    """The same with an interrupt: vector 0, an eventfd."""

    eventfd: int = -1
    notified: int = 0

    def _ring(self, name: str, kind: int, entries: int, fields: Fields) -> None:
        if kind == polled.NQ_RING:
            fields = {**fields, 44: ("H", 0)}
        super()._ring(name, kind, entries, {**fields, 76: ("B", MODE_MSIX)})

    def arm(self) -> None:
        """The next completion interrupts."""
        self.ring_doorbell(polled.NQ_ARM, "nq", self.notified % polled.NQ_ENTRIES)
        self.ring_doorbell(CQ_ARM_ALL, "cq", self.consumed % polled.CQ_ENTRIES)

    def interrupted(self) -> None:
        """Wait for it."""
        ready, _, _ = select.select([self.eventfd], [], [], WAIT_S)
        assert ready, "no interrupt"
        os.eventfd_read(self.eventfd)
        self.notified += 1


@contextmanager
def driven() -> Iterator[tuple[Card, InterruptedDriver]]:
    """A card's process, and the driver that has it up."""
    with tempfile.TemporaryDirectory() as folder:
        card = Card(Path(folder))
        memory_fd, eventfd = os.memfd_create("host"), os.eventfd(0, os.EFD_NONBLOCK)
        try:
            os.ftruncate(memory_fd, MEMORY_BYTES)
            card.client.version()
            card.client.dma_map(IOVA, MEMORY_BYTES, memory_fd)
            card.client.write_int(CONFIG, 4, 0x6, 2)
            card.client.write_int(CONFIG, MESSAGE_CONTROL, ENABLED, 2)
            card.client.set_irqs(EVENTFD | TRIGGER, MSIX, 0, 1, [eventfd])
            driver = InterruptedDriver(card.client, memory_fd, eventfd=eventfd)
            driver.up_chip()
            driver.up_nic(MAC)
            yield card, driver
        finally:
            card.close()
            os.close(memory_fd)
            os.close(eventfd)


def timed(rounds: int, work: Callable[[], object], after: Callable[[], object]) -> list[float]:
    """Microseconds of each ``work``; what comes ``after`` it does not count."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1e6)
        after()
    return found


def read_exactly(sock: socket.socket, length: int) -> bytes:
    """From a stream."""
    data = b""
    while len(data) < length:
        data += sock.recv(length - len(data))
    return data


@dataclass
class Traffic:
    """One frame each way, and what a driver does with it afterwards."""

    card: Card
    driver: InterruptedDriver
    to_wire: bytes = (PEER + MAC + b"\x88\xb5").ljust(60, b"\xa5")
    from_wire: bytes = (MAC + PEER + b"\x88\xb5").ljust(60, b"\xa5")

    def send(self) -> None:
        """From descriptor and doorbell to the interrupt."""
        driver = self.driver
        slot = driver.produced % polled.TX_ENTRIES
        flags = 1 << 6 | 1 << 8 | 1 << 15 | len(self.to_wire) << 16
        entry = struct.pack("<IIQ", flags, slot, IOVA + polled.TX_BUFFER_AT)
        driver.poke(polled.RINGS_AT["tx"] + slot * 16, entry)
        driver.produced += 1
        driver.ring_doorbell(polled.SQ, "tx", driver.produced % polled.TX_ENTRIES)
        driver.interrupted()

    def sent(self) -> None:
        """Take completion and frame."""
        assert self.driver._next()[0] == polled.TX_L2
        (length,) = LENGTH.unpack(read_exactly(self.card.wire, LENGTH.size))
        assert read_exactly(self.card.wire, length) == self.to_wire
        self.driver.arm()

    def receive(self) -> None:
        """From the wire to the interrupt."""
        self.card.wire.sendall(LENGTH.pack(len(self.from_wire)) + self.from_wire)
        self.driver.interrupted()

    def received(self) -> None:
        """Take completion and frame."""
        assert self.driver.receive() == self.from_wire
        self.driver.arm()


def measure(rounds: int) -> dict[str, list[float]]:
    """What is measured -> microseconds, one for each round."""
    with driven() as (card, driver):
        traffic = Traffic(card, driver)
        driver.poke(polled.TX_BUFFER_AT, traffic.to_wire)

        def request() -> None:
            driver.ask(polled.FUNC_QCFG, 24, {16: ("H", NONE)})

        found = {
            "register read": timed(rounds, lambda: card.client.read(0, 0x4000, 4), int),
            "firmware request": timed(rounds, request, int),
        }
        driver.arm()
        found["doorbell to interrupt"] = timed(rounds, traffic.send, traffic.sent)
        found["wire to interrupt"] = timed(rounds, traffic.receive, traffic.received)
        violations = card.ask("state")["result"]["violations"]["counts"]
        assert not violations, violations
    return found


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    found = {}
    for name, values in measure(arguments.rounds).items():
        last = quantiles(values, n=100)[-1]
        found[name] = {"least": min(values), "median": median(values), "p99": last}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, one in found.items():
        print(f"{name}: {one['least']:.1f} / {one['median']:.1f} / {one['p99']:.1f} us")


if __name__ == "__main__":
    main()
