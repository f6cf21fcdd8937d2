# SPDX-License-Identifier: GPL-2.0-only
"""Which faults are tried: all of them on UML; on QEMU what UML cannot do, and some of the rest."""

from __future__ import annotations

from collections import defaultdict

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.options import Engine

PER_CLASS = 2


def sample() -> frozenset[str]:
    """Names of the faults that QEMU tries every time: those for QEMU alone, two of each class."""
    only_here: set[str] = set()
    by_class: dict[str, list[str]] = defaultdict(list)
    for name, fault in sorted(load_catalogue().items()):
        if fault.engines == (Engine.QEMU.value,):
            only_here.add(name)
        elif Engine.QEMU.value in fault.engines:
            by_class[fault.fault_class].append(name)
    spread = {n for names in by_class.values() for n in names[:: -(-len(names) // PER_CLASS)]}
    return frozenset(only_here | spread)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the rest; pytest counts what is deselected."""
    if config.getoption("testbed_engine") is Engine.UML or config.getoption("all_faults"):
        return
    kept = sample()
    left_out = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.originalname == "test_fault"
        and item.callspec.params["name"] not in kept
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
