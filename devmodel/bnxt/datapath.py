# SPDX-License-Identifier: GPL-2.0-only
"""What the control path (HWRM, doorbells, reset) asks of the data path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from devmodel.bnxt.cmpl import CmplRing
from devmodel.bnxt.resources import AggRing, RxRing, TxRing, Vnic
from devmodel.net.train import Arrival


class ReceivePath(Protocol):
    """Frames from the wire into host buffers.

    :ivar link_up: frames are lost while it is False.
    """

    link_up: bool

    def receive(self, arrivals: Sequence[Arrival]) -> None:
        """Place a batch of frames (without FCS) and trains, and post their completions."""
        ...

    def refill(self, ring: RxRing | AggRing) -> None:
        """The host posted buffers (doorbell of an RX or AGG ring)."""
        ...

    def flush_ring(self, ring: RxRing | AggRing) -> None:
        """RING_FREE barrier: end aggregations, post what is owed, then no DMA for the ring."""
        ...

    def flush_cmpl(self, cq: CmplRing) -> None:
        """RING_FREE barrier of a completion ring: aggregations that complete there end."""
        ...

    def flush_vnic(self, vnic: Vnic) -> None:
        """VNIC_UPDATE with MRU 0, TPA off, VNIC_FREE: the same for every ring of the VNIC."""
        ...

    def reset(self) -> None:
        """Forget every packet and cache without touching host memory."""
        ...


class TransmitPath(Protocol):
    """Host buffers onto the wire.

    :ivar link_up: while it is False packets are completed but go nowhere.
    """

    link_up: bool

    def kick(self, ring: TxRing) -> None:
        """The producer of ``ring`` moved."""
        ...

    def flush_ring(self, ring: TxRing) -> None:
        """RING_FREE barrier: post what is owed; no DMA for the ring afterwards."""
        ...

    def reset(self) -> None:
        """Forget every packet without touching host memory."""
        ...
