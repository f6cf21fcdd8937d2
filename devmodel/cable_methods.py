# SPDX-License-Identifier: GPL-2.0-only
"""Control methods for the cable: whether it is plugged, and what the port at its other end is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devmodel.config import ConfigError
from devmodel.control import BadParams, Method
from devmodel.pci.network import NetworkFunction


class CableMethods:
    """``link`` {"up": bool} -> {}, ``partner`` {setting: value, ...} -> {}.

    What they set is not the guest's to say: it outlives the guest.

    :param card: gives the card there is now.
    :param happened: called when the card may have done something.
    """

    def __init__(self, card: Callable[[], NetworkFunction], happened: Callable[[], None]) -> None:
        self._card = card
        self._happened = happened
        self._up = True
        self._partner: dict[str, Any] = {}

    @property
    def methods(self) -> dict[str, Method]:
        """By name."""
        return {"link": self._link, "partner": self._set_partner}

    def restore(self) -> None:
        """There is a card as new on the same cable."""
        if self._partner:
            self._card().set_partner(self._partner)
        if not self._up:
            self._card().set_link(False)

    def _link(self, params: dict[str, Any]) -> dict[str, Any]:
        up = params.get("up")
        if not isinstance(up, bool):
            raise BadParams("up is missing or no boolean")
        self._up = up
        self._card().set_link(up)
        self._happened()
        return {}

    def _set_partner(self, params: dict[str, Any]) -> dict[str, Any]:
        try:
            self._card().set_partner(params)
        except ConfigError as wrong:
            raise BadParams(str(wrong)) from wrong
        self._partner |= params
        self._happened()
        return {}
