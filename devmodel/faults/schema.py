# SPDX-License-Identifier: GPL-2.0-only
"""JSON schema of fault plans, made from a card's registry and the classes of a plan."""

from __future__ import annotations

from typing import Any

from devmodel.faults.plan import COMPARISONS, MAX_COPIES, MAX_FAULTS, MUTATIONS, VERSION
from devmodel.faults.points import HEX, NOW, Action, FaultRegistry, Point

_JSON_TYPE: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "table": {"type": "object"},
    "hex": {"type": "string", "pattern": f"^{HEX.pattern}$"},
}
_COUNT = {"type": "integer", "minimum": 0}
_ORDINAL = {"type": "integer", "minimum": 1}
_SCALAR = {"type": ["integer", "string", "boolean"]}


def _table(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _one_key(names: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict.fromkeys(names, value),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


_CONDITION = {
    "anyOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR, "minItems": 1},
        _one_key(COMPARISONS, {}),
    ]
}
_MUTATION = {"anyOf": [_SCALAR, _one_key(MUTATIONS, {})]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _fields(point: Point, value: dict[str, Any], *, settable: bool) -> dict[str, Any]:
    names = [f.name for f in point.fields if f.settable or not settable]
    return {
        "type": "object",
        "properties": dict.fromkeys(names, value),
        "additionalProperties": value if point.more_fields else False,
    }


def _trigger(registry: FaultRegistry) -> dict[str, Any]:
    return {
        "oneOf": [
            _table(
                {
                    "where": {"const": point.name},
                    "match": _ref(f"match {point.name}"),
                    "same": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "nth": _ORDINAL,
                    "before": {"type": "boolean"},
                },
                ("where",),
            )
            for point in registry.points.values()
            if point.name != NOW.name
        ]
    }


def _card(registry: FaultRegistry) -> dict[str, Any]:
    made = []
    for action in registry.actions.values():
        params = {
            name: {
                **_JSON_TYPE[one.type],
                **({"enum": list(one.allowed)} if one.allowed else {}),
                "description": one.doc,
            }
            for name, one in action.params.items()
        }
        properties = {
            "action": {"const": Action.CARD.value},
            "do": {"const": action.name},
            "params": _table(params),
            "after_ns": _COUNT,
            "until": _ref("trigger"),
        }
        made.append(_table(properties, ("action", "do")))
    return {"oneOf": made}


def _what(point: Point, action: Action) -> dict[str, Any]:
    if action is Action.CARD:
        return _ref("card")
    properties: dict[str, Any] = {"action": {"const": action.value}}
    required: tuple[str, ...] = ("action",)
    if action in (Action.SET, Action.DUPLICATE):
        properties["fields"] = _fields(point, _ref("mutation"), settable=True)
    if action is Action.SET:
        required = ("action", "fields")
    if action is Action.DUPLICATE:
        properties["count"] = {"type": "integer", "minimum": 1, "maximum": MAX_COPIES}
        properties["first"] = {"type": "boolean"}
    if action in (Action.HOLD, Action.DUPLICATE):
        properties["after_ns"] = _COUNT
        properties["until"] = _ref("trigger")
    return _table(properties, required)


def _fault(point: Point) -> dict[str, Any]:
    when = {
        "match": _ref(f"match {point.name}"),
        "nth": _ORDINAL,
        "every": _COUNT,
        "after_ns": _COUNT,
        "probability": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    }
    return {
        "description": point.doc,
        **_table(
            {
                "id": {"type": "string", "minLength": 1},
                "where": {"const": point.name},
                "when": _table(when),
                "what": {"oneOf": [_what(point, action) for action in point.actions]},
                "times": _COUNT,
            },
            ("id", "where", "what"),
        ),
    }


def plan_schema(registry: FaultRegistry) -> dict[str, Any]:
    """The schema of a plan document for the card with that registry."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fault plan of bnxt-testbed",
        **_table(
            {
                "version": {"const": VERSION},
                "seed": _COUNT,
                "fault": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_FAULTS,
                    "items": {"oneOf": [_fault(point) for point in registry.points.values()]},
                },
            },
            ("version", "fault"),
        ),
        "$defs": {
            "condition": _CONDITION,
            "mutation": _MUTATION,
            "trigger": _trigger(registry),
            "card": _card(registry),
            **{
                f"match {point.name}": _fields(point, _ref("condition"), settable=False)
                for point in registry.points.values()
            },
        },
    }
