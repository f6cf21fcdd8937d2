# SPDX-License-Identifier: GPL-2.0-only
"""A sample leaves out nothing that this machine alone can run, and takes nothing it would skip."""

from __future__ import annotations

from collections.abc import Set

import pytest

from testbed.dut.protocols import DEBUGGED, Capability
from testbed.plugin.part import Part
from testbed.plugin.sample import also_without_iommu, may_have, sampled

NEEDS: list[Set[Capability]] = [
    frozenset(),
    {Capability.ZCRX},
    {Capability.IOMMU, Capability.CARD_STATE},
    {Capability.FAILING_ALLOCATIONS},
    {Capability.NTUPLE},
    {Capability.REGISTERED_PROVIDED_BUFFERS},
    frozenset(),
    {Capability.DEVMEM},
]
ANYWHERE, HALVES = {0, 1, 6, 7}, ({0, 6}, {1, 7})
QEMU = {"engine": None, "flavour": None, "kernel": None, "iommu": None}
IOMMU = {**QEMU, "engine": "qemu", "iommu": "on"}
UML = {**QEMU, "engine": "uml"}


@pytest.mark.parametrize(
    ("options", "special"),
    [
        pytest.param(QEMU, {4}, id="QEMU"),
        pytest.param({**QEMU, "iommu": "off"}, {4}, id="QEMU, IOMMU off"),
        pytest.param(IOMMU, {2, 4}, id="QEMU with IOMMU"),
        pytest.param({**IOMMU, "kernel": "/a/bzImage"}, {2, 3, 4, 5}, id="a kernel of one's own"),
        pytest.param(UML, set(), id="uml"),
        pytest.param({**UML, "flavour": "uml"}, set(), id="uml, named"),
        pytest.param({**UML, "flavour": "uml-san"}, {3}, id="uml-san"),
        pytest.param({**UML, "flavour": "uml-smp"}, {4}, id="uml-smp"),
        pytest.param({**UML, "kernel": "/a/linux"}, {5}, id="uml, a kernel of one's own"),
    ],
)
def test_what_the_machine_alone_can_run_is_in_every_part(
    options: dict[str, str | None], special: set[int]
) -> None:
    for number, half in enumerate(HALVES):
        assert sampled(NEEDS, Part(number, 2), may_have(**options)) == half | special


def test_an_iommu_adds_what_needs_it_and_a_part_of_all_else() -> None:
    elsewhere = also_without_iommu(**IOMMU)
    assert elsewhere == may_have(**QEMU)
    offered = may_have(**IOMMU)
    halves = [sampled(NEEDS, Part(number, 2), offered, elsewhere) for number in range(2)]
    assert halves == [{0, 2, 4, 7}, {1, 2, 6}]
    assert also_without_iommu(**QEMU) == also_without_iommu(**UML) == frozenset()


def test_whole_run_is_the_part_of_one() -> None:
    assert sampled(NEEDS, Part(0, 1), frozenset()) == ANYWHERE


def test_sanitized_kernel_has_what_is_made_to_fail() -> None:
    assert Capability.FAILING_ALLOCATIONS in DEBUGGED
    assert may_have(**{**UML, "flavour": "uml-san"}) == DEBUGGED
