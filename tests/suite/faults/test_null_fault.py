# SPDX-License-Identifier: GPL-2.0-only
"""Every entry of the fault catalogue with a fault that changes nothing: it must not pass then.

One kernel is enough: it is the entries that are tested, not the driver.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Fault

ENGINE = "uml"
CATALOGUE = {name: one for name, one in load_catalogue().items() if ENGINE in one.engines}


@pytest.mark.parametrize("name", CATALOGUE)
def test_null_fault(name: str, try_null_fault: Callable[[Fault], object]) -> None:
    """The entry tells that its fault is missing, or says why nobody could."""
    assert try_null_fault(CATALOGUE[name])
