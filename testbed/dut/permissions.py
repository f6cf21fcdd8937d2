# SPDX-License-Identifier: GPL-2.0-only
"""What a machine's owner has not allowed is not done, whoever forgot to ask."""

from __future__ import annotations

from testbed.dut.protocols import Capability, Dut


class LacksLeave(Exception):
    """A test began something that is not allowed on this machine: a skip, not a failure."""

    def __init__(self, capability: Capability) -> None:
        super().__init__(capability.value)
        self.capability = capability


def need_leave(dut: Dut, capability: Capability) -> None:
    """Raise LacksLeave unless ``dut`` has ``capability``, before anything has happened."""
    if capability not in dut.capabilities:
        raise LacksLeave(capability)
