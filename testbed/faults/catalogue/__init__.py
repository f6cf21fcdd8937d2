# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue: one module per class of faults, each with a tuple ``FAULTS``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from testbed.faults.entry import Fault


def load_catalogue() -> Mapping[str, Fault]:
    """Every entry by name, in the order of modules and entries. Raises ValueError for two alike."""
    found: dict[str, Fault] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for fault in importlib.import_module(f"{__name__}.{module}").FAULTS:
            if fault.name in found:
                raise ValueError(f"two faults are called {fault.name}")
            found[fault.name] = fault
    return found
