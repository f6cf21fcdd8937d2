# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a card, in one line each, for the person who looks on; made of trace records.

A hostile guest decides how often something happens and what some fields say: lines of one sort are
limited, and every character is printable.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

Describe = Callable[[dict[str, Any]], str]
"""Makes a line of a record's fields; "" if there is nothing to say."""

MOST_ALIKE = 10
WINDOW_S = 60.0
LONGEST = 300
_UNTOLD = frozenset({"rule", "culprit", "caused_by", "cause", "unseen", "history", "events"})


def _violation(fields: dict[str, Any]) -> str:
    detail = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _UNTOLD)
    blame = fields.get("caused_by") or fields.get("culprit", "")
    return f"violation {fields.get('rule')}{f' ({blame})' if blame else ''}: {detail}"


def _disarmed(fields: dict[str, Any]) -> str:
    fired = ", ".join(f"{name} fired {n} times" for name, n in fields.get("fired", {}).items())
    return f"fault plan {fields.get('handle')} cleared: {fired}"


_OF_ANY_CARD: Mapping[str, Describe] = {
    "vfio_user_connected": lambda f: "guest's side connected",
    "guest_left": lambda f: (
        f"guest's side disconnected{_because(f.get('problem'))}; as after power-on for the next one"
    ),
    "client_refused": lambda f: "a second guest's side was refused: one is connected",
    "vfio_user_refused": lambda f: f"request of the guest's side refused: {f.get('why')}",
    "wire_connected": lambda f: "wire connected",
    "wire_closed": lambda f: "wire disconnected",
    "reset": lambda f: f"reset ({f.get('kind')})",
    "link": lambda f: f"link {'up' if f.get('up') else 'down'}",
    "present": lambda f: f"card {'present' if f.get('present') else 'gone'}",
    "violation": _violation,
    "faults_armed": lambda f: f"fault plan {f.get('handle')} armed: {', '.join(f.get('ids', ()))}",
    "faults_disarmed": _disarmed,
    "fault": lambda f: f"fault {f.get('id')} fired: {f.get('action')} at {f.get('point')}",
}


def _because(problem: object) -> str:
    return f", it broke the protocol: {problem}" if problem else ""


class News:
    """Hears of trace records and tells of some.

    :param tell: gets each line; must not wait, and not raise.
    :ivar of_card: lines about kinds of records that only this card has.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.of_card: Mapping[str, Describe] = {}
        self._tell = tell
        self._told: Counter[tuple[str, object]] = Counter()
        self._since_s = time.monotonic()

    def hear(self, kind: str, fields: dict[str, Any]) -> None:
        """A record of this kind was made."""
        describe = self.of_card.get(kind) or _OF_ANY_CARD.get(kind)
        line = describe(fields) if describe is not None else ""
        if not line:
            return
        now_s = time.monotonic()
        if now_s - self._since_s > WINDOW_S:
            self._told.clear()
            self._since_s = now_s
        sort = kind, fields.get("rule") or fields.get("id")
        self._told[sort] += 1
        if self._told[sort] > MOST_ALIKE:
            return
        if self._told[sort] == MOST_ALIKE:
            line += f" [more of these are not told for {WINDOW_S:.0f} s, but counted]"
        self._tell(_printable(line))


def _printable(text: str) -> str:
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)


class NewsPipe:
    """Writes lines to a pipe; what its reader does not take in time is lost, and said so."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._lost = 0

    def tell(self, line: str) -> None:
        """One line."""
        if self._lost:
            line = f"[{self._lost} lines lost] {line}"
        try:
            os.write(self._fd, line.encode(errors="replace") + b"\n")
            self._lost = 0
        except OSError:
            self._lost += 1


def account(state: Mapping[str, Any]) -> list[str]:
    """The answer to ``state`` as a few lines, for the end."""
    wire = state["wire"]
    counts = state["violations"]["counts"]
    fired: Counter[str] = Counter()
    for fault in state["faults"]["faults"]:
        fired[fault["id"]] += fault["fired"]
    lines = [
        f"guests: {state['guests']}; frames sent {wire.get('tx_frames', 0)}, "
        f"received {wire.get('rx_frames', 0)}",
        f"violations: {sum(counts.values())}"
        + "".join(f"; {rule} {count}" for rule, count in sorted(counts.items())),
    ]
    if fired:
        told = ", ".join(f"{name} {count}" for name, count in sorted(fired.items()))
        lines.append(f"faults fired: {told}")
    return [_printable(line) for line in lines]
