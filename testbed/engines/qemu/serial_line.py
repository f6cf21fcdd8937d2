# SPDX-License-Identifier: GPL-2.0-only
"""The guest's serial line as two pipes.

QEMU writes what the guest sends byte by byte. A socket counts 766 bytes of memory for each and is
full after 278 that we have not read (net.core.wmem_default is 212,992); QEMU's UART then tries four
times and drops what it has (MAX_XMIT_RETRY in hw/char/serial.c). A pipe takes bytes for what they
are, and holds a kernel's longest report.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from io import FileIO

PIPE_BYTES = 1 << 20
"""As much as an ordinary user may ask for (fs.pipe-max-size); 64 KiB if even that is refused."""
READ_BYTES = 1 << 16


class SerialLine:
    """Our ends of the pipes: what the guest says is read, keys are pressed."""

    def __init__(self) -> None:
        output, self._log = os.pipe2(os.O_CLOEXEC)
        self._keys, pressed = os.pipe2(os.O_CLOEXEC)
        self._output, self._pressed = FileIO(output, "rb"), FileIO(pressed, "wb")
        with suppress(PermissionError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def ends_for_qemu(self, theirs: ExitStack) -> tuple[int, int]:
        """The descriptors to write to and to read from; ``theirs`` closes them."""
        for end in (self._log, self._keys):
            theirs.callback(os.close, end)
        return self._log, self._keys

    async def output(self) -> AsyncIterator[bytes]:
        """What the guest sends, until QEMU has ended."""
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: protocol, self._output)
        try:
            while data := await reader.read(READ_BYTES):
                yield data
        finally:
            transport.close()

    def press(self, key: bytes) -> None:
        """Have the guest receive ``key``, some bytes. Raises OSError if QEMU has ended."""
        self._pressed.write(key)

    def close(self) -> None:
        """Close our ends."""
        for end in (self._output, self._pressed):
            end.close()
