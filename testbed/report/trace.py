# SPDX-License-Identifier: GPL-2.0-only
"""The card's trace (trace.jsonl) as records and as text.

The card's process wrote it, and much in it is the guest's: lines are bounded, what is no record is
counted and left out, and text is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import merge
from pathlib import Path
from typing import Any

from testbed.errors import UsageProblem
from testbed.host.terminal import escape
from testbed.report.limits import shorten_line

FILE_NAME = "trace.jsonl"
LINE_BYTES = 1 << 20


class Topic(StrEnum):
    """What a record is about, as ``--only`` has it."""

    HWRM = "hwrm"
    RESET = "reset"
    FAULT = "fault"
    VIOLATION = "violation"
    DOORBELL = "doorbell"
    DMA = "dma"
    COMPLETION = "completion"
    INTERRUPT = "interrupt"
    LINK = "link"
    CONFIG = "config"
    TRANSPORT = "transport"
    KERNEL = "kernel"
    OTHER = "other"


_TOPICS = {
    "hwrm": Topic.HWRM, "late_request": Topic.HWRM, "violation": Topic.VIOLATION,
    "late_doorbell": Topic.DOORBELL,
    "doorbell": Topic.DOORBELL, "interrupt": Topic.INTERRUPT,
    "reset": Topic.RESET, "present": Topic.RESET, "power_state": Topic.RESET,
    "unsettled": Topic.RESET, "link": Topic.LINK, "async_event": Topic.LINK,
    "wire_connected": Topic.LINK, "wire_closed": Topic.LINK, "config_write": Topic.CONFIG,
    "function_mask": Topic.CONFIG, "vfio_user_connected": Topic.TRANSPORT,
    "vfio_user_refused": Topic.TRANSPORT, "vhost_user_connected": Topic.TRANSPORT,
    "confined": Topic.TRANSPORT, "kernel": Topic.KERNEL,
}  # fmt: skip
_ACTIVITY = frozenset({"doorbell", "dma", "interrupt"})
"""Kinds that the card tells of at its end, whenever they were (devmodel.activity)."""

_COMPLETIONS = frozenset({"cqe", "nqe"})
_RING_KEYS = frozenset({
    "ring", "ring_id", "id", "cmpl_ring_id", "cp_ring", "nq_ring_id", "rx_ring_id", "rx_ring",
    "agg_ring_id", "tx_ring", "default_rx_ring_id", "default_cmpl_ring_id",
})  # fmt: skip
_NAMED = {
    "hwrm": "cmd", "violation": "rule", "fault": "id", "reset": "kind", "kernel": "text",
    "doorbell": "type", "dma": "purpose", "interrupt": "vector",
}  # fmt: skip
_TOLD = {
    "hwrm": frozenset({"cmd", "seq"}), "violation": frozenset({"rule"}),
    "kernel": frozenset({"text"}), "doorbell": frozenset({"type"}), "dma": frozenset({"purpose"}),
    "interrupt": frozenset({"vector"}),
}  # fmt: skip
"""What of a record its title says, or nobody wants to know."""
_HEAD = frozenset({"n", "t", "k"})


@dataclass(frozen=True)
class Record:
    """One thing the card told; ``t_ns`` on the card's clock."""

    number: int
    t_ns: int
    kind: str
    fields: Mapping[str, Any]

    @property
    def topic(self) -> Topic:
        """What it is about; a kind that begins with "fault" is of that."""
        if self.kind.startswith("fault"):
            return Topic.FAULT
        if self.kind == "dma":
            return Topic.COMPLETION if self.fields.get("purpose") in _COMPLETIONS else Topic.DMA
        return _TOPICS.get(self.kind, Topic.OTHER)

    @property
    def title(self) -> str:
        """What happened, in a word or two."""
        word = self.fields.get(_NAMED.get(self.kind, ""), "")
        return escape(f"{self.kind} {word}".rstrip())

    @property
    def is_activity(self) -> bool:
        """Told at the end, not when it happened."""
        return self.kind in _ACTIVITY

    def is_about_ring(self, ring: int) -> bool:
        """Whether one of its fields, or of those of request and response, names that ring."""
        parts = [self.fields, self.fields.get("req"), self.fields.get("resp")]
        return any(
            isinstance(part, Mapping) and any(part.get(key) == ring for key in _RING_KEYS)
            for part in parts
        )

    def line(self) -> str:
        """All of it in one line."""
        told = _TOLD.get(self.kind, frozenset())
        rest = " ".join(_pair(key, v) for key, v in self.fields.items() if key not in told)
        text = f"{self.t_ns / 1e9:14.9f}  {self.title}  {escape(rest)}"
        return shorten_line(text.rstrip())


def _pair(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        inner = " ".join(_pair(name, one) for name, one in value.items())
        return f"{key}{{{inner}}}"
    return f"{key}={value if isinstance(value, str | int) else json.dumps(value)}"


@dataclass
class Reader:
    """The records of one file, in order; ``skipped`` counts the lines that are none."""

    file: Path
    skipped: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Record]:
        try:
            with self.file.open("rb") as stream:
                while line := stream.readline(LINE_BYTES):
                    record = _parse(line) if line.endswith(b"\n") else None
                    if record is None:
                        self.skipped += 1
                    else:
                        yield record
        except OSError as err:
            raise UsageProblem(f"{self.file} cannot be read: {err.strerror}") from err

    def by_time(self) -> Iterator[Record]:
        """The records, what the card did last among the others."""
        last = (record for record in Reader(self.file) if record.is_activity)
        rest = (record for record in self if not record.is_activity)
        return merge(rest, last, key=lambda record: record.t_ns)


def _parse(line: bytes) -> Record | None:
    try:
        found = json.loads(line, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    number, t_ns, kind = found.get("n"), found.get("t"), found.get("k")
    if type(number) is not int or type(t_ns) is not int or not isinstance(kind, str):
        return None
    rest = {key: value for key, value in found.items() if key not in _HEAD}
    return Record(number, t_ns, kind, rest)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which records are wanted: of these topics (empty: all), that ring, that time in seconds."""

    only: frozenset[Topic] = frozenset()
    ring: int | None = None
    since_s: float = 0.0
    until_s: float | None = None

    def takes(self, record: Record) -> bool:
        """Whether it is wanted."""
        return (
            (not self.only or record.topic in self.only)
            and (self.ring is None or record.is_about_ring(self.ring))
            and record.t_ns >= self.since_s * 1e9
            and (self.until_s is None or record.t_ns <= self.until_s * 1e9)
        )


def traces_of(run: Path) -> list[Path]:
    """The trace files of a run directory, or the one that is named. Raises UsageProblem."""
    if run.is_file():
        return [run]
    found = sorted(path for path in run.rglob(FILE_NAME) if path.is_file())
    if not found:
        raise UsageProblem(
            f"{run}: there is no {FILE_NAME}",
            remedy="name a run directory (testbed runs list), or the file itself",
        )
    return found
