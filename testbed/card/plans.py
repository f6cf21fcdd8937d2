# SPDX-License-Identifier: GPL-2.0-only
"""Fault plans as the card understands them: checked before they are sent, and described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from devmodel.bnxt.entry_events import widths
from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.firmware import GRANTED as GRANTED
from devmodel.bnxt.hsi.cmds import command_name
from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.faults import schema
from devmodel.faults.plan import MAX_FAULTS, PlanError, parse_plan, plan_document
from devmodel.faults.points import Param as Param
from devmodel.layout import Layout
from testbed.errors import UsageProblem
from testbed.schema import read_text, toml_as_json

POINTS = FAULTS.points
CARD_ACTIONS = FAULTS.actions
MOST_FAULTS = MAX_FAULTS
"""Of one plan."""
_NOTIFICATIONS = ("CQ_NOTIFICATION", "HWRM_ASYNC_EVENT", "HWRM_DONE")


def plan_schema() -> dict[str, Any]:
    """The JSON schema of a plan document."""
    return schema.plan_schema(FAULTS)


def check_plan(document: object, source: str = "plan") -> dict[str, Any]:
    """The plan in its canonical form. Raises UsageProblem, which names key and allowed values."""
    try:
        return plan_document(parse_plan(document, FAULTS, source))
    except PlanError as bad:
        raise UsageProblem(str(bad), remedy="docs/faults.md describes plans") from bad


def load_plan(path: Path) -> dict[str, Any]:
    """A plan from a TOML file. Raises UsageProblem."""
    return check_plan(json.loads(toml_as_json(path, read_text(path))), str(path))


@cache
def kinds(point: str) -> tuple[str, tuple[str, ...]]:
    """The field of the point's events that says what kind an event is, and the known kinds.

    Both are empty for a point whose events are all alike.
    """
    if point in ("cqe.write", "nqe.write"):
        notified = point == "nqe.write"
        return "type", tuple(
            kind.name for kind in CmplType if (kind.name in _NOTIFICATIONS) == notified
        )
    if point == "doorbell.write":
        return "type", tuple(kind.name for kind in DbType)
    if point in ("hwrm.request", "hwrm.answer"):
        return "cmd", tuple(sorted(command_name(code) for code in COMMANDS))
    purpose = POINTS[point].field("purpose")
    return ("purpose", tuple(purpose.doc.split(", "))) if purpose else ("", ())


@cache
def members(point: str, kind: str) -> Mapping[str, int]:
    """Bits of each number in the wire structure of an event that a fault can set.

    Empty for a point without such a structure, and for a kind that the card does not know. These
    are the layouts of ``devmodel/bnxt/hsi``; what is declared with the point is not among them.
    """
    if kind not in kinds(point)[1]:
        return {}
    if point in ("cqe.write", "nqe.write"):
        return widths(kind)
    if point not in ("hwrm.request", "hwrm.answer"):
        return {}
    command = next(one for code, one in COMMANDS.items() if command_name(code) == kind)
    if point == "hwrm.request":
        return _numbers("req.", command.request)
    return _numbers("out.", get_type_hints(command.handler)["return"])


def _numbers(prefix: str, message: type[Layout]) -> dict[str, int]:
    return {prefix + f.name: 8 * f.size for f in message.FIELDS if f.count == 1 and f.code != "s"}
