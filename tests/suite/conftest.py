# SPDX-License-Identifier: GPL-2.0-only
"""What every test of the suite may ask of its machine."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def card_as_asked_for(request: pytest.FixtureRequest) -> None:
    """``@pytest.mark.card_options(...)``: the test gets a machine with such a card.

    Tests without the mark get the usual one. A change of the card is a boot.
    """
    marker = request.node.get_closest_marker("card_options")
    keeper: Any = request.getfixturevalue("session_keeper")
    keeper.choose_card(marker.kwargs if marker else {})
