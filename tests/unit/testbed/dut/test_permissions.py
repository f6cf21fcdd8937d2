# SPDX-License-Identifier: GPL-2.0-only
"""Without permission nothing is done to a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.dut.driver import cycle_link, reload_driver, reset_card, reset_function
from testbed.dut.permissions import RequirementMissing
from testbed.dut.protocols import Capability


class Untouchable:
    """A DUT that fails when it is asked to do anything."""

    capabilities = frozenset({Capability.ZCRX})


@pytest.mark.parametrize(
    ("disturb", "needed"),
    [
        (cycle_link, Capability.LINK_CYCLE),
        (reload_driver, Capability.DRIVER_RELOAD),
        (reset_card, Capability.DEVICE_RESET),
        (reset_function, Capability.DEVICE_RESET),
    ],
)
def test_machine_is_not_touched(disturb: Callable[[Any], None], needed: Capability) -> None:
    with pytest.raises(RequirementMissing) as caught:
        disturb(Untouchable())
    assert str(caught.value) == needed.value
