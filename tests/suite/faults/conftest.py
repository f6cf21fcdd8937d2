# SPDX-License-Identifier: GPL-2.0-only
"""Which faults are tried: on QEMU, unless ``--all-faults`` says so, a sample, and with an IOMMU
what needs one; on UML all (tests/conftest.py), or a part of them (``--faults-part``), with and
without their faults.
"""

from __future__ import annotations

from collections.abc import Set

import pytest

from testbed.dut.protocols import DEBUGGED, Capability
from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Fault
from testbed.workloads.table import WORKLOADS

SAMPLE = frozenset({
    "irq-spurious", "link-flap", "msix-masked-while-pending", "open-second-ring-refused",
    "packet-write-truncated", "page-pool-fails", "rx-opaque-wrong", "rx-type-unknown",
    "split-inside-header", "split-payload-write-lost", "zcrx-client-stopped",
})  # fmt: skip
"""Of each class something, and what UML cannot do (some of it only a debug kernel can)."""

ONLY_QEMU = frozenset({Capability.IOMMU, Capability.NTUPLE})


def _tried(config: pytest.Config) -> Set[str]:
    """Names of entries. What needs an IOMMU would be skipped without, and is all that it adds."""
    part = config.getoption("faults_part")
    if part is not None:
        catalogue = load_catalogue()
        able = {name: one for name, one in catalogue.items() if not ONLY_QEMU & one.needs}
        here = {name for name, one in able.items() if _is_for_debugged(one)}
        return {*here, *part.of_all([name for name in able if name not in here])}
    if config.getoption("all_faults"):
        return load_catalogue().keys()
    if config.getoption("testbed_iommu") != "on":
        return SAMPLE
    return {name for name, one in load_catalogue().items() if Capability.IOMMU in one.needs}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the rest; pytest counts what is deselected."""
    left_out = [item for item in items if _is_left_out(config, item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_left_out(config: pytest.Config, item: pytest.Item) -> bool:
    name = item.originalname if isinstance(item, pytest.Function) else ""
    if name == "test_null_fault":
        return _parameter(item) not in _tried_without(config)
    if name != "test_fault":
        return False
    return _parameter(item) not in _tried(config)


def _parameter(item: pytest.Item) -> str:
    assert isinstance(item, pytest.Function)
    return str(item.callspec.params["name"])


def _is_for_debugged(one: Fault) -> bool:
    """Such entries are in each part, with and without their fault: no other job has the kernel."""
    return bool(DEBUGGED & (one.needs | WORKLOADS[one.workload].needs))


def _tried_without(config: pytest.Config) -> Set[str]:
    """Names of the entries that are tried without their fault: on UML without sanitizers, with
    them only those that need such a kernel."""
    part, catalogue = config.getoption("faults_part"), load_catalogue()
    match config.getoption("testbed_engine"), config.getoption("testbed_flavour") or "uml":
        case "uml", "uml":
            return set(catalogue if part is None else part.of_all(list(catalogue)))
        case "uml", "uml-san":
            return {name for name, one in catalogue.items() if _is_for_debugged(one)}
    return frozenset()
