# SPDX-License-Identifier: GPL-2.0-only
"""Control method that asks what the oracle knows of memory somebody else complains of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devmodel.control import BadParams, Method
from devmodel.pci.network import NetworkFunction

_NUMBERS = 1 << 64


class OracleMethods:
    """``remembered`` {"address": n, "bytes": n} -> {"lines": [...]}, oldest first; see
    :meth:`devmodel.pci.network.NetworkFunction.remembered`.

    :param card: gives the card there is now.
    """

    def __init__(self, card: Callable[[], NetworkFunction]) -> None:
        self._card = card

    @property
    def methods(self) -> dict[str, Method]:
        """By name."""
        return {"remembered": self._remembered}

    def _remembered(self, params: dict[str, Any]) -> dict[str, Any]:
        address, size = (_number(params, name) for name in ("address", "bytes"))
        return {"lines": self._card().remembered(address, size)}


def _number(params: dict[str, Any], name: str) -> int:
    value = params.get(name)
    if type(value) is not int or not 0 <= value < _NUMBERS:
        raise BadParams(f"{name} is {value!r}; allowed: 0 to 2^64 - 1")
    return value
