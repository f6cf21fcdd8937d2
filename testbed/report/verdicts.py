# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts of the card's oracle as text a developer can act on (docs/oracle.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MAX_SHOWN = 8
_LAST_EVENTS = 16
_ADDRESSES = frozenset({"address", "iova"})
_BLOCKS = frozenset({"rule", "t", "culprit", "cause", "unseen", "history", "events", "caused_by"})


def describe(record: Mapping[str, Any]) -> str:
    """One violation record of the card's state or trace, as several lines."""
    culprit = record.get("culprit")
    head = f"{record['rule']} at {record['t'] / 1e9:.6f} s"
    lines = [f"{head}: {culprit}" if culprit else head]
    if "caused_by" in record:
        lines.append(f"  caused by: injected fault {record['caused_by']}")
    details = [f"{key} {_value(key, v)}" for key, v in record.items() if key not in _BLOCKS]
    if details:
        lines.append(f"  where: {', '.join(details)}")
    lines += [
        f"  {title}: {record[key]}"
        for key, title in (("cause", "likely cause"), ("unseen", "not visible here"))
        if record.get(key)
    ]
    lines += _block("history of the buffer", record.get("history", ()))
    lines += _block("just before", list(record.get("events", ()))[-_LAST_EVENTS:])
    return "\n".join(lines)


def describe_all(records: Iterable[Mapping[str, Any]]) -> str:
    """The first few records, and how many more there are."""
    every = list(records)
    parts = [describe(record) for record in every[:MAX_SHOWN]]
    if len(every) > MAX_SHOWN:
        parts.append(f"... and {len(every) - MAX_SHOWN} more, see trace.jsonl")
    return "\n\n".join(parts)


def _value(key: str, value: object) -> str:
    return f"{value:#x}" if key in _ADDRESSES and isinstance(value, int) else str(value)


def _block(title: str, lines: Iterable[str]) -> list[str]:
    indented = [f"    {line}" for line in lines]
    return [f"  {title}:", *indented] if indented else []
