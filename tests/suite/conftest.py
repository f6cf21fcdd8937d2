# SPDX-License-Identifier: GPL-2.0-only
"""What every test of the suite may ask of its machine."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.protocols import Capability

FEATURES = ("devmem", "page_pool", "send_zc", "zcrx")
SAMPLE_EVERY = 3
UML_LACKS = frozenset(
    {
        Capability.HUGE_PAGES, Capability.IOMMU, Capability.NTUPLE, Capability.REAL_TIME,
        Capability.SMP,
    }
)  # fmt: skip


def _is_in_sample(item: pytest.Item, number: int) -> bool:
    needed = {one for marker in item.iter_markers("needs") for one in marker.args}
    return number % SAMPLE_EVERY == 0 or not UML_LACKS.isdisjoint(needed)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``--sample``: what runs whole on UML is sampled where a test takes seconds."""
    if not config.getoption("sample") or config.getoption("keyword"):
        return
    counted = [item for item in items if item.path.parent.name in FEATURES]
    left_out = [item for number, item in enumerate(counted) if not _is_in_sample(item, number)]
    config.hook.pytest_deselected(items=left_out)
    dropped = set(left_out)
    items[:] = [item for item in items if item not in dropped]


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
