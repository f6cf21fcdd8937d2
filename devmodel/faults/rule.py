# SPDX-License-Identifier: GPL-2.0-only
"""One armed fault: whether it fires on an event, and what the event becomes."""

from __future__ import annotations

import operator
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from devmodel.faults.plan import FaultSpec, Scalars

Event = dict[str, Any]
"""Field name -> integer, text or boolean."""

HISTORY = 64
"""How many matching events ``earlier`` can look back."""

MAX_ACTS = 1000
"""Card actions of one fault at one instant: a guest that answers each by the event it fires on
would never come to the next."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "mask": lambda value, mask: bool(value & mask),
}
_COMPUTE: Mapping[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "xor": operator.xor,
    "and": operator.and_,
    "or": operator.or_,
}


def fits(event: Event, match: Scalars) -> bool:
    """Whether every condition holds; a field the event does not have fits nothing."""
    for key, wanted in match.items():
        if key not in event:
            return False
        value = event[key]
        if isinstance(wanted, Mapping):
            name, operand = next(iter(wanted.items()))
            try:
                good = _COMPARE[name](value, operand)
            except TypeError:
                return False
        elif isinstance(wanted, list):
            good = value in wanted
        else:
            good = value == wanted
        if not good:
            return False
    return True


class FaultRule:
    """A fault that is armed.

    :ivar considered: events of its point; ``matched``: those that fit; ``fired``: injections.
    :ivar waiting: deferred effects that are yet to happen.
    :ivar missing: fields it was to set on an event that has none such.
    """

    def __init__(self, spec: FaultSpec, seed: int, armed_ns: int) -> None:
        self.spec = spec
        self.considered = 0
        self.matched = 0
        self.fired = 0
        self.waiting = 0
        self.missing: set[str] = set()
        self._random = random.Random(f"{seed}/{spec.id}")
        self._not_before_ns = armed_ns + spec.when.after_ns
        looks_back = [
            change["earlier"]
            for change in spec.what.fields.values()
            if isinstance(change, Mapping) and "earlier" in change
        ]
        self._back = max(looks_back, default=0)
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._acted_ns = -1
        self._acts = 0

    @property
    def spent(self) -> bool:
        """It has fired as often as it may."""
        return bool(self.spec.times) and self.fired >= self.spec.times

    def fires(self, event: Event, now_ns: int) -> bool:
        """Count the event; True if the fault is to be injected now."""
        self.considered += 1
        when = self.spec.when
        if self.spent or not fits(event, when.match):
            return False
        self.matched += 1
        known = len(self._history)
        if self._back:
            self._history.append(event)
        if now_ns < self._not_before_ns or self.matched < when.nth or known < self._back:
            return False
        if when.every and (self.matched - when.nth) % when.every:
            return False
        if when.probability < 1.0 and self._random.random() >= when.probability:
            return False
        self.fired += 1
        return True

    def may_act(self, now_ns: int) -> bool:
        """Count one of its card actions; False for those that are too many at this instant."""
        if now_ns != self._acted_ns:
            self._acted_ns, self._acts = now_ns, 0
        self._acts += 1
        return self._acts <= MAX_ACTS

    def change(self, event: Event) -> Event:
        """A copy of ``event`` with the fields the fault sets."""
        changed = dict(event)
        for key, value in self.spec.what.fields.items():
            if key not in event:
                self.missing.add(key)
                continue
            changed[key] = self._value(event, key, value)
        return changed

    def _value(self, event: Event, key: str, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        name, operand = next(iter(value.items()))
        if name == "set":
            return operand
        if name == "random":
            return self._random.randint(operand[0], operand[1])
        if name in ("earlier", "field"):
            # The event itself is the last one of the history. An answer that refuses has no fields.
            source, wanted = (
                (self._history[-1 - operand], key) if name == "earlier" else (event, operand)
            )
            if wanted not in source:
                self.missing.add(wanted)
                return event[key]
            return source[wanted]
        old = event[key]
        return _COMPUTE[name](old, operand) if isinstance(old, int) else old

    def fields_of(self, event: Event, names: Iterable[str]) -> Event:
        """Those fields of ``event``; what it does not have is missing."""
        wanted = set(names)
        self.missing |= wanted - event.keys()
        return {name: event[name] for name in wanted & event.keys()}

    def status(self) -> dict[str, Any]:
        """Counts, as JSON types."""
        return {
            "id": self.spec.id,
            "where": self.spec.where,
            "action": self.spec.what.action.value,
            "considered": self.considered,
            "matched": self.matched,
            "fired": self.fired,
            "waiting": self.waiting,
            "missing_fields": sorted(self.missing),
        }
