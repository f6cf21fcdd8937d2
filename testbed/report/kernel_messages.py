# SPDX-License-Identifier: GPL-2.0-only
"""A machine's kernel log as records on the card's clock.

The guest wrote it: lines are bounded, and what has no time is left out. The two clocks are laid
over each other where the driver begins: its first message comes with its first request. On UML
that is so to the tick; on QEMU some tenths of a second of the probe may lie between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path

from testbed.report.limits import shorten_line
from testbed.report.trace import LINE_BYTES, Reader, Record

KERNEL_LOG = "kernel.log"
KIND = "kernel"
MOST_LINES = 100_000
_LINE = re.compile(r"\[ *(\d{1,9})\.(\d{6})\](?:\[[ A-Z]*\d+\])? (.*)")
_DRIVER = "bnxt_en "


def with_kernel(reader: Reader) -> Iterable[Record]:
    """The records, and the kernel's messages between them, if its log lies beside the trace and
    has a message of the driver's."""
    messages = list(_messages(reader.file.with_name(KERNEL_LOG)))
    driver = next((time for time, text in messages if text.startswith(_DRIVER)), None)
    request = next((record.t_ns for record in Reader(reader.file) if record.kind == "hwrm"), None)
    if driver is None or request is None:
        return reader.by_time()
    ahead = request - driver
    said = (
        Record(number, max(time + ahead, 0), KIND, {"text": text})
        for number, (time, text) in enumerate(messages, start=1)
    )
    return merge(reader.by_time(), said, key=lambda record: record.t_ns)


def _messages(file: Path) -> Iterator[tuple[int, str]]:
    """Nanoseconds since boot, and what was said then."""
    try:
        with file.open("rb") as stream:
            for _ in range(MOST_LINES):
                line = stream.readline(LINE_BYTES)
                found = _LINE.fullmatch(line.decode(errors="replace").rstrip("\r\n"))
                if found:
                    seconds, micros, text = found.groups()
                    yield int(seconds) * 10**9 + int(micros) * 1000, shorten_line(text)
                elif not line:
                    return
    except OSError:
        return
