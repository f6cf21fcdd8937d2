# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts: a rule that was broken, whose fault it is, and what led to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from devmodel.dma import DmaSpace
from devmodel.oracle.rules import UNLISTED, Culprit, RuleTable
from devmodel.trace import Trace

EXPLAINED_PER_RULE = 16
"""So many verdicts of a rule carry their history; the others are only counted and recorded."""
_EVENT_CHARACTERS = 200
_FIELDS_OF_EVENT = {"ring": "ring", "id": "ring_id", "queue": "queue"}
"""Field of a verdict -> the field in which the event of a fault agrees that led to it."""

Describe = Callable[[dict[str, Any]], str]
"""One line about a trace record, of its fields."""


class Verdicts:
    """Makes verdicts of violations; see :mod:`devmodel.oracle.rules`.

    :param rules: every rule that :meth:`tell` is called with.
    :param describe: by kind of trace record, for kinds that read badly as ``key=value``.
    :param history: what is remembered about an address.
    """

    def __init__(
        self,
        dma: DmaSpace,
        trace: Trace,
        rules: RuleTable,
        describe: Mapping[str, Describe],
        history: Callable[[int], list[str]],
    ) -> None:
        self._dma = dma
        self._trace = trace
        self._rules = rules
        self._describe = describe
        self._history = history
        self._explained: Counter[str] = Counter()
        trace.explain = self._explain

    def tell(self, rule: str, detail: Mapping[str, Any]) -> None:
        """The rule was broken.

        A breach by the card is the card's, unless a fault fired at a point that leads to it, and
        on the same ring.
        """
        trace = self._trace
        points = self._rules[rule].points
        fault = ""
        if points and not trace.cause:
            known = {_FIELDS_OF_EVENT[k]: v for k, v in detail.items() if k in _FIELDS_OF_EVENT}
            fault = self._dma.faults.injected_at(points, known)
        if not fault:
            trace.violation(rule, **detail)
            return
        trace.cause = fault
        trace.violation(rule, **detail)
        trace.cause = ""

    def _explain(self, rule: str, detail: dict[str, Any]) -> dict[str, Any]:
        """What a violation record carries besides its own fields."""
        known = self._rules.get(rule, UNLISTED)
        culprit = Culprit.INJECTED_FAULT if self._trace.cause else known.culprit
        more: dict[str, Any] = {"culprit": culprit.value}
        self._explained[rule] += 1
        if self._explained[rule] > EXPLAINED_PER_RULE:
            return more
        if known.cause:
            more["cause"] = known.cause
        if known.unseen:
            more["unseen"] = known.unseen
        address = detail.get("address")
        if isinstance(address, int):
            more["history"] = self._history(address)
        more["events"] = [self._event(*entry) for entry in self._trace.recent]
        return more

    def _event(self, ns: int, kind: str, fields: dict[str, Any]) -> str:
        describe = self._describe.get(kind)
        if describe is not None:
            return f"{seconds(ns)} {describe(fields)}"[:_EVENT_CHARACTERS]
        words = " ".join(f"{key}={value}" for key, value in fields.items())
        return f"{seconds(ns)} {kind} {words}"[:_EVENT_CHARACTERS]


def seconds(ns: int) -> str:
    """Virtual time as it is shown."""
    return f"{ns / 1e9:.6f} s"
