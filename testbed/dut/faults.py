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


def granting(what: str, most: int) -> dict[str, Any]:
    """A fault: from the next open on the firmware grants no more of that (`Reservation`)."""
    do = {"action": "card", "do": "grant", "params": {"what": what, "most": most}}
    return {"where": "now", "what": do}


GRANTING_ALL = granting("", -1)
"""The same with all there is of everything."""
