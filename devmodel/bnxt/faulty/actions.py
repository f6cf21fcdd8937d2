# SPDX-License-Identifier: GPL-2.0-only
"""What this card does of its own when a fault asks it to, besides what any function does."""

from __future__ import annotations

from devmodel.bnxt.entry_events import blank_entry
from devmodel.bnxt.faulty.receive import queue_rings
from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.regs import FW_STATUS_HEALTHY
from devmodel.bnxt.hsi.ring import HwrmAsyncEventCmpl
from devmodel.pci.fault_actions import FunctionActions, Params
from devmodel.pci.network import NetworkFunction


class CardActions(FunctionActions):
    """The actions of one card; call it with name and parameters.

    :ivar fw_status: value of the firmware status register.
    """

    def __init__(self, function: NetworkFunction, firmware: Firmware, fw_status: int) -> None:
        super().__init__(
            function,
            {
                "async_event": self._async_event,
                "health": self._health,
                "func_reset": lambda p: firmware.reset(),
                "fw_restart": lambda p: firmware.restart(),
                "grant": lambda p: firmware.grant(p["what"], p["most"]),
                "partner": self._partner,
                "pulse": lambda p: firmware.pps.pulse(p["pin"]),
                "cqe": self._cqe,
                "nqe": self._nqe,
            },
        )
        self.fw_status = fw_status
        self._fw = firmware

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
        if self.fw_status != FW_STATUS_HEALTHY:
            self._fw.debug.write_crash_dump(self.fw_status)

    def _partner(self, params: Params) -> None:
        self._function.set_partner({key: value for key, value in params.items() if value})

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
