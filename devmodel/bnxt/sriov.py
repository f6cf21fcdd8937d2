# SPDX-License-Identifier: GPL-2.0-only
"""A card with virtual functions: they, the physical one, and the switch between them (SR-IOV)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from devmodel.bnxt.card import BnxtCard
from devmodel.bnxt.config_space import VF_MSIX_VECTORS, virtual_face
from devmodel.bnxt.hsi.func import FuncQcapsFlags, FuncQcapsFlagsExt, FuncQcapsFlagsExt2
from devmodel.bnxt.hsi.regs import FW_RESET
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.iov import FIRST_VF_FID, Iov, VirtualFunction
from devmodel.bnxt.nvm.media import Medium
from devmodel.bnxt.resources import IdPolicy
from devmodel.bnxt.switch import Switch, SwitchPort
from devmodel.bnxt.vf_channel import VfChannel
from devmodel.clock import Clock
from devmodel.net.train import Arrival
from devmodel.net.wire import Wire
from devmodel.pci.function import Function, ResetKind
from devmodel.trace import Trace


def _identity_of_vf(nic: Identity, index: int) -> Identity:
    """It has an address when the physical function gives it one, and what is not of the board."""
    return replace(
        nic,
        fid=FIRST_VF_FID + index,
        mac=bytes(6),
        virtual_functions=0,
        has_backing_store=False,
        limits=replace(nic.limits, msix=VF_MSIX_VECTORS),
        func_flags=nic.func_flags & FuncQcapsFlags.EXT_STATS_SUPPORTED,
        func_flags_ext=nic.func_flags_ext & FuncQcapsFlagsExt.EXT_HW_STATS_SUPPORTED,
        func_flags_ext2=FuncQcapsFlagsExt2(0),
    )


class VfCard(BnxtCard):
    """A virtual function. It is there while the physical one's SR-IOV capability says so."""

    def __init__(
        self, physical: PfCard, index: int, *, id_policy: IdPolicy, clock: Clock, oracle: bool
    ) -> None:
        self._physical = physical
        nic = _identity_of_vf(physical.firmware.identity, index)
        self._port = SwitchPort(physical.switch, None)
        super().__init__(
            nic=nic,
            id_policy=id_policy,
            clock=clock,
            trace=physical.trace.of_function(f"vf{index}"),
            wire=self._port,
            oracle=oracle,
            face=virtual_face(nic),
            link=physical.firmware.link,
        )
        iov = physical.iov
        self.hwrm = channel = VfChannel(self.firmware, iov)
        self.record = VirtualFunction(nic.fid, self.firmware, channel)
        iov.add(self.record)
        self._port.function = self.record
        self._port.resources = self.resources
        physical.switch.add(self._port)
        self.firmware.running = physical.firmware.running
        self.set_present(False)

    def set_present(self, present: bool) -> None:
        """It comes or goes; frames reach it only while it is there."""
        super().set_present(present)
        self._port.deliver = self.rx.receive if present else None

    @property
    def memory_space_enabled(self) -> bool:
        """The physical function's capability says it for all of them."""
        return bool(self._physical.config.get("SRIOV_CONTROL", "VF_MEMORY_SPACE_ENABLE"))

    def memory_space_changed(self) -> None:
        """It may have been enabled or disabled."""
        self._apply_power()

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        """As the physical one's, but it cannot restart the firmware."""
        if bar == 0 and offset == FW_RESET:
            self.trace.violation("reserved_register_write", bar=bar, offset=offset)
            return
        super().bar_write(bar, offset, data)


class PfCard(BnxtCard):
    """The physical function of a card that can show virtual ones.

    :ivar functions: those, there or not.
    """

    def __init__(
        self,
        *,
        nic: Identity,
        id_policy: IdPolicy,
        clock: Clock,
        trace: Trace,
        wire: Wire,
        oracle: bool = True,
        medium: Medium | None = None,
    ) -> None:
        self.functions: tuple[VfCard, ...] = ()
        self.switch = Switch(wire, clock, trace)
        super().__init__(
            nic=nic, id_policy=id_policy, clock=clock, trace=trace, wire=self.switch.physical,
            oracle=oracle, medium=medium,
        )  # fmt: skip
        self.switch.mac = self.mac
        self.switch.physical.resources = self.resources
        self.switch.physical.deliver = self.rx.receive
        self.iov = self.firmware.iov = Iov(self.firmware)
        self.functions = tuple(
            VfCard(self, index, id_policy=id_policy, clock=clock, oracle=oracle)
            for index in range(nic.virtual_functions)
        )
        self.config.watch("SRIOV_CONTROL", self._show_functions)

    @property
    def virtual_functions(self) -> Sequence[Function]:
        """Its VFs."""
        return self.functions

    def _show_functions(self) -> None:
        enabled = self.config.get("SRIOV_CONTROL", "VF_ENABLE")
        count = self.config.get("SRIOV_NUM_VFS") if enabled else 0
        for index, function in enumerate(self.functions):
            if function.is_present != (index < count):
                function.set_present(index < count)
            elif function.is_present:
                function.memory_space_changed()

    def reset(self, kind: ResetKind) -> None:
        """Its virtual functions go, too."""
        super().reset(kind)
        self._show_functions()

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Frames from the wire: the switch takes what is not for this function."""
        super().arrived(self.switch.arrived(arrivals))

    def flush(self) -> None:
        """A batch is over, for all functions."""
        super().flush()
        for function in self.functions:
            if function.is_present:
                function.flush()

    def state(self) -> dict[str, Any]:
        """Also of its virtual functions that are there."""
        present = {str(vf.record.fid): vf.state() for vf in self.functions if vf.is_present}
        return {**super().state(), "virtual_functions": present}
