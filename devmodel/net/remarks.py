# SPDX-License-Identifier: GPL-2.0-only
"""Frames that are being received, and what the card says of each: a comment of the capture."""

from __future__ import annotations

from collections.abc import Sequence

from devmodel.net.port import Frame

_KEY_BYTES = 256
_MOST = 8
"""Remarks on one frame."""


class Batch:
    """Frames that came at ``time_ns``, and the remarks on them.

    A frame is known by its length and first bytes, since the card may hold a copy. Of equal ones
    that comes first of which least has been said.
    """

    def __init__(self, frames: Sequence[Frame], time_ns: int) -> None:
        self.frames = frames
        self.time_ns = time_ns
        self._remarks: dict[int, list[str]] = {}
        self._places: dict[tuple[int, bytes], list[int]] | None = None

    @property
    def comments(self) -> dict[int, str]:
        """What was said, by the number of the frame."""
        return {place: "; ".join(said) for place, said in self._remarks.items()}

    def remark(self, frame: Frame, text: str) -> None:
        """Add to what is said of ``frame``; of a frame that is not of this batch, nothing is."""
        if self._places is None:
            self._places = {}
            for number, one in enumerate(self.frames):
                self._places.setdefault(_key(one), []).append(number)
        places = self._places.get(_key(frame))
        if places:
            place = min(places, key=lambda number: len(self._remarks.get(number, ())))
            said = self._remarks.setdefault(place, [])
            if len(said) < _MOST:
                said.append(text)


def _key(frame: Frame) -> tuple[int, bytes]:
    return len(frame), bytes(frame[:_KEY_BYTES])
