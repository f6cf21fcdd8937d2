# SPDX-License-Identifier: GPL-2.0-only
"""The port's cable: a :class:`Wire` carries whole Ethernet frames without FCS, both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from devmodel.net.port import Frame
from devmodel.net.train import Train

SendTrain = Callable[[Train], object]
"""Transmits a train, in its order among frames."""


class Wire(Protocol):
    """What the card plugs into.

    :ivar counters: ``rx_frames``, ``rx_bytes``, ``tx_frames``, ``tx_bytes``, and one
        ``drop_<direction>_<reason>`` for each kind of loss.
    :ivar on_room: called when a congested wire has drained.
    """

    counters: Counter[str]
    on_room: Callable[[], None]

    @property
    def send_train(self) -> SendTrain | None:
        """Takes a train now; None: frames only."""
        ...

    @property
    def congested(self) -> bool:
        """True: the sender should wait; a frame sent nevertheless may be dropped."""
        ...

    def receive(self) -> Sequence[Frame]:
        """The frames that have arrived, in order; empty if none has."""
        ...

    def send(self, frames: Sequence[bytes]) -> None:
        """Transmit in order; never waits."""
        ...
