# SPDX-License-Identifier: GPL-2.0-only
"""What a guest in simulated time is known to lack."""

from __future__ import annotations

from pathlib import Path

from kernels.flavours import flavour
from kernels.patches import ALL_FIXES, load_series
from kernels.patching import PATCHES, PatchAccount, PatchOutcome
from testbed.dut.protocols import Capability
from testbed.engines.uml.session import FILTERS_MENDED, ONE_CPU_LACKS, one_cpu_lacks


def test_a_kernel_with_the_fix_of_its_vnics_has_ntuple_filters() -> None:
    patches = load_series(Path(ALL_FIXES)).patches
    applied = [line for one in patches for line in PatchAccount(one, PatchOutcome.APPLIED).lines()]
    assert one_cpu_lacks({}) == ONE_CPU_LACKS
    assert one_cpu_lacks({PATCHES: [*applied]}) == ONE_CPU_LACKS - {Capability.NTUPLE}
    assert FILTERS_MENDED in flavour("uml-san").mended, "else the driver does not see them"
