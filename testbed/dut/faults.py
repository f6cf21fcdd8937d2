# SPDX-License-Identifier: GPL-2.0-only
"""What a test may do with the fixture ``faults``, wherever the faults come from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Faults(Protocol):
    """Scripted faults of the NIC under test."""

    def inject(self, *faults: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Arm for a block."""


FAIL, RESOURCE_ALLOC_ERROR, BUSY = 1, 4, 16
"""What firmware refuses a command with (HWRM_ERR_CODE_... of bnxt_hsi.h)."""


def refusing(
    command: str, error: int = FAIL, *, nth: int = 1, times: int = 1, **match: object
) -> dict[str, Any]:
    """A fault: the firmware refuses that HWRM command with ``error``, from the ``nth`` that has
    these fields on, so many times; 0 is without limit."""
    when = {"match": {"cmd": command, **match}, "nth": nth}
    what = {"action": "set", "fields": {"refuse": error}}
    return {"where": "hwrm.request", "when": when, "what": what, "times": times}


def granting(what: str, most: int) -> dict[str, Any]:
    """A fault: from the next open on the firmware grants no more of that (`Reservation`)."""
    do = {"action": "card", "do": "grant", "params": {"what": what, "most": most}}
    return {"where": "now", "what": do}


GRANTING_ALL = granting("", -1)
"""The same with all there is of everything."""
