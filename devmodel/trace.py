# SPDX-License-Identifier: GPL-2.0-only
"""Typed event records, violations and counters; the only way the card reports anything."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol

from devmodel.activity import Activity

Explain = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Makes a verdict of a violation: (rule, its fields) -> further fields of the record."""


class TextSink(Protocol):
    """Where records go, one JSON object per line."""

    def write(self, text: str, /) -> object: ...


class Trace:
    """Event log of one card.

    ``unknown_commands`` counts requests of the driver that the card does not know, by their code.
    Of those it knows and refuses, ``refused_commands`` counts what the real one refuses, too, and
    ``missing_commands`` what only the model lacks, by their names.

    Records are JSON objects ``{"n": ordinal, "t": virtual ns, "k": kind, ...}``. Violations (the
    guest did something illegal) are records of kind ``violation``, counted per rule and kept, at
    most ``MAX_KEPT`` of them, so that a hostile guest cannot make the card grow.

    While ``cause`` names an injected fault, the card acts on its behalf: a violation then is not
    the guest's. It is recorded with ``caused_by`` and counted in ``caused_counts``.

    ``explain`` turns violations into verdicts (:mod:`devmodel.oracle`), from what it knows and from
    ``recent``: the last records and doorbells, kept only while there is someone to ask for them.

    ``about_frame`` takes a frame that the card receives and what is said of it: where it goes, or
    what befell it. None: nobody writes that down, and nobody need say it.

    ``activity`` keeps what is too frequent for the trace, until :meth:`tell_activity`. None: nobody
    wants to know.

    ``listener`` hears of every record, with kind and fields, whether or not there is a sink.

    ``digest`` is a hash over everything that happened: the records, and what transports and wire
    add to it. Two runs with one digest were the same run. With asynchronous timing, where no run
    repeats, the wire adds nothing: a hash of every frame costs more than its journey.
    """

    MAX_KEPT = 1000
    MAX_BYTES = 256 << 20
    RECENT = 40

    def __init__(self, sink: TextSink | None = None, *, keeps_activity: bool = False) -> None:
        self.now: Callable[[], int] = lambda: 0
        self.cause = ""
        self.explain: Explain | None = None
        self.listener: Callable[[str, dict[str, Any]], None] | None = None
        self.activity = Activity(lambda: self.now()) if keeps_activity else None
        self.about_frame: Callable[[bytes | memoryview, str], None] | None = None
        self.recent: deque[tuple[int, str, dict[str, Any]]] = deque(maxlen=self.RECENT)
        self.violation_counts: Counter[str] = Counter()
        self.caused_counts: Counter[str] = Counter()
        self.unknown_commands: Counter[int] = Counter()
        self.refused_commands: Counter[str] = Counter()
        self.missing_commands: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        self._violations: deque[dict[str, Any]] = deque(maxlen=self.MAX_KEPT)
        self._sink = sink
        self._written = 0
        self._ordinal = 0
        self._hash = hashlib.sha256()

    def commands_not_carried_out(self) -> dict[str, dict[str, int]]:
        """The three counts of commands, for JSON."""
        return {
            "unknown_commands": {str(code): n for code, n in self.unknown_commands.items()},
            "refused_commands": dict(self.refused_commands),
            "missing_commands": dict(self.missing_commands),
        }

    def emit(self, kind: str, /, **fields: Any) -> None:
        """Write one record. Values must be JSON types.

        The listener comes last: whoever ends the card for what it hears finds the record written.
        """
        self._ordinal += 1
        self._write(kind, fields)
        if self.listener is not None:
            self.listener(kind, fields)

    def _write(self, kind: str, fields: dict[str, Any]) -> None:
        if self.explain is not None and kind != "violation":
            self.recent.append((self.now(), kind, fields))
        if self._sink is None or self._written > self.MAX_BYTES:
            return
        line = json.dumps({"n": self._ordinal, "t": self.now(), "k": kind, **fields}) + "\n"
        self._written += len(line)
        self._hash.update(line.encode())
        self._sink.write(line)

    def remark(self, kind: str, /, **fields: Any) -> None:
        """A record about the host, not the guest: not numbered, and not in the digest."""
        if self._sink is not None:
            self._sink.write(
                json.dumps({"n": self._ordinal, "t": self.now(), "k": kind, **fields}) + "\n"
            )

    def tell_activity(self) -> None:
        """Write what the card did last: remarks, each with the time when it happened."""
        if self.activity is not None and self._sink is not None:
            for time, kind, fields in self.activity.take():
                line = {"n": self._ordinal, "t": time, "k": kind, **fields}
                self._sink.write(json.dumps(line) + "\n")

    def record(self, data: bytes | memoryview) -> None:
        """Something happened that is too frequent for a record of its own: into the digest."""
        self._hash.update(data)

    @property
    def digest(self) -> str:
        """SHA-256 of everything so far, in hexadecimal."""
        return self._hash.hexdigest()

    def violation(self, rule: str, /, **detail: Any) -> None:
        """The guest broke ``rule`` (a stable lower_snake name); ``detail`` says how."""
        counts = self.caused_counts if self.cause else self.violation_counts
        counts[rule] += 1
        if counts[rule] > self.MAX_KEPT:
            return
        if self.explain is not None:
            detail |= self.explain(rule, detail)
        if self.cause:
            self.emit("violation", rule=rule, caused_by=self.cause, **detail)
        else:
            self.emit("violation", rule=rule, **detail)
            self._violations.append({"rule": rule, "t": self.now(), **detail})

    def of_function(self, name: str) -> Trace:
        """The same log, in which one of several functions signs its records."""
        return _FunctionTrace(self, name)

    @property
    def violations(self) -> list[dict[str, Any]]:
        """The violations kept, oldest first."""
        return list(self._violations)


class _FunctionTrace(Trace):
    """Records of one function, in the log of the card: counts and records are the card's."""

    def __init__(self, card: Trace, name: str) -> None:
        super().__init__()
        self.now = lambda: card.now()
        self.violation_counts = card.violation_counts
        self.caused_counts = card.caused_counts
        self.unknown_commands = card.unknown_commands
        self.refused_commands = card.refused_commands
        self.missing_commands = card.missing_commands
        self.counters = card.counters
        self._violations = card._violations
        self._card = card
        self._name = name
        if card.activity is not None:
            self.activity = card.activity.of_function(name)

    def emit(self, kind: str, /, **fields: Any) -> None:
        if self.explain is not None and kind != "violation":
            self.recent.append((self.now(), kind, fields))
        self._card.emit(kind, **{"function": self._name, **fields})

    def remark(self, kind: str, /, **fields: Any) -> None:
        self._card.remark(kind, **fields)

    def record(self, data: bytes | memoryview) -> None:
        self._card.record(data)

    @property
    def digest(self) -> str:
        return self._card.digest

    def violation(self, rule: str, /, **detail: Any) -> None:
        super().violation(rule, **{"function": self._name, **detail})
