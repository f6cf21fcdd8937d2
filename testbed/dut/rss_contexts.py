# SPDX-License-Identifier: GPL-2.0-only
"""Further RSS contexts of the NIC under test: a table of queues each, which rules send flows to."""

from __future__ import annotations

import re

from testbed.dut.defer import Defer
from testbed.dut.nic import ethtool
from testbed.dut.protocols import Dut
from testbed.errors import GuestCommandFailed

_CONTEXT = re.compile(r"context is (\d+)")


def new_context(dut: Dut, *table: str) -> str:
    """``ethtool -X context new TABLE``, over all queues without one; its number.

    Raises GuestCommandFailed, also if the driver or the card have none left.
    """
    printed = ethtool(dut, "-X", dut.netdev, "context", "new", *table)
    found = _CONTEXT.search(printed)
    if found is None:
        raise GuestCommandFailed(f"ethtool -X named no context: {printed!r}")
    return found[1]


def has_context(dut: Dut, context: str) -> bool:
    """Whether there is a context of that number."""
    shown = dut.run(["ethtool", "-x", dut.netdev, "context", context], check=False)
    return shown.returncode == 0


def delete_context(dut: Dut, context: str) -> None:
    """Delete it unless it has gone by itself. Raises GuestCommandFailed while a rule names it."""
    if has_context(dut, context):
        ethtool(dut, "-X", dut.netdev, "context", context, "delete")


def add_context(dut: Dut, defer: Defer, *table: str) -> str:
    """:func:`new_context`, deleted at the end."""
    context = new_context(dut, *table)
    defer(delete_context, dut, context)
    return context
