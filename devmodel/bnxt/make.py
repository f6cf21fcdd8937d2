# SPDX-License-Identifier: GPL-2.0-only
"""The card that options describe."""

from __future__ import annotations

from typing import Any

from devmodel.bnxt.card import BnxtCard
from devmodel.bnxt.nvm.media import BadMedium, map_medium
from devmodel.bnxt.options import OptionError, read_options
from devmodel.bnxt.sriov import PfCard
from devmodel.clock import Clock
from devmodel.net.wire import Wire
from devmodel.pci.network import NetworkFunction
from devmodel.trace import Trace


def make_card(clock: Clock, trace: Trace, wire: Wire, options: dict[str, Any]) -> NetworkFunction:
    """Build the card that the options describe (devmodel.bnxt.options).

    Raises ConfigError for an unknown option or a value that is not allowed.
    """
    chosen = read_options(options)
    made = PfCard if chosen.nic.virtual_functions else BnxtCard
    try:
        medium = None if chosen.store_fd is None else map_medium(chosen.store_fd)
        return made(
            nic=chosen.nic, id_policy=chosen.id_policy, clock=clock, trace=trace, wire=wire,
            oracle=chosen.oracle, medium=medium,
        )  # fmt: skip
    except (BadMedium, OSError, ValueError) as e:
        raise OptionError("store_fd", str(e), ["an NVM", "an empty file"]) from e
