# SPDX-License-Identifier: GPL-2.0-only
"""Which faults are tried: on QEMU, unless ``--all-faults`` says so, a sample, and with an IOMMU
what needs one; on UML all (tests/conftest.py), or a part of them (``--faults-part``), with and
without their faults.
"""

from __future__ import annotations

from collections.abc import Set

import pytest

from testbed.dut.protocols import Capability
from testbed.faults.catalogue import load_catalogue
from testbed.workloads.table import WORKLOADS

SAMPLE = frozenset({
    "irq-spurious", "link-flap", "msix-masked-while-pending", "open-second-ring-refused",
    "packet-write-truncated", "page-pool-fails", "rx-opaque-wrong", "rx-type-unknown",
    "split-inside-header", "split-payload-write-lost", "zcrx-client-stopped",
})  # fmt: skip
"""Of each class something, and what UML cannot do (some of it only a debug kernel can)."""

ON_REQUEST = frozenset({Capability.FAILING_ALLOCATIONS, Capability.FAILING_FUNCTIONS})
"""What a kernel lets fail: such faults are in each part, since no other job has that kernel."""

ONLY_QEMU = frozenset({Capability.IOMMU, Capability.NTUPLE})


def _tried(config: pytest.Config) -> Set[str]:
    """Names of entries. What needs an IOMMU would be skipped without, and is all that it adds."""
    part = config.getoption("faults_part")
    if part is not None:
        catalogue = load_catalogue()
        able = {name: one for name, one in catalogue.items() if not ONLY_QEMU & one.needs}
        here = {name for name, one in able.items() if ON_REQUEST & WORKLOADS[one.workload].needs}
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
        return not _is_quickest(config) or _parameter(item) not in _tried_without(config)
    if name != "test_fault":
        return False
    return _parameter(item) not in _tried(config)


def _parameter(item: pytest.Item) -> str:
    assert isinstance(item, pytest.Function)
    return str(item.callspec.params["name"])


def _tried_without(config: pytest.Config) -> Set[str]:
    """Names of the entries that are tried without their fault."""
    part, names = config.getoption("faults_part"), list(load_catalogue())
    return set(names if part is None else part.of_all(names))


def _is_quickest(config: pytest.Config) -> bool:
    """Whether the machine is UML without sanitizers, where null faults are tried."""
    chosen = (config.getoption("testbed_engine"), config.getoption("testbed_flavour") or "uml")
    return chosen == ("uml", "uml")
