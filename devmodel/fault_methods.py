# SPDX-License-Identifier: GPL-2.0-only
"""Control methods that arm and disarm fault plans in the running card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devmodel.control import BadParams, Method
from devmodel.faults.engine import FaultEngine
from devmodel.faults.plan import PlanError, parse_plan


class FaultMethods:
    """``faults_arm`` {"plan": document} -> {"handle": n}, ``faults_disarm`` {"handle": n} ->
    {"faults": [...]}, ``faults_status`` {} -> see :meth:`FaultEngine.status`.

    :param engine: gives the engine of the card there is now.
    :param happened: called when arming may have made the card do something.
    :param save: brings buffered records to their file.
    """

    def __init__(
        self,
        engine: Callable[[], FaultEngine],
        happened: Callable[[], None],
        save: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._save = save
        self._happened = happened

    @property
    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            "faults_arm": self._arm,
            "faults_disarm": self._disarm,
            "faults_status": self._status,
        }

    def _arm(self, params: dict[str, Any]) -> dict[str, Any]:
        engine = self._engine()
        try:
            plan = parse_plan(params.get("plan"), engine.registry)
        except PlanError as bad:
            raise BadParams(str(bad)) from bad
        handle = engine.arm(plan)
        self._happened()
        return {"handle": handle}

    def _status(self, params: dict[str, Any]) -> dict[str, Any]:
        self._save()
        return self._engine().status()

    def _disarm(self, params: dict[str, Any]) -> dict[str, Any]:
        handle = params.get("handle")
        try:
            if type(handle) is not int:
                raise KeyError(handle)
            return {"faults": self._engine().disarm(handle)}
        except KeyError:
            raise BadParams(f"handle {handle!r} is not armed") from None
