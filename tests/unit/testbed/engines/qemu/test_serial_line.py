# SPDX-License-Identifier: GPL-2.0-only
"""What a guest says while nobody reads is kept."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack

import pytest

from testbed.engines.qemu.serial_line import SerialLine

REPORT_BYTES = 60_000
"""A kernel's listing of all its tasks; an ordinary user's pipe takes 64 KiB at least."""


async def said(line: SerialLine) -> bytes:
    return b"".join([data async for data in line.output()])


def test_bytes_wait_for_a_reader() -> None:
    """One at a time, and never blocking, as QEMU's UART writes them."""
    line = SerialLine()
    with ExitStack() as theirs:
        log, _ = line.ends_for_qemu(theirs)
        os.set_blocking(log, False)
        for _ in range(REPORT_BYTES):
            os.write(log, b"x")
    assert asyncio.run(said(line)) == b"x" * REPORT_BYTES
    line.close()


def test_a_key_arrives() -> None:
    line = SerialLine()
    with ExitStack() as theirs:
        _, keys = line.ends_for_qemu(theirs)
        line.press(b"t")
        assert os.read(keys, 2) == b"t"
    with pytest.raises(BrokenPipeError):
        line.press(b"t")
    line.close()
