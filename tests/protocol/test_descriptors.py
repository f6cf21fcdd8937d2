# SPDX-License-Identifier: GPL-2.0-only
"""Descriptors no sane client hands over: refused, and never taken for a bug of the card."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devmodel.trace import Trace
from devmodel.vfio_user import memory
from devmodel.vhost_user.disk import Disk
from devmodel.vhost_user.messages import VhostRequest
from tests.protocol.client import CONFIG
from tests.protocol.conftest import MEMORY_BYTES, Bench
from tests.protocol.test_process import Card
from tests.protocol.vhost_guest import VhostGuest

PAGE = 4096
SEALED = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def sealed_memory() -> int:
    fd = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, MEMORY_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALED)
    return fd


def small_memory() -> int:
    fd = os.memfd_create("small")
    os.ftruncate(fd, PAGE - 1)
    return fd


MAKERS: dict[str, Callable[[], int]] = {
    "O_PATH": lambda: os.open("/", os.O_PATH),
    "folder": lambda: os.open("/", os.O_RDONLY),
    "socket": lambda: socket.socket(socket.AF_UNIX).detach(),
    "device": lambda: os.open("/dev/null", os.O_RDWR),
    "eventfd": lambda: os.eventfd(0),
    "sealed": sealed_memory,
    "too small": small_memory,
}


@pytest.fixture
def odd() -> Iterator[dict[str, int]]:
    """A descriptor of each kind."""
    fds = {name: make() for name, make in MAKERS.items()}
    fds["pipe"], far_end = os.pipe()
    yield fds
    for fd in (*fds.values(), far_end):
        os.close(fd)


@pytest.mark.parametrize("kind", ["pipe", *(kind for kind in MAKERS if kind != "eventfd")])
def test_what_is_no_eventfd_is_refused(bench: Bench, odd: dict[str, int], kind: str) -> None:
    bench.enable_msix()
    assert bench.connect([odd["eventfd"], odd[kind]]).error == errno.EINVAL
    bench.interrupt(0)
    bench.interrupt(1)
    assert bench.client.read_int(CONFIG, 0) != 0, "the card goes on"


@pytest.mark.parametrize("kind", ["pipe", *MAKERS])
def test_what_is_no_memory_is_refused(bench: Bench, odd: dict[str, int], kind: str) -> None:
    assert bench.client.dma_map(0, PAGE, odd[kind]).error in (
        errno.EINVAL, errno.ENODEV, errno.EACCES, errno.EPERM, errno.EBADF,
    )  # fmt: skip
    assert bench.toy.dma.live_mappings == 0


def test_memory_that_has_shrunk_since_is_refused(bench: Bench) -> None:
    assert bench.client.dma_map(0, PAGE, bench.memory_fd).error == 0
    os.ftruncate(bench.memory_fd, PAGE)
    assert bench.client.dma_map(PAGE, PAGE, bench.memory_fd, offset=PAGE).error == errno.EINVAL


def test_memory_that_grows_is_not_mapped_for_ever(bench: Bench) -> None:
    """The kernel gives a process 65530 maps; without any, Python runs out of memory."""
    errors = []
    for i in range(1, memory._MAX_MAPPED + 2):
        os.ftruncate(bench.memory_fd, i * PAGE)
        reply = bench.client.dma_map(i * PAGE, PAGE, bench.memory_fd, offset=(i - 1) * PAGE)
        errors.append(reply.error)
    assert errors == [0] * memory._MAX_MAPPED + [errno.ENOSPC]


@pytest.mark.parametrize("kind", ["O_PATH", "folder", "device", "eventfd", "too small"])
def test_what_is_no_call_pipe_is_refused(odd: dict[str, int], kind: str) -> None:
    image = os.memfd_create("image")
    os.ftruncate(image, PAGE)
    disk = Disk(image)
    guest = VhostGuest(disk, Trace())
    assert guest.ask(VhostRequest.SET_SLAVE_REQ_FD, fds=[odd[kind]]) == 1
    guest.set_up()
    guest.close()
    disk.close()


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    card = Card(tmp_path)
    yield card
    card.close()


def test_memory_taken_back_is_the_peers_fault(card: Card) -> None:
    """SIGBUS in the card is no bug of the card, and the trace so far is kept."""
    fd = os.memfd_create("guest")
    os.ftruncate(fd, MEMORY_BYTES)
    card.client.version()
    card.client.write_int(CONFIG, 4, 6, 2)
    card.client.dma_map(0, MEMORY_BYTES, fd)
    os.ftruncate(fd, 0)
    os.close(fd)
    short = struct.pack("<HHHHQ", 0x11, 0x4321, 0, 128, 0)  # hwrm_short_input: read it at 0
    for at in range(0, len(short), 4):
        card.client.post(0, at, short[at : at + 4])
    card.client.post(0, 0x100, b"\1\0\0\0")
    code, err = card.end()
    assert (code, err.count("shared memory is gone")) == (6, 1)
    assert "vfio_user_connected" in card.trace.read_text()
