# SPDX-License-Identifier: GPL-2.0-only
"""Fault plans as the card understands them: checked before they are sent, and described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devmodel.bnxt.faulty.points import FAULTS
from devmodel.faults import schema
from devmodel.faults.plan import PlanError, parse_plan, plan_document
from testbed.errors import UsageProblem
from testbed.schema import read_text, toml_as_json

POINTS = FAULTS.points
CARD_ACTIONS = FAULTS.actions


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
