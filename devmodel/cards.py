# SPDX-License-Identifier: GPL-2.0-only
"""The cards there are: a name, or a module of one's own, to what builds the card.

A card of this package is its folder and a line of :data:`CARDS`; any other one is named in full and
needs no line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from devmodel.clock import Clock
from devmodel.config import ConfigError
from devmodel.net.wire import Wire
from devmodel.pci.network import NetworkFunction
from devmodel.trace import Trace

CardMaker = Callable[[Clock, Trace, Wire, dict[str, Any]], NetworkFunction]
"""Builds the card from clock, trace, wire and options. Raises ConfigError for a bad option."""

CARDS = {"bnxt": "devmodel.bnxt.make:make_card"}
"""Name -> ``module:function``."""
DEFAULT_CARD = "bnxt"


def load_card(name: str) -> CardMaker:
    """What builds the card ``name``: a key of :data:`CARDS`, or ``package.module:function``.

    Raises ConfigError if there is no such card.
    """
    module_name, colon, attribute = CARDS.get(name, name).partition(":")
    if not colon:
        known = ", ".join(CARDS)
        raise ConfigError(f"card is {name!r}; allowed: {known}, or package.module:function")
    try:
        maker: CardMaker = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as e:  # the last two: ".m:f", ":f"
        raise ConfigError(f"card {name}: {e}") from e
    return maker
