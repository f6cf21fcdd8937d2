# SPDX-License-Identifier: GPL-2.0-only
"""A UML kernel's management console (arch/um/drivers/mconsole.h): a datagram socket in the folder
of its umid, which is in the private one and so in nobody's reach but ours and the kernel's own."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from testbed.errors import GuestCommandFailed, LostVM

SOCKET_NAME = "mconsole"
OUR_NAME = "mconsole.sock"
MAGIC, VERSION = 0xCAFEBABE, 2
DATA_BYTES = 512
TURNS = 50
_REQUEST = struct.Struct(f"<III{DATA_BYTES}s")
_REPLY = struct.Struct("<III")


def pack_request(command: str) -> bytes:
    """struct mconsole_request."""
    data = command.encode()
    if len(data) >= DATA_BYTES:
        raise ValueError(f"{len(data)} bytes are too many for one command")
    return _REQUEST.pack(MAGIC, VERSION, len(data), data)


def unpack_reply(reply: bytes) -> tuple[bool, str]:
    """struct mconsole_reply: whether all went well, and what the kernel says. Raises LostVM."""
    if len(reply) < _REPLY.size:
        raise LostVM("the kernel's management console answered nonsense")
    failed, _, length = _REPLY.unpack_from(reply)
    text = reply[_REPLY.size :][:length].rstrip(b"\0\n")
    return not failed, text.decode("utf-8", "replace")


async def command(
    private: Path, umid: str, uid: int | None, text: str, let_run: Callable[[], Awaitable[object]]
) -> str:
    """Have the kernel carry out ``text`` and return what it says.

    ``let_run`` gives the guest some time: it answers when a kernel thread of its has run.
    Raises GuestCommandFailed for what the kernel refuses, LostVM if it does not answer.
    """
    ours = private / OUR_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        ours.unlink(missing_ok=True)
        sock.bind(str(ours))
        try:
            ours.chmod(0o600)
            if uid is not None:
                os.chown(ours, uid, uid)
            sock.sendto(pack_request(text), str(private / umid / SOCKET_NAME))
            for _ in range(TURNS):
                await let_run()
                try:
                    well, answer = unpack_reply(sock.recv(_REPLY.size + DATA_BYTES))
                except BlockingIOError:
                    continue
                if not well:
                    raise GuestCommandFailed(f"the kernel refuses {text!r}: {answer}")
                return answer
        except OSError as err:
            raise LostVM(f"the kernel's management console is gone: {err.strerror}") from err
        finally:
            ours.unlink(missing_ok=True)
    raise LostVM(f"the kernel's management console does not answer {text!r}")
