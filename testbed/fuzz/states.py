# SPDX-License-Identifier: GPL-2.0-only
"""Where the card has been in a run, as words: what happened to it in which order, and what was
injected while it was there.

Their number is bounded by the card: pairs of commands, kinds of faults, and few places to be in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_BORING = frozenset({"FUNC_QSTATS", "PORT_QSTATS", "PORT_QSTATS_EXT", "STAT_CTX_QUERY"})
"""Commands that a timer sends: they say nothing of where the driver is."""

_RING_TYPES = {0: "CQ", 1: "TX", 2: "RX", 4: "AGG", 5: "NQ"}
_TIMES = (1, 2, 8, 64, 512)


def states(records: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Words of a card's trace."""
    return frozenset(_words(records))


def _words(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    before, armed = "BOOT", False
    fired: dict[str, int] = {}
    for record in records:
        match record["k"]:
            case "faults_armed":
                armed = True
            case "faults_disarmed":
                armed = False
                before = f"{before}'"
            case "hwrm":
                command = _command(record)
                if command.split(".")[0] in _BORING:
                    continue
                failed = "" if record["error"] == "SUCCESS" else "!"
                # while a fault is armed, the same path is another one once it has fired
                active = "*" if fired else "" if armed else "-"
                yield f"hwrm{active}:{before}>{command}{failed}"
                before = command + failed
            case "fault":
                place = _place(record)
                fired[place] = fired.get(place, 0) + 1
                if fired[place] in _TIMES:
                    yield f"fault:{place}@{before}x{fired[place]}"
            case "violation":
                yield f"violation:{record['rule']}{'~' if 'caused_by' in record else ''}@{before}"
            case "fault_effect" | "late_doorbell" | "rx_does_not_fit" | "reset" | "power_state":
                yield f"{record['k']}:{record.get('kind', '')}@{before}"
            case "async_event":
                yield f"event:{record['event']}@{before}"


def _command(record: Mapping[str, Any]) -> str:
    """With the kind of ring, which makes another command of it."""
    command = str(record["cmd"])
    if command not in ("RING_ALLOC", "RING_FREE"):
        return command
    kind = record["req"].get("ring_type", 0)
    return f"{command}.{_RING_TYPES.get(kind, kind)}"


def _place(record: Mapping[str, Any]) -> str:
    """What was injected: the point, the act, and what kind of event it was."""
    event = record["event"]
    what = event.get("cmd") or event.get("type") or event.get("purpose") or ""
    return f"{record['point']}/{record['action']}" + (f"/{what}" if what else "")
