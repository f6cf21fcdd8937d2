# SPDX-License-Identifier: GPL-2.0-only
"""What the card does of its own when a fault asks it to (CARD_ACTIONS of devmodel.faults)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devmodel.bnxt.faulty.entries import blank_entry
from devmodel.bnxt.faulty.receive import queue_rings
from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.ring import HwrmAsyncEventCmpl
from devmodel.dma import OTHER
from devmodel.pci.function import Function, ResetKind

_MAX_DMA_BYTES = 1 << 20
_MAX_INTERRUPTS = 10_000

Params = Mapping[str, Any]


class CardActions:
    """The actions of one card; call it with name and parameters.

    :ivar fw_status: value of the firmware status register.
    """

    def __init__(self, function: Function, firmware: Firmware, fw_status: int) -> None:
        self.fw_status = fw_status
        self._function = function
        self._fw = firmware
        self._actions: Mapping[str, Callable[[Params], None]] = {
            "link": lambda p: firmware.link.set_wire(bool(p["up"])),
            "async_event": self._async_event,
            "unplug": lambda p: function.set_present(False),
            "replug": lambda p: function.set_present(True),
            "power": lambda p: function.set_power_state(p["state"] & 3),
            "msix_mask": lambda p: function.mask_function(bool(p["masked"])),
            "health": self._health,
            "flr": lambda p: function.reset(ResetKind.FLR),
            "func_reset": lambda p: firmware.reset(),
            "fw_restart": lambda p: firmware.restart(),
            "irq": self._irq,
            "cqe": self._cqe,
            "nqe": self._nqe,
            "dma_write": self._dma_write,
            "dma_read": self._dma_read,
        }

    @property
    def names(self) -> frozenset[str]:
        """Every action there is."""
        return frozenset(self._actions)

    def __call__(self, name: str, params: Params) -> None:
        """Do it. Raises KeyError for an unknown name, DmaFault."""
        self._actions[name](params)

    def _async_event(self, params: Params) -> None:
        fw = self._fw
        nqs = fw.resources.nqs
        nq = nqs.get(fw.async_nq) if fw.async_nq is not None else next(iter(nqs.values()), None)
        if nq is None:
            return
        event = HwrmAsyncEventCmpl(
            event_id=params["event_id"] & 0xFFFF,
            event_data1=params["data1"] & 0xFFFF_FFFF,
            event_data2=params["data2"] & 0xFFFF_FFFF,
        )
        nq.post_async(event.pack())

    def _health(self, params: Params) -> None:
        self.fw_status = params["fw_status"] & 0xFFFF_FFFF

    def _irq(self, params: Params) -> None:
        if 0 <= params["vector"] < self._function.msix_vectors:
            for _ in range(min(params["count"], _MAX_INTERRUPTS)):
                self._function.raise_msix(params["vector"])

    def _cqe(self, params: Params) -> None:
        rings = queue_rings(self._fw.resources, params["queue"])
        if rings is not None:
            rings[1].store(blank_entry(params["type"], params["fields"]))
            if params["notify"]:
                rings[1].notify()

    def _nqe(self, params: Params) -> None:
        rings = queue_rings(self._fw.resources, params["queue"])
        if rings is not None:
            cq = rings[1]
            handle = params["cq_handle"]
            cq.nq.post_nqe(cq.cq_handle if handle < 0 else handle & (1 << 64) - 1)

    def _dma_write(self, params: Params) -> None:
        length = min(max(params["length"], 0), _MAX_DMA_BYTES)
        self._function.dma.write(params["iova"] & (1 << 64) - 1, b"\xa5" * length, OTHER)

    def _dma_read(self, params: Params) -> None:
        length = min(max(params["length"], 0), _MAX_DMA_BYTES)
        self._function.dma.read(params["iova"] & (1 << 64) - 1, length, OTHER)
