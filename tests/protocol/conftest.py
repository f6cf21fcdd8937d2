# SPDX-License-Identifier: GPL-2.0-only
"""A server with the toy function, and a client, in one process and one thread."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devmodel.clock import Clock, Timing
from devmodel.trace import Trace
from devmodel.vfio_user.server import Server
from tests.protocol.client import CONFIG, Client
from tests.protocol.toy import Toy

MEMORY_BYTES = 1 << 20


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


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

    def memory(self, offset: int, length: int) -> bytes:
        """What guest memory holds."""
        return os.pread(self.memory_fd, length, offset)


def make_bench(timing: Timing = Timing.ASYNCHRONOUS) -> Bench:
    """A bench whose client has not yet sent VERSION."""
    ours, theirs = socket.socketpair()
    trace = Trace()
    clock = Clock(1, timing)
    toy = Toy(clock, trace)
    server = Server(toy, ours)
    memory_fd = os.memfd_create("guest")
    os.ftruncate(memory_fd, MEMORY_BYTES)
    return Bench(toy, server, Client(theirs, server.serve), trace, clock, memory_fd)


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


@pytest.fixture(autouse=True)
def no_descriptor_leaks() -> Iterator[None]:
    """Each test must leave as many descriptors open as it found."""
    before = open_descriptors()
    yield
    assert open_descriptors() <= before
