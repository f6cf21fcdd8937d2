# SPDX-License-Identifier: GPL-2.0-only
"""The fault engine: events pass through it while a plan is armed, and come out changed.

The card asks ``armed`` first, so that an unarmed engine costs one attribute per event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from devmodel.clock import Clock
from devmodel.errors import DmaFault
from devmodel.faults.plan import MAX_COPIES, FaultPlan, Trigger
from devmodel.faults.points import NOW, Action, FaultRegistry
from devmodel.faults.rule import Event, FaultRule, fits
from devmodel.trace import Trace

R = TypeVar("R")
Perform = Callable[[Event], R]
CardActor = Callable[[str, Mapping[str, Any]], None]
"""Does a card action: (name, parameters); see :class:`devmodel.faults.points.CardAction`."""

MAX_KEPT = 1000
MAX_WAITING = 4096
"""Deferred effects at once; what comes on top happens at once."""
MAX_NESTED = 8
"""Card actions within card actions; what comes on top is on record, and does nothing."""


@dataclass(slots=True)
class _Delivery:
    """An event on its way: as it is (cause empty) or because of a fault."""

    event: Event
    cause: str = ""


@dataclass(slots=True, eq=False)
class _Waiting:
    """Something deferred until a trigger's event."""

    trigger: Trigger
    same: Event
    left: int
    call: Callable[[], None]
    handle: int


class FaultEngine:
    """All armed plans of one card.

    :ivar registry: what its plans can name.
    :ivar armed: something is armed; ``points``: the points that matter then.
    :ivar is_late: what is being performed was deferred, so nobody else flushes it.
    :ivar card_actor: set by the card, as is ``find_ring``: (point, id) -> the ring with that id
        whose entries pass the point, or None.
    """

    def __init__(self, clock: Clock, trace: Trace, registry: FaultRegistry) -> None:
        self.registry = registry
        self.armed = False
        self.points: frozenset[str] = frozenset()
        self.is_late = False
        self.card_actor: CardActor = lambda name, params: None
        self.find_ring: Callable[[str, int], Any] = lambda point, ring_id: None
        self.injections = 0
        self._nested = 0
        self._clock = clock
        self._trace = trace
        self._handles = 0
        self._rules: dict[int, list[FaultRule]] = {}
        self._plans: dict[int, FaultPlan] = {}
        self._by_point: dict[str, list[FaultRule]] = {}
        self._waiting: list[_Waiting] = []
        self._past: list[dict[str, Any]] = []
        self._kept: deque[dict[str, Any]] = deque(maxlen=MAX_KEPT)

    @property
    def holds_for_a_time(self) -> bool:
        """Whether an effect of what is armed waits for a time, not for an event."""
        armed = (rule for rules in self._rules.values() for rule in rules)
        return any(rule.waiting and rule.spec.what.until is None for rule in armed)

    # -- arming -----------------------------------------------------------------------------
    def arm(self, plan: FaultPlan) -> int:
        """Arm every fault of ``plan``; returns a handle for :meth:`disarm`."""
        self._handles += 1
        self._arm(self._handles, plan)
        return self._handles

    def take_over(self, earlier: FaultEngine) -> None:
        """Arm anew what is armed in the engine of an earlier card, under the same handles.

        What it counted becomes the past.
        """
        past = earlier.status()
        self._past = [{**one, "armed": False} for one in past["faults"]][-MAX_KEPT:]
        self._kept.extend(earlier._kept)
        self._handles = earlier._handles
        self.injections = earlier.injections
        for handle, plan in earlier._plans.items():
            self._arm(handle, plan)

    def _arm(self, handle: int, plan: FaultPlan) -> None:
        self._plans[handle] = plan
        seed = self._clock.seed if plan.seed is None else plan.seed
        rules = [FaultRule(spec, seed, self._clock.now_ns) for spec in plan.faults]
        self._rules[handle] = rules
        self._trace.emit("faults_armed", handle=handle, ids=[spec.id for spec in plan.faults])
        self._look_again()
        for rule in rules:
            if rule.spec.where == NOW.name:
                self._begin(rule, handle)

    def _begin(self, rule: FaultRule, handle: int) -> None:
        """The point "now"."""

        def fire() -> None:
            if handle in self._rules and rule.fires({}, self._clock.now_ns):
                self._apply(rule, [_Delivery({})], lambda event: None)

        after_ns = rule.spec.when.after_ns
        if after_ns:
            self._clock.call_later(after_ns, fire, background=True)
        else:
            fire()

    def disarm(self, handle: int) -> list[dict[str, Any]]:
        """Forget the plan, and what waits because of it; returns the last status of its faults.

        Raises KeyError for a handle that is not armed.
        """
        rules = self._rules.pop(handle)
        del self._plans[handle]
        last = [{"handle": handle, "armed": False, **rule.status()} for rule in rules]
        self._past = [*self._past, *last][-MAX_KEPT:]
        self._waiting = [w for w in self._waiting if w.handle != handle]
        self._trace.emit(
            "faults_disarmed", handle=handle, fired={r["id"]: r["fired"] for r in last}
        )
        self._look_again()
        return last

    def status(self) -> dict[str, Any]:
        """Every fault armed now or before, with its counts, and the last injections."""
        current = [
            {"handle": handle, "armed": True, **rule.status()}
            for handle, rules in self._rules.items()
            for rule in rules
        ]
        faults = [*self._past, *current]
        return {
            "armed": self.armed,
            "injections": self.injections,
            "faults": faults,
            "never_fired": [f["id"] for f in faults if not f["fired"]],
            "kept": list(self._kept),
        }

    def injected_at(self, points: Collection[str], known: Event) -> str:
        """Id of the fault that last fired at one of ``points``, while plans are armed; or empty.

        :param known: fields the event must agree in, if it has them: its ring, its queue.
        """
        if not self.armed:
            return ""
        for record in reversed(self._kept):
            event = record["event"]
            if record["point"] in points and all(
                event.get(key, value) == value for key, value in known.items()
            ):
                return str(record["id"])
        return ""

    def tell_of(self, frame: bytes | memoryview, earlier: int) -> None:
        """Say of a frame which faults hit it: the injections after the first ``earlier`` ones."""
        about = self._trace.about_frame
        count = min(self.injections - earlier, len(self._kept))
        if about is not None:
            for one in islice(self._kept, len(self._kept) - count, None):
                about(frame, f"fault {one['id']}: {one['action']}")

    def _look_again(self) -> None:
        self._by_point = {}
        for rules in self._rules.values():
            for rule in rules:
                self._by_point.setdefault(rule.spec.where, []).append(rule)
        points = set(self._by_point) | {w.trigger.where for w in self._waiting}
        self.points = frozenset(points)
        self.armed = bool(self._rules)

    # -- events -----------------------------------------------------------------------------
    def pass_on(self, point: str, event: Event, perform: Perform[R], nothing: R) -> R:
        """Let an event of ``point`` happen, as the armed faults will have it.

        :param perform: makes it happen with the fields given; it may be called never, later, or
            several times.
        :returns: what the last ``perform`` returned, or ``nothing`` without one.
        """
        earlier = self._waiting.copy()
        self._release(point, event, earlier, before=True)
        deliveries = [_Delivery(event)]
        for rule in self._by_point.get(point, ()):
            if rule.fires(event, self._clock.now_ns):
                deliveries = self._apply(rule, deliveries, perform)
        result = nothing
        for delivery in deliveries:
            result = self._perform(delivery, perform, nothing)
        self._release(point, event, earlier, before=False)
        return result

    def consult(self, point: str, event: Event) -> Event | None:
        """The event as armed faults will have it, None if it is not to happen.

        For points whose actions are ``set``, ``drop`` and ``card`` only.
        """
        return self.pass_on(point, event, lambda changed: changed, None)

    def _apply(
        self, rule: FaultRule, deliveries: list[_Delivery], perform: Perform[Any]
    ) -> list[_Delivery]:
        what = rule.spec.what
        cause = rule.spec.id
        before = deliveries[0].event if deliveries else {}
        after = before
        if what.action is Action.SET:
            for delivery in deliveries:
                delivery.event = rule.change(delivery.event)
                delivery.cause = cause
            after = deliveries[0].event if deliveries else {}
        elif what.action is Action.DROP:
            deliveries = []
        elif what.action is Action.DUPLICATE:
            originals = (d for d in deliveries for _ in range(what.count))
            copies = [_Delivery(rule.change(d.event), cause) for d in islice(originals, MAX_COPIES)]
            after = copies[0].event if copies else {}
            if what.after_ns or what.until is not None:
                self._defer(rule, before, copies, perform)
            else:
                both = [*copies, *deliveries] if what.first else [*deliveries, *copies]
                deliveries = both[:MAX_COPIES]  # several such faults at one event multiply
        elif what.action is Action.HOLD:
            for delivery in deliveries:
                delivery.cause = cause
            self._defer(rule, before, deliveries, perform)
            deliveries = []
        self._record(rule, before, after)
        if what.action is Action.CARD:
            self._act(rule, before)
        return deliveries

    def _record(self, rule: FaultRule, before: Event, after: Event) -> None:
        self.injections += 1
        spec = rule.spec
        changed = {key: value for key, value in after.items() if before.get(key) != value}
        record = {
            "injection": self.injections,
            "id": spec.id,
            "point": spec.where,
            "action": spec.what.do or spec.what.action.value,
            "event": before,
            "changed": changed,
        }
        self._trace.emit("fault", **record)
        self._kept.append({"t": self._clock.now_ns, **record})

    def _perform(self, delivery: _Delivery, perform: Perform[R], nothing: R) -> R:
        if not delivery.cause:
            return perform(delivery.event)
        return self.on_behalf(delivery.cause, partial(perform, delivery.event), nothing)

    @property
    def cause(self) -> str:
        """The fault that is to blame for what is being done; empty if none is."""
        return self._trace.cause

    def on_behalf(self, cause: str, work: Callable[[], R], nothing: R) -> R:
        """Have the fault ``cause`` to blame for ``work``: DMA that fails is an effect of it."""
        outer, self._trace.cause = self._trace.cause, cause
        try:
            return work()
        except DmaFault as fault:
            self._trace.emit("fault_effect", id=cause, detail=str(fault))
            return nothing
        finally:
            self._trace.cause = outer

    def leave_out(self, cause: str, why: str) -> None:
        """Say that something is not done for which that fault is to blame."""
        self._trace.emit("fault_effect", id=cause, detail=why)

    # -- later ------------------------------------------------------------------------------
    def _act(self, rule: FaultRule, fired_on: Event) -> None:
        what = rule.spec.what

        def act(event: Event) -> None:
            # what it does may be an event for it again: here, or by way of the guest
            if self._nested >= MAX_NESTED or not rule.may_act(self._clock.now_ns):
                return
            self._nested += 1
            try:
                self.card_actor(what.do, what.params)
            finally:
                self._nested -= 1

        delivery = _Delivery({}, rule.spec.id)
        if what.after_ns or what.until is not None:
            self._defer(rule, fired_on, [delivery], act)
        else:
            self._perform(delivery, act, None)

    def _defer(
        self,
        rule: FaultRule,
        fired_on: Event,
        deliveries: Iterable[_Delivery],
        perform: Perform[Any],
    ) -> None:
        what = rule.spec.what
        handle = next(h for h, rules in self._rules.items() if rule in rules)
        late = list(deliveries)
        rule.waiting += len(late)

        def happen() -> None:
            if handle not in self._rules:
                return
            rule.waiting -= len(late)
            self._trace.emit("fault_late", id=rule.spec.id, events=len(late))
            outer, self.is_late = self.is_late, True
            try:
                for delivery in late:
                    self._perform(delivery, perform, None)
            finally:
                self.is_late = outer

        if len(self._waiting) >= MAX_WAITING:
            happen()
        elif what.until is None:
            # In the background: synchronous timing jumps over every other delay at once.
            self._clock.call_later(what.after_ns, happen, background=True)
        else:
            same = rule.fields_of(fired_on, what.until.same)
            self._waiting.append(_Waiting(what.until, same, what.until.nth, happen, handle))
            self._look_again()

    def _release(self, point: str, event: Event, earlier: list[_Waiting], *, before: bool) -> None:
        """What of ``earlier`` waited for this event happens."""
        if not earlier:
            return
        due = []
        for waiting in earlier:
            trigger = waiting.trigger
            if trigger.where != point or trigger.before is not before or not waiting.left:
                continue
            if fits(event, trigger.match) and fits(event, waiting.same):
                waiting.left -= 1
                if waiting.left == 0:
                    due.append(waiting)
        if due:
            self._waiting = [w for w in self._waiting if w.left]
            self._look_again()
            for waiting in due:
                waiting.call()
