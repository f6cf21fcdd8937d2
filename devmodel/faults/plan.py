# SPDX-License-Identifier: GPL-2.0-only
"""A fault plan: which event, which change, how often. Version 1 of the file format.

A plan is TOML (docs/faults.md); here is the parsed form, :func:`parse_plan` which makes it of a
document, and :func:`plan_document` which makes a document of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devmodel.errors import DevModelError
from devmodel.faults.points import NOW, Action, CardAction, FaultRegistry, Point
from devmodel.faults.reader import Reader

VERSION = 1
MAX_FAULTS = 256
MAX_COPIES = 10_000
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "mask")
MUTATIONS = ("set", "add", "xor", "and", "or", "random", "earlier", "field")

Value = int | str | bool
Scalars = Mapping[str, Any]


class PlanError(DevModelError):
    """The plan is not valid; the message names file, key and what is allowed."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """The ``nth`` event of point ``where`` from now on that fits ``match``.

    What waits for it happens after it, or before it with ``before``. ``same`` names fields in which
    it must equal the event that the fault fired on.
    """

    where: str
    match: Scalars = field(default_factory=dict)
    same: tuple[str, ...] = ()
    nth: int = 1
    before: bool = False


@dataclass(frozen=True, slots=True)
class When:
    """Which events of the point a fault fires on.

    :ivar match: field -> value, list of values, or table of one comparison.
    :ivar nth: the first one of those that match, counted from 1.
    :ivar every: with it, every so many-th from there on; 0 and 1 are each.
    :ivar after_ns: not before so much virtual time after arming.
    :ivar probability: chance of each, drawn from the seed.
    """

    match: Scalars = field(default_factory=dict)
    nth: int = 1
    every: int = 0
    after_ns: int = 0
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class What:
    """The change.

    :ivar fields: (set, duplicate) field -> new value, or table of one mutation.
    :ivar count: (duplicate) copies.
    :ivar first: (duplicate) copies come before the event.
    :ivar after_ns: (hold, duplicate, card) so much virtual time later.
    :ivar until: (hold, duplicate, card) later, when this happens.
    :ivar do: (card) what the card does; ``params`` are its parameters.
    """

    action: Action
    fields: Scalars = field(default_factory=dict)
    count: int = 1
    first: bool = False
    after_ns: int = 0
    until: Trigger | None = None
    do: str = ""
    params: Scalars = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault. ``times``: how often it fires at most; 0 is without limit."""

    id: str
    where: str
    what: What
    when: When = field(default_factory=When)
    times: int = 1


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Faults that are armed together. ``seed`` None: that of the run."""

    faults: tuple[FaultSpec, ...]
    seed: int | None = None
    version: int = VERSION


def parse_plan(document: object, registry: FaultRegistry, source: str = "plan") -> FaultPlan:
    """The plan in ``document`` (as tomllib or json give it). Raises PlanError.

    :param registry: points and actions of the card it is for.
    """
    reader = Reader(document, source, "", PlanError)
    version = reader.integer("version", least=1)
    if version != VERSION:
        raise reader.problem("version", f"is {version}", f"{VERSION}")
    seed = reader.integer("seed", least=0) if reader.has("seed") else None
    faults = tuple(_fault(r, registry) for r in reader.tables("fault", most=MAX_FAULTS))
    reader.end()
    names: set[str] = set()
    for spec in faults:
        if spec.id in names:
            raise reader.problem("fault", f"has id {spec.id!r} twice", "different ids")
        names.add(spec.id)
    return FaultPlan(faults, seed)


def _fault(reader: Reader, registry: FaultRegistry) -> FaultSpec:
    name = reader.text("id")
    where = reader.choice("where", tuple(registry.points))
    point = registry.points[where]
    when = _when(reader.table("when"), point) if reader.has("when") else When()
    what = _what(reader.table("what"), point, registry)
    times = reader.integer("times", least=0, default=1)
    reader.end()
    return FaultSpec(name, where, what, when, times)


def _when(reader: Reader, point: Point) -> When:
    when = When(
        match=_match(reader, point),
        nth=reader.integer("nth", least=1, default=1),
        every=reader.integer("every", least=0, default=0),
        after_ns=reader.integer("after_ns", least=0, default=0),
        probability=reader.fraction("probability", default=1.0),
    )
    reader.end()
    return when


def _match(reader: Reader, point: Point) -> Scalars:
    if not reader.has("match"):
        return {}
    table = reader.table("match")
    for key, value in table.items():
        _check_field(table, point, key, settable=False)
        _check_condition(table, key, value)
    return dict(table.items())


def _check_field(reader: Reader, point: Point, key: str, *, settable: bool) -> None:
    known = point.field(key)
    if known is None and not point.more_fields:
        names = [f.name for f in point.fields if f.settable or not settable]
        raise reader.problem(key, f"is no field of {point.name}", ", ".join(names))
    if settable and known is not None and not known.settable:
        names = [f.name for f in point.fields if f.settable]
        raise reader.problem(key, "cannot be set", ", ".join(names))


def _check_condition(reader: Reader, key: str, value: object) -> None:
    if isinstance(value, Mapping):
        if len(value) == 1 and next(iter(value)) in COMPARISONS:
            value = next(iter(value.values()))
        else:
            raise reader.problem(key, "is no comparison", "one of " + ", ".join(COMPARISONS))
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, int | str) for v in values):
        raise reader.problem(key, f"is {value!r}", "an integer, text, boolean, or list of them")


def _fields(reader: Reader, point: Point) -> Scalars:
    if not reader.has("fields"):
        return {}
    table = reader.table("fields")
    for key, value in table.items():
        _check_field(table, point, key, settable=True)
        _check_mutation(table, key, value)
    return dict(table.items())


def _check_mutation(reader: Reader, key: str, value: object) -> None:
    if not isinstance(value, Mapping):
        if not isinstance(value, int | str):
            raise reader.problem(key, f"is {value!r}", "an integer, text, boolean or mutation")
        return
    name, operand = next(iter(value.items())) if len(value) == 1 else ("", None)
    if name not in MUTATIONS:
        raise reader.problem(key, "is no mutation", "one of " + ", ".join(MUTATIONS))
    if name == "random":
        good = (
            isinstance(operand, list)
            and len(operand) == 2
            and all(type(v) is int for v in operand)
            and operand[0] <= operand[1]
        )
        if not good:
            raise reader.problem(key, f"random is {operand!r}", "[lowest, highest]")
    elif name == "field":
        if not isinstance(operand, str):
            raise reader.problem(key, f"field is {operand!r}", "the name of a field")
    elif name != "set" and (type(operand) is not int or (name == "earlier" and operand < 1)):
        raise reader.problem(key, f"{name} is {operand!r}", "an integer")


def _same(reader: Reader, waited_for: Point, fired_on: Point) -> tuple[str, ...]:
    names = reader.texts("same") if reader.has("same") else ()
    for name in names:
        for point in (waited_for, fired_on):
            _check_field(reader, point, name, settable=False)
    return names


def _trigger(reader: Reader, point: Point, registry: FaultRegistry) -> Trigger:
    points = registry.points
    where = reader.choice("where", tuple(name for name in points if name != NOW.name))
    trigger = Trigger(
        where=where,
        match=_match(reader, points[where]),
        same=_same(reader, points[where], point),
        nth=reader.integer("nth", least=1, default=1),
        before=reader.boolean("before", default=False),
    )
    reader.end()
    return trigger


def _what(reader: Reader, point: Point, registry: FaultRegistry) -> What:
    action = Action(reader.choice("action", tuple(a.value for a in point.actions)))
    fields: Scalars = {}
    params: Scalars = {}
    count, first, do = 1, False, ""
    after_ns = 0
    until: Trigger | None = None
    if action in (Action.SET, Action.DUPLICATE):
        fields = _fields(reader, point)
        if action is Action.SET and not fields:
            raise reader.problem("fields", "is missing", "a table of at least one field")
    if action is Action.DUPLICATE:
        count = reader.integer("count", least=1, most=MAX_COPIES, default=1)
        first = reader.boolean("first", default=False)
    if action is Action.CARD:
        do = reader.choice("do", tuple(registry.actions))
        params = _params(reader, registry.actions[do])
    if action in (Action.HOLD, Action.DUPLICATE, Action.CARD):
        after_ns = reader.integer("after_ns", least=0, default=0)
        if reader.has("until"):
            until = _trigger(reader.table("until"), point, registry)
    if action is Action.HOLD and not after_ns and until is None:
        raise reader.problem("until", "is missing", "until or after_ns")
    if after_ns and until is not None:
        raise reader.problem("after_ns", "and until exclude each other", "one of them")
    reader.end()
    return What(action, fields, count, first, after_ns, until, do, params)


def _params(reader: Reader, action: CardAction) -> Scalars:
    known = action.params
    given: dict[str, Any] = {name: param.default for name, param in known.items()}
    if not reader.has("params"):
        return given
    table = reader.table("params")
    for key, value in table.items():
        if key not in known:
            raise table.problem(
                key, f"is no parameter of {action.name}", ", ".join(known) or "none"
            )
        if not known[key].fits(value):
            raise table.problem(key, f"is {value!r:.100}", known[key].allows)
        given[key] = value
    return given


def plan_document(plan: FaultPlan) -> dict[str, Any]:
    """The document :func:`parse_plan` makes ``plan`` of; defaults are left out."""
    document: dict[str, Any] = {"version": plan.version}
    if plan.seed is not None:
        document["seed"] = plan.seed
    document["fault"] = [_spec_document(spec) for spec in plan.faults]
    return document


def _spec_document(spec: FaultSpec) -> dict[str, Any]:
    when, what = spec.when, spec.what
    out: dict[str, Any] = {"id": spec.id, "where": spec.where}
    chosen = _unlike_default(
        {
            "match": (dict(when.match), {}),
            "nth": (when.nth, 1),
            "every": (when.every, 0),
            "after_ns": (when.after_ns, 0),
            "probability": (when.probability, 1.0),
        }
    )
    if chosen:
        out["when"] = chosen
    out["what"] = {
        "action": what.action.value,
        **_unlike_default(
            {
                "fields": (dict(what.fields), {}),
                "count": (what.count, 1),
                "first": (what.first, False),
                "after_ns": (what.after_ns, 0),
                "do": (what.do, ""),
                "params": (dict(what.params), {}),
            }
        ),
    }
    if what.until is not None:
        out["what"]["until"] = {
            "where": what.until.where,
            **_unlike_default(
                {
                    "match": (dict(what.until.match), {}),
                    "same": (list(what.until.same), []),
                    "nth": (what.until.nth, 1),
                    "before": (what.until.before, False),
                }
            ),
        }
    if spec.times != 1:
        out["times"] = spec.times
    return out


def _unlike_default(values: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {key: value for key, (value, default) in values.items() if value != default}
