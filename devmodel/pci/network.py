# SPDX-License-Identifier: GPL-2.0-only
"""A PCI function with a network port: what the process that runs it needs besides the transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from devmodel.config import ConfigError
from devmodel.net.port import Frame
from devmodel.net.train import Arrival, frames_of
from devmodel.pci.function import Function


class NetworkFunction(Function):
    """Base of network cards; the loop feeds it frames and asks it about itself.

    :ivar news: kind of its own trace records -> makes of the fields a line for people, or "".
    """

    news: Mapping[str, Callable[[dict[str, Any]], str]] = MappingProxyType({})

    @property
    def virtual_functions(self) -> Sequence[Function]:
        """Those it can show beside itself (SR-IOV), present or not."""
        return ()

    def receive(self, frames: Sequence[Frame]) -> None:
        """Frames from the wire, without FCS; a memoryview is valid only during the call."""

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """What the wire has brought, trains among it; who knows of frames only is given frames."""
        self.receive(frames_of(arrivals))

    def set_link(self, up: bool) -> None:
        """Plug or pull the cable as far as the guest can see."""

    def set_partner(self, settings: Mapping[str, Any]) -> None:
        """Change settings of the port at the other end of the cable. Raises ConfigError."""
        raise ConfigError("this card knows nothing of its link partner")

    def state(self) -> dict[str, Any]:
        """Resources in use and statistics, as JSON types."""
        return {}

    def remembered(self, address: int, size: int) -> list[str]:
        """What the card's oracle knows of these bytes of the guest's memory, oldest first."""
        return []
