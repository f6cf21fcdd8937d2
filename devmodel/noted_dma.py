# SPDX-License-Identifier: GPL-2.0-only
"""An IOVA space whose every access is noted among what the card did last."""

from __future__ import annotations

from devmodel.activity import Activity
from devmodel.budget import Budget
from devmodel.dma import OTHER, DmaSpace, Who
from devmodel.faults.engine import FaultEngine


class NotedDma(DmaSpace):
    """Accesses are noted as the card asks for them: what a fault makes of them is in the trace."""

    def __init__(self, activity: Activity, faults: FaultEngine, budget: Budget) -> None:
        super().__init__(faults, budget)
        self._now, self._function = activity.now, activity.function
        self._keep = activity.kept.append  # a call less for each access

    def read(self, iova: int, length: int, who: Who = OTHER) -> bytes:
        """Device reads host memory. Raises DmaFault."""
        values = ("read", who.purpose, who.ring, who.ring_id, iova, length)
        self._keep((self._now(), self._function, "dma", values))
        return super().read(iova, length, who)

    def write(self, iova: int, data: bytes | bytearray | memoryview, who: Who = OTHER) -> None:
        """Device writes host memory. Raises DmaFault."""
        values = ("write", who.purpose, who.ring, who.ring_id, iova, len(data))
        self._keep((self._now(), self._function, "dma", values))
        super().write(iova, data, who)

    def store(self, iova: int, data: bytes, who: Who = OTHER) -> None:
        """Device writes eight bytes at once. Raises DmaFault."""
        values = ("write", who.purpose, who.ring, who.ring_id, iova, len(data))
        self._keep((self._now(), self._function, "dma", values))
        super().store(iova, data, who)
