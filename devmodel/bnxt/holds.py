# SPDX-License-Identifier: GPL-2.0-only
"""Frames that wait for buffers of their RX ring, as in the packet buffer of the chip."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from devmodel.bnxt.placement import Flow
from devmodel.bnxt.resources import Vnic
from devmodel.clock import Clock, Timer

HOLD_NS = 100_000_000
"""How long frames wait for buffers before they are dropped, in virtual time.

Long against a scheduling gap of a vCPU on a busy host, short against a TCP time-out.
"""
HOLD_BYTES = 4 << 20
"""How many bytes wait at most, all rings together (the packet buffer of the chip)."""

Held: TypeAlias = tuple[Flow, bytes, int]
"""A frame, the flow it belongs to, and when it arrived."""


class _Hold:
    """Frames of one ring."""

    __slots__ = ("frames", "timer")

    def __init__(self, timer: Timer) -> None:
        self.frames: deque[Held] = deque()
        self.timer = timer


class Holds:
    """The frames of all rings, each ring's in order.

    :param expire: called with the id of a ring whose first frame has waited too long.
    :param ask_to_wait: tells the sender that frames wait (True), and that none does any more.
    :ivar rings: by id those for which some wait; ``byte_count``: of all that wait.
    """

    def __init__(
        self, clock: Clock, expire: Callable[[int], None], ask_to_wait: Callable[[bool], None]
    ) -> None:
        self._clock = clock
        self._expire = expire
        self._ask_to_wait = ask_to_wait
        self.rings: dict[int, _Hold] = {}
        self.byte_count = 0

    @property
    def frame_count(self) -> int:
        """How many wait."""
        return sum(len(hold.frames) for hold in self.rings.values())

    def has_room(self, length: int) -> bool:
        """Whether a frame of so many bytes may wait, too."""
        return self.byte_count + length <= HOLD_BYTES

    def add(self, ring_id: int, held: Held) -> bool:
        """Behind what waits for that ring; whether nothing did before."""
        is_first = ring_id not in self.rings
        if is_first:
            if not self.rings:
                self._ask_to_wait(True)
            timer = self._clock.call_later(HOLD_NS, lambda: self._expire(ring_id), background=True)
            self.rings[ring_id] = _Hold(timer)
        self.rings[ring_id].frames.append(held)
        self.byte_count += len(held[1])
        return is_first

    def put_behind(self, ring_id: int, frames: deque[Held]) -> None:
        """Behind what waits for that ring, which is something."""
        self.rings[ring_id].frames.extend(frames)
        self.byte_count += sum(len(frame) for _, frame, _ in frames)

    def release(self, ring_id: int) -> deque[Held]:
        """All that waited for that ring."""
        hold = self.rings.pop(ring_id, None)
        if hold is None:
            return deque()
        hold.timer.cancel()
        if not self.rings:
            self._ask_to_wait(False)
        self.byte_count -= sum(len(frame) for _, frame, _ in hold.frames)
        return hold.frames

    def take_out(self, vnic: Vnic) -> list[Held]:
        """What waits for buffers of the VNIC's rings, and does no more."""
        gone = list[Held]()
        for ring_id, hold in list(self.rings.items()):
            of_it = [held for held in hold.frames if held[0].vnic is vnic]
            gone += of_it
            if len(of_it) == len(hold.frames):
                self.release(ring_id)
            else:
                hold.frames = deque(held for held in hold.frames if held[0].vnic is not vnic)
                self.byte_count -= sum(len(frame) for _, frame, _ in of_it)
        return gone
