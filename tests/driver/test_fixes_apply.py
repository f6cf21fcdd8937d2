# SPDX-License-Identifier: GPL-2.0-only
"""Our fixes of findings, all of them together, on the sources of kernels that have the bugs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.patches import ALL_FIXES
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels


@pytest.mark.parametrize("base", ["7.2", pytest.param("7.3", marks=pytest.mark.nightly)])
def test_all_fixes_apply(base: str) -> None:
    """To the source that UML's kernels are built of; at night to that of the next series, too."""
    request = KernelRequest(base=base, patches=(Path(ALL_FIXES),))
    accounts, set_aside = SourceKernels().try_patches(request)
    refused = [line for one in accounts if one.outcome.failed for line in one.lines()]
    assert (refused, set_aside) == ([], [])
    assert accounts
