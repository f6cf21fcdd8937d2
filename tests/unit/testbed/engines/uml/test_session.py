# SPDX-License-Identifier: GPL-2.0-only
"""What a guest in simulated time is known to lack."""

from __future__ import annotations

import pytest

from images.store import Json
from kernels.flavours import WORKAROUNDS, flavour
from testbed.dut.protocols import Capability
from testbed.engines.uml.session import ONE_CPU_LACKS, one_cpu_lacks


@pytest.mark.parametrize("name", ["uml", "uml-san"])
def test_a_build_with_the_fix_of_its_vnics_has_ntuple_filters(name: str) -> None:
    stock, mended = flavour(name), flavour(name).mending(["vnics-without-rfs-accel"])
    told = [[one.line for one in each.workarounds] for each in (stock, mended)]
    assert one_cpu_lacks({WORKAROUNDS: [*told[0]]}) == ONE_CPU_LACKS
    assert one_cpu_lacks({WORKAROUNDS: [*told[1]]}) == ONE_CPU_LACKS - {Capability.NTUPLE}


@pytest.mark.parametrize("said", [None, "x", [1]])
def test_what_nobody_can_read_has_none(said: Json) -> None:
    assert one_cpu_lacks({}) == one_cpu_lacks({WORKAROUNDS: said}) == ONE_CPU_LACKS
