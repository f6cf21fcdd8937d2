# SPDX-License-Identifier: GPL-2.0-only
"""Cost of the receive path per frame, without transport and guest. Run by hand:

    python -m tests.bench.rx_path [--profile | --oracle | --trains] [--json]

One process, one TCP flow in batches as they come off a busy wire; every frame is parsed, both
checksums are verified, the packet is steered, split, placed by DMA and completed. Prints the best
of several runs, in microseconds per frame. ``--oracle`` takes turns with a card whose every DMA is
judged, and prints what that adds (docs/oracle.md). ``--trains``: the oracle is on, and the same
frames come by turns as frames, as a train, and as a train whose frames' headers are captured.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import struct
import time
import timeit
from collections.abc import Callable, Iterator, Sequence

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from devmodel.net.cable import Cable
from devmodel.net.pcapng import PcapngWriter
from devmodel.net.train import Arrival, make_train
from devmodel.vfio_user.memory import GuestMemory
from devmodel.vfio_user.messages import DmaMap, DmaUnmap
from tests.unit.devmodel.bnxt.rig import Queue, Rig
from tests.unit.devmodel.frames import MAC, PEER

BATCH = 32
BATCHES = 1000
_IOVA = 0xFFFF_0000


def frames(payload: int, version: int) -> list[memoryview]:
    """A batch of consecutive segments with the timestamp option."""
    ip = IP(src="10.0.0.1", dst="10.0.0.2") if version == 4 else IPv6(src="fd::1", dst="fd::2")
    options = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    made = []
    for i in range(BATCH):
        tcp = TCP(sport=1000, dport=5000, seq=i * payload, flags="A", options=options)
        body = Raw((bytes(range(256)) * 16)[:payload])
        made.append(bytes(Ether(dst=MAC, src=PEER) / ip / tcp / body))
    return [memoryview(bytearray(frame)).toreadonly() for frame in made]


def recycle(rig: Rig, queue: Queue) -> None:
    """Everything consumed: the driver posts the same buffers again."""
    queue.cq.consume(queue.cq.prod & queue.cq.mask)
    for ring in (queue.rx, queue.agg):
        ring.doorbell((ring.cons - 1) & ring.mask)
        rig.rx.refill(ring)


def setup(*, tpa: bool, paged: bool, oracle: bool = False) -> tuple[Rig, Queue]:
    """One queue with header-data split at threshold 0."""
    rig = Rig(paged=paged, oracle=oracle)
    queue = rig.add_queue(rx_entries=256, agg_entries=512, cq_entries=2048)
    for ring in (queue.rx, queue.agg):
        # one buffer more than can be posted, so that every entry has one
        spare = bytearray(ring.memory.read_entry(0))
        spare[8:16] = rig.allocate(ring.buf_size).to_bytes(8, "little")
        rig.poke(ring.memory.address(ring.mask), spare)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = 2 | 4 | 8
    vnic.tpa.flags = 0x09 if tpa else 0
    return rig, queue


def measure(receive: Callable[[], None]) -> float:
    """Best time of one batch, in seconds; the minimum is what a loaded machine leaves intact."""
    best = 1e9
    for _ in range(BATCHES):
        start = time.perf_counter()
        receive()
        best = min(best, time.perf_counter() - start)
    return best


def by_turns(rounds: int, *cards: tuple[Rig, Callable[[], None]]) -> list[float]:
    """CPU seconds of one call for each card: the best of each."""
    best = [1e9] * len(cards)
    for _ in range(rounds):
        for i, (_, call) in enumerate(cards):
            start = time.process_time()
            call()
            best[i] = min(best[i], time.process_time() - start)
    for rig, _ in cards:
        assert not rig.trace.violations, rig.trace.violations[0]
    return best


def receiver(batch: list[memoryview], rig: Rig, queue: Queue) -> Callable[[], None]:
    """What receives a batch and recycles its buffers."""

    def receive() -> None:
        rig.clock.budget.begin()  # as the card's loop does for each turn
        rig.rx.receive(batch)
        recycle(rig, queue)

    return receive


def compare(batch: list[memoryview], *, tpa: bool, paged: bool) -> list[float]:
    """Seconds per batch without and with the oracle, by turns."""
    pairs = [setup(tpa=tpa, paged=paged, oracle=on) for on in (False, True)]
    return by_turns(BATCHES, *((rig, receiver(batch, rig, queue)) for rig, queue in pairs))


class Sender:
    """What the card does for one packet of a guest with an IOMMU: map, doorbell, unmap."""

    def __init__(self, frame: bytes, *, oracle: bool) -> None:
        self.rig = Rig(paged=True, oracle=oracle)
        self.queue = self.rig.add_tx()
        self.size = len(frame)
        self.memory = GuestMemory(self.rig.dma)
        self.fds = [os.memfd_create("guest")]
        os.write(self.fds[0], frame.ljust(4096, b"\0"))
        self.map = memoryview(DmaMap(DmaMap.SIZE, 1, 0, _IOVA, 4096).pack())
        self.unmap = memoryview(DmaUnmap(DmaUnmap.SIZE, 0, _IOVA, 4096).pack())

    def send(self) -> None:
        """One packet."""
        queue = self.queue
        self.rig.clock.budget.begin()  # as the card's loop does for each turn
        self.memory.map(self.map, self.fds)
        word = self.size << 16 | 1 << 6 | 0x10 | 2 << 8
        bds = struct.pack("<IIQ4I", word, 2 << 16 | queue.prod, _IOVA, 0, 0, 0, 0)
        queue.raw(bds[:16], bds[16:])
        queue.ring.doorbell(queue.prod)
        self.rig.tx.kick(queue.ring)
        queue.cq.consume(queue.cq.prod & queue.cq.mask)
        if self.rig.oracle is not None:
            self.rig.oracle.settle()
        self.memory.unmap(self.unmap, [])
        self.rig.wire.sent.clear()

    def close(self) -> None:
        """Give up the guest's memory."""
        for fd in self.fds:
            os.close(fd)


def compare_transmit(frame: bytes) -> list[float]:
    """The same for transmitted packets, each mapped and unmapped."""
    senders = [Sender(frame, oracle=on) for on in (False, True)]
    best = by_turns(BATCHES * 4, *((sender.rig, sender.send) for sender in senders))
    for sender in senders:
        sender.close()
    return best


def oracle_costs() -> Iterator[tuple[str, float, float]]:
    """Kind of traffic, microseconds per frame without the oracle and with it."""
    off, on = compare_transmit(bytes(frames(1448, 4)[0]))
    yield "1448 B sent, mapped and unmapped", off * 1e6, on * 1e6
    for payload in (1448, 4056):
        for tpa in (False, True):
            for paged in (False, True):
                off, on = compare(frames(payload, 4), tpa=tpa, paged=paged)
                yield named(payload, tpa=tpa, paged=paged), off / BATCH * 1e6, on / BATCH * 1e6


def named(payload: int, *, tpa: bool, paged: bool, version: str = "") -> str:
    """A kind of received traffic in words."""
    mappings = "4 KiB" if paged else "large"
    return f"{payload} B payload, {version}{'TPA' if tpa else 'no TPA'}, {mappings} mappings"


def costs(*, profiled: bool) -> Iterator[tuple[str, float]]:
    """Kind of traffic, microseconds per received frame. ``profiled``: prints where they go."""
    for payload in (1448, 4056):
        for version in (4, 6):
            for tpa in (False, True):
                for paged in (False, True):
                    rig, queue = setup(tpa=tpa, paged=paged)
                    receive = receiver(frames(payload, version), rig, queue)
                    if profiled:
                        with cProfile.Profile() as profile:
                            measure(receive)
                        pstats.Stats(profile).sort_stats("tottime").print_stats(14)
                    cost = measure(receive) / BATCH * 1e6
                    assert not rig.trace.violations, rig.trace.violations[0]
                    assert not rig.trace.counters["rx_discard"]
                    yield named(payload, tpa=tpa, paged=paged, version=f"IPv{version}, "), cost


def arrival_receiver(
    batch: list[memoryview], rig: Rig, queue: Queue, cable: Cable, *, whole: bool
) -> Callable[[], None]:
    """What receives a batch, by frames (``whole``) or as a train that is not cut yet."""
    first = bytes(batch[0])
    l4 = 34 if first[12] == 8 else 54
    header_bytes = l4 + 32
    packet = first[:header_bytes] + b"".join(frame[header_bytes:] for frame in batch)

    def arrivals() -> Sequence[Arrival]:
        if whole:
            return batch
        made = make_train(packet, l4, len(first) - header_bytes, 4 if l4 == 34 else 6)
        assert made is not None
        return [made]

    def receive() -> None:
        cable.bring_these(arrivals(), rig.rx.receive)
        recycle(rig, queue)

    return receive


def print_trains() -> None:
    """What a frame costs on its own, and in a train."""
    for payload in (1448, 4056):
        for tpa in (False, True):
            size = min(BATCH, 65000 // payload)
            batch = frames(payload, 4)[:size]
            calls: list[tuple[Rig, Callable[[], None]]] = []
            for kind in ("frames", "train", "captured"):
                rig, queue = setup(tpa=tpa, paged=False, oracle=True)
                cable = Cable(lambda: 0)
                if kind == "captured":
                    cable.capture = PcapngWriter(io.BytesIO(), snaplen_bytes=128, limit_bytes=1)

                receive = arrival_receiver(batch, rig, queue, cable, whole=kind == "frames")
                receive()
                calls.append((rig, receive))
            as_frames, as_train, captured = (s / size * 1e6 for s in by_turns(BATCHES, *calls))
            print(
                f"{payload} B payload, {'TPA' if tpa else 'no TPA'}: {as_frames:.2f} us/frame, "
                f"in a train {as_train:.2f}, captured {captured:.2f}"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--trains", action="store_true")
    arguments = parser.parse_args()
    if arguments.trains:
        print_trains()
        return
    if arguments.oracle:
        compared = list(oracle_costs())
        if arguments.json:
            print(json.dumps({name: {"off": off, "on": on} for name, off, on in compared}))
            return
        for name, off, on in compared:
            rate = (1 - off / on) * 100
            print(f"{name}: {off:.2f} -> {on:.2f} us/frame, packet rate -{rate:.0f} %")
        return
    data = bytes(range(256)) * 6
    unit = min(timeit.repeat(lambda: int.from_bytes(data, "big") % 65535, number=500, repeat=50))
    found = {"plain checksum of 1536 bytes": unit / 500 * 1e6}
    if not arguments.json:
        print(f"this machine, now: {unit / 500 * 1e6:.2f} us for a plain checksum of 1536 bytes")
    for name, cost in costs(profiled=arguments.profile):
        found[name] = cost
        if not arguments.json:
            print(f"{name}: {cost:.2f} us/frame")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
