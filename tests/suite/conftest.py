# SPDX-License-Identifier: GPL-2.0-only
"""What every test of the suite may ask of its machine."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.protocols import Capability


@pytest.fixture(autouse=True)
def card_as_asked_for(request: pytest.FixtureRequest) -> None:
    """``@pytest.mark.card_options(...)``: the test gets a machine with such a card.

    Tests without the mark get the usual one. A change of the card is a boot.
    """
    marker = request.node.get_closest_marker("card_options")
    if marker is not None:
        request.node.add_marker(pytest.mark.needs(Capability.CHOSEN_CARD))
    pool: Any = request.getfixturevalue("session_pool")
    pool.choose_card(marker.kwargs if marker else {})
