# SPDX-License-Identifier: GPL-2.0-only
"""Every entry of the fault catalogue: it fires, and the driver does as the entry says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Fault

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("name", CATALOGUE)
def test_fault(name: str, try_fault: Callable[[Fault], object]) -> None:
    """The fault fires and the driver reacts as its entry says, or shows the finding it names."""
    assert try_fault(CATALOGUE[name])
