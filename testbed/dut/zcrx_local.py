# SPDX-License-Identifier: GPL-2.0-only
"""Connections within the device under test: what they bring has to be copied into an area.

They go through the loopback interface, whose packets keep their payload in page fragments.
"""

from __future__ import annotations

from testbed.dut.protocols import Dut
from testbed.dut.zcrx import Console
from testbed.errors import GuestCommandFailed

LOCAL_PORT = 5128
LISTENER, CLIENT, SERVER = 59, 10, 11
_PIECE_BYTES = 40_000


def connect_locally(dut: Dut, zcrx: Console) -> None:
    """CLIENT and SERVER become the ends of a connection within the device under test."""
    zcrx.steps(
        f"listen socket={LISTENER} address={dut.ipv4} port={LOCAL_PORT}",
        f"connect socket={CLIENT} address={dut.ipv4} port={LOCAL_PORT}",
        f"accept socket={SERVER} of={LISTENER}",
    )


def send_locally(zcrx: Console, total_bytes: int) -> None:
    """All of it goes into the sockets' buffers at once. Raises GuestCommandFailed."""
    sent = int(zcrx.step("send", socket=CLIENT, bytes=total_bytes)["bytes"])
    if sent != total_bytes:
        raise GuestCommandFailed(f"of {total_bytes} bytes the socket took {sent}")


def spare_buffers(dut: Dut, zcrx: Console) -> int:
    """How many buffers the area of IFQ 0 has in its free list; they are there again afterwards.

    Copies take them until there is none (ENOMEM). Raises GuestCommandFailed.
    """
    connect_locally(dut, zcrx)
    taken, errno = 0, ""
    while errno != "ENOMEM":
        send_locally(zcrx, _PIECE_BYTES)
        zcrx.receive(SERVER, bytes=_PIECE_BYTES)
        got = zcrx.collect(ends=1, hold=1)
        taken += got.completions
        (end,) = got.ends
        errno = end.errno
    zcrx.step("close", socket=SERVER)
    zcrx.step("close", socket=CLIENT)
    zcrx.step("close", socket=LISTENER)
    zcrx.give_back(count=taken)
    if left := zcrx.flush():
        raise GuestCommandFailed(f"the kernel left {left} entries of {taken}")
    return taken
