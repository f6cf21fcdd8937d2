# SPDX-License-Identifier: GPL-2.0-only
"""What of the firmware's records a person wants to hear of: which driver it is, when it comes and
goes (devmodel.news).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def _hwrm(fields: dict[str, Any]) -> str:
    request = fields["req"]
    refused = "" if fields["error"] == "SUCCESS" else f", refused: {fields['error']}"
    command = fields["cmd"]
    if command == "VER_GET":
        line = f"HWRM_VER_GET: the driver's HWRM is {_version(request, 'hwrm_intf_')}"
    elif command == "FUNC_DRV_RGTR":
        line = f"driver registered: version {_version(request, 'ver_')}"
    elif command == "FUNC_DRV_UNRGTR":
        line = "driver unregistered"
    elif command == "FUNC_RESET":
        line = "driver resets the function"
    else:
        return ""
    return line + refused


def _version(request: Mapping[str, Any], prefix: str) -> str:
    return ".".join(str(request.get(prefix + part, 0)) for part in ("maj", "min", "upd"))


NEWS: Mapping[str, Callable[[dict[str, Any]], str]] = {"hwrm": _hwrm}
"""Kind of record -> what makes a line of it."""
