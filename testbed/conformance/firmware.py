# SPDX-License-Identifier: GPL-2.0-only
"""What the firmware told the driver, out of an emulated card's trace: ``hwrm/COMMAND/member``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from testbed.report.trace import Record

_ENDS = ("_QCAPS", "_QCAPS_V2", "_QLIST", "_QPORTCFG")
_ASKED = frozenset({
    "VER_GET", "FUNC_QCFG", "NVM_GET_DEV_INFO", "NVM_GET_DIR_INFO", "ERROR_RECOVERY_QCFG",
    "TEMP_MONITOR_QUERY", "DBG_QCFG", "PORT_MAC_PTP_QCFG",
})  # fmt: skip
_TYPE = "type"
"""Member of the requests that ask for one thing of several."""
_OK = "SUCCESS"


def firmware_values(records: Iterable[Record]) -> dict[str, str]:
    """Of each command that asks what the card is, its first answer; of each refused, the error.

    Members that are 0 are left out.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for record in records:
        if record.kind == "hwrm":
            answer = dict(_answer(record.fields))
            named = {path.rpartition("/")[0] for path in answer}
            if not named & seen:
                found.update(answer)
            seen |= named
    return found


def _answer(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, error = str(fields.get("cmd")), str(fields.get("error"))
    if not (name.endswith(_ENDS) or name in _ASKED):
        if error != _OK:
            yield f"hwrm/{name}/error", error
        return
    request, response = fields.get("req"), fields.get("resp")
    if isinstance(request, Mapping) and _TYPE in request:
        name = f"{name} {request[_TYPE]}"
    yield f"hwrm/{name}/error", error
    if isinstance(response, Mapping):
        for member, value in response.items():
            yield f"hwrm/{name}/{member}", str(value)
