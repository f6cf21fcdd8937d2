# SPDX-License-Identifier: GPL-2.0-only
"""A card with rings reserved, and a queue of it that is open."""

from __future__ import annotations

import pytest

from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue


@pytest.fixture
def host() -> CardHost:
    """The driver's side of a card that has reserved its rings."""
    made = CardHost()
    made.reserve()
    return made


@pytest.fixture
def vnic_id(host: CardHost, queue: OpenQueue) -> int:
    """A VNIC that leads to the queue."""
    return host.vnic_of(queue)


@pytest.fixture
def queue(host: CardHost) -> OpenQueue:
    """All rings of one channel."""
    return host.open_queue()
