# SPDX-License-Identifier: GPL-2.0-only
"""The management console's client, against a kernel of ours."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.engines.uml.mconsole import command, pack_request, unpack_reply
from testbed.errors import GuestCommandFailed, LostVM


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[socket.socket]:
    (tmp_path / "guest").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(str(tmp_path / "guest/mconsole"))
        yield sock


def ask(folder: Path, kernel: socket.socket, answers: list[bytes]) -> str:
    """The kernel needs two turns for each answer."""
    turns = iter([b"", *answers])

    async def let_run() -> None:
        answer = next(turns, b"")
        if answer:
            request, origin = kernel.recvfrom(4096)
            assert request == pack_request("config x=y")
            kernel.sendto(answer, origin)

    return asyncio.run(command(folder, "guest", os.getuid(), "config x=y", let_run))


def reply(failed: int, text: bytes) -> bytes:
    return struct.pack("<III", failed, 0, len(text)) + text


def test_answer_comes_when_the_guest_has_run(tmp_path: Path, kernel: socket.socket) -> None:
    assert ask(tmp_path, kernel, [reply(0, b"fine\n\0")]) == "fine"
    assert not (tmp_path / "mconsole.sock").exists()


def test_refusal_is_the_guests(tmp_path: Path, kernel: socket.socket) -> None:
    with pytest.raises(GuestCommandFailed, match=r"refuses 'config x=y': no such"):
        ask(tmp_path, kernel, [reply(1, b"no such")])


def test_silence_is_a_lost_guest(tmp_path: Path, kernel: socket.socket) -> None:
    with pytest.raises(LostVM, match="does not answer"):
        ask(tmp_path, kernel, [])
    assert not (tmp_path / "mconsole.sock").exists()


def test_kernel_without_console_is_a_lost_guest(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unused,
        pytest.raises(LostVM, match="is gone"),
    ):
        ask(tmp_path, unused, [])


def test_nonsense_is_a_lost_guest() -> None:
    with pytest.raises(LostVM, match="nonsense"):
        unpack_reply(b"\0" * 11)


def test_request_is_as_the_kernel_wants_it() -> None:
    request = pack_request("version")
    assert request[:12] == struct.pack("<III", 0xCAFEBABE, 2, 7)
    assert len(request) == 12 + 512
    with pytest.raises(ValueError, match="too many"):
        pack_request("x" * 512)
