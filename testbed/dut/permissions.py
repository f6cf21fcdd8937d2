# SPDX-License-Identifier: GPL-2.0-only
"""What a machine's owner has not allowed is not done, whoever forgot to ask."""

from __future__ import annotations

from testbed.dut.protocols import Capability, Dut


class RequirementMissing(Exception):
    """The set-up lacks a capability or a permission: a skip, not a failure. Its text names it."""


def require_permission(dut: Dut, capability: Capability) -> None:
    """Raise RequirementMissing unless ``dut`` has ``capability``, before anything is changed."""
    if capability not in dut.capabilities:
        raise RequirementMissing(capability.value)
