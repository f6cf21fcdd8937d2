# SPDX-License-Identifier: GPL-2.0-only
"""What any function can do of its own when a fault asks it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devmodel.dma import OTHER
from devmodel.faults.points import CardAction, Param
from devmodel.pci.function import ResetKind
from devmodel.pci.network import NetworkFunction

_MAX_DMA_BYTES = 1 << 20
_MAX_INTERRUPTS = 10_000
_MIN_FRAME_BYTES, _MAX_FRAME_BYTES = 14, 65536
_MAX_FRAMES = 1000  # at one moment: a frame may be what makes the next one come

Params = Mapping[str, Any]

FUNCTION_ACTIONS = (
    CardAction("link", "Pull or plug the cable.", {"up": Param("bool", "plugged", False)}),
    CardAction(
        "unplug",
        "Surprise removal as far as the function shows it: every read is all ones, nothing works.",
        {},
    ),
    CardAction("replug", "Undo unplug; the function is as after a reset.", {}),
    CardAction(
        "power",
        "Change the power state by itself: below D0 every register reads as ones, and no DMA.",
        {"state": Param("int", "0 (D0) to 3 (D3hot)", 3)},
    ),
    CardAction(
        "msix_mask",
        "Set or clear the MSI-X function mask by itself: interrupts stay pending meanwhile.",
        {"masked": Param("bool", "masked", True)},
    ),
    CardAction("flr", "The function resets itself, as after a function level reset.", {}),
    CardAction(
        "irq",
        "Raise a vector without cause.",
        {"vector": Param("int", "MSI-X entry", 0), "count": Param("int", "how often", 1)},
    ),
    CardAction(
        "frame",
        "A frame comes off the wire that nobody has sent.",
        {"data": Param("hex", "Ethernet header first, no FCS", "")},
    ),
    CardAction(
        "dma_write",
        "Write host memory.",
        {"iova": Param("int", "address", 0), "length": Param("int", "bytes 0xa5", 64)},
    ),
    CardAction(
        "dma_read",
        "Read host memory.",
        {"iova": Param("int", "address", 0), "length": Param("int", "bytes", 64)},
    ),
)


class FunctionActions:
    """The actions of one function; call it with name and parameters.

    A card with actions of its own passes them as ``more``: name -> what does it.
    """

    def __init__(
        self,
        function: NetworkFunction,
        more: Mapping[str, Callable[[Params], None]] | None = None,
    ) -> None:
        self._function = function
        self._frames_at_ns = -1
        self._frames = 0
        self._actions: Mapping[str, Callable[[Params], None]] = {
            "link": lambda p: function.set_link(bool(p["up"])),
            "unplug": lambda p: function.set_present(False),
            "replug": lambda p: function.set_present(True),
            "power": lambda p: function.set_power_state(p["state"] & 3),
            "msix_mask": lambda p: function.mask_function(bool(p["masked"])),
            "flr": lambda p: function.reset(ResetKind.FLR),
            "irq": self._irq,
            "frame": self._frame,
            "dma_write": self._dma_write,
            "dma_read": self._dma_read,
            **(more or {}),
        }

    @property
    def names(self) -> frozenset[str]:
        """Every action there is."""
        return frozenset(self._actions)

    def __call__(self, name: str, params: Params) -> None:
        """Do it. Raises KeyError for an unknown name, DmaFault."""
        self._actions[name](params)

    def _irq(self, params: Params) -> None:
        if 0 <= params["vector"] < self._function.msix_vectors:
            for _ in range(min(params["count"], _MAX_INTERRUPTS)):
                self._function.raise_msix(params["vector"])

    def _frame(self, params: Params) -> None:
        """Behind the one that is being received, if there is one."""
        frame = bytes.fromhex(params["data"])
        function = self._function
        if function.clock.now_ns != self._frames_at_ns:
            self._frames_at_ns, self._frames = function.clock.now_ns, 0
        if _MIN_FRAME_BYTES <= len(frame) <= _MAX_FRAME_BYTES and self._frames < _MAX_FRAMES:
            self._frames += 1
            function.clock.call_later(0, lambda: function.receive([frame]))

    def _dma_write(self, params: Params) -> None:
        length = min(max(params["length"], 0), _MAX_DMA_BYTES)
        self._function.dma.write(params["iova"] & (1 << 64) - 1, b"\xa5" * length, OTHER)

    def _dma_read(self, params: Params) -> None:
        length = min(max(params["length"], 0), _MAX_DMA_BYTES)
        self._function.dma.read(params["iova"] & (1 << 64) - 1, length, OTHER)
