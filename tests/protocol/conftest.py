# SPDX-License-Identifier: GPL-2.0-only
"""A server with the toy function, and a client, in one process and one thread."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from devmodel.clock import Clock, Timing
from devmodel.trace import Trace
from devmodel.vfio_user.server import Server
from docs.examples.ring_nic import MSIX_OFFSET
from testbed.host import starter
from tests.protocol.client import CONFIG, EVENTFD, MSIX, TRIGGER, Client, Reply
from tests.protocol.toy import COMMAND_INTERRUPT, REG_COMMAND, Toy

MEMORY_BYTES = 1 << 20
VECTORS = 16


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def fired(fd: int) -> int:
    """How often the eventfd was written since the last call."""
    try:
        return os.eventfd_read(fd)
    except BlockingIOError:
        return 0


@dataclass
class Bench:
    """Everything a test touches. ``memory_fd`` is a memory file of ``MEMORY_BYTES``."""

    toy: Toy
    server: Server
    client: Client
    trace: Trace
    clock: Clock
    memory_fd: int

    def enable(self) -> None:
        """Memory space and bus mastering on, as a driver does."""
        self.client.write_int(CONFIG, 4, 0x6, 2)

    def enable_msix(self, control: int = 0x8000) -> None:
        """Message control, by default enabled and not masked."""
        self.client.write_int(CONFIG, MSIX_OFFSET + 2, control, 2)

    def connect(self, fds: Sequence[int], first: int = 0) -> Reply:
        """Eventfds of MSI-X vectors from ``first`` on."""
        return self.client.set_irqs(EVENTFD | TRIGGER, MSIX, first, len(fds), fds)

    def interrupt(self, vector: int) -> None:
        """Have the toy raise it."""
        self.client.write_int(0, REG_COMMAND, COMMAND_INTERRUPT + vector)

    def memory(self, offset: int, length: int) -> bytes:
        """What guest memory holds."""
        return os.pread(self.memory_fd, length, offset)


def serve(server: Server, clock: Clock) -> None:
    """As the card's loop does: turn after turn until nothing is left to handle."""
    clock.budget.begin()
    server.serve()
    while server.has_input:
        clock.budget.begin()
        server.serve()


def make_bench(timing: Timing = Timing.ASYNCHRONOUS) -> Bench:
    """A bench whose client has not yet sent VERSION."""
    ours, theirs = socket.socketpair()
    trace = Trace()
    clock = Clock(1, timing)
    toy = Toy(clock, trace)
    server = Server(toy, ours)
    memory_fd = os.memfd_create("guest")
    os.ftruncate(memory_fd, MEMORY_BYTES)
    client = Client(theirs, lambda: serve(server, clock))
    return Bench(toy, server, client, trace, clock, memory_fd)


def end_bench(bench: Bench) -> None:
    """Close everything the bench opened."""
    bench.client.sock.close()
    bench.server.close()
    os.close(bench.memory_fd)


@pytest.fixture
def fresh() -> Iterator[Bench]:
    """A bench before VERSION."""
    bench = make_bench()
    yield bench
    end_bench(bench)


@pytest.fixture
def bench(fresh: Bench) -> Bench:
    """A bench after VERSION with memory space and bus mastering on."""
    fresh.client.version()
    fresh.enable()
    return fresh


@pytest.fixture
def synchronous() -> Iterator[Bench]:
    """The same with synchronous timing."""
    bench = make_bench(Timing.SYNCHRONOUS)
    bench.client.version()
    bench.enable()
    yield bench
    end_bench(bench)


@pytest.fixture
def eventfds() -> Iterator[list[int]]:
    """One for each vector."""
    fds = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(VECTORS)]
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """Each test must leave as many descriptors open as it found."""
    starter.close()  # it keeps one, and starts again when it is asked
    before = open_descriptors()
    yield
    starter.close()
    assert open_descriptors() <= before
