# SPDX-License-Identifier: GPL-2.0-only
"""The files of a card's process: the trace of what happens, the capture of every frame."""

from __future__ import annotations

import os
from typing import BinaryIO, TextIO

from devmodel.net.pcapng import PcapngWriter

_BUFFER_BYTES = 1 << 16


class OutputFiles:
    """Trace and capture, each None if there is no descriptor to write it to.

    Of each frame ``snap_bytes`` are kept.

    :ivar trace: where records go, as text.
    :ivar capture: writes frames.
    """

    def __init__(self, trace_fd: int | None, capture_fd: int | None, snap_bytes: int) -> None:
        self.trace: TextIO | None = None
        self.capture: PcapngWriter | None = None
        self._frames: BinaryIO | None = None
        if trace_fd is not None:
            self.trace = os.fdopen(trace_fd, "w", buffering=_BUFFER_BYTES)
        if capture_fd is not None:
            self._frames = os.fdopen(capture_fd, "wb", buffering=_BUFFER_BYTES)
            self.capture = PcapngWriter(self._frames, snaplen_bytes=snap_bytes)

    def save(self) -> None:
        """Bring what is buffered to the files."""
        for file in (self.trace, self._frames):
            if file is not None:
                file.flush()

    def drop_trace(self) -> None:
        """The trace begins anew."""
        if self.trace is not None:
            self.trace.flush()
            os.ftruncate(self.trace.fileno(), 0)

    def finish(self, now_ns: int) -> None:
        """Complete the capture, which ends ``now_ns`` after its start, and save everything."""
        if self.capture is not None:
            self.capture.finish(now_ns)
        self.save()
