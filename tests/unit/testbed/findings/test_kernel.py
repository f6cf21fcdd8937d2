# SPDX-License-Identifier: GPL-2.0-only
"""The kernel of a run, from what it says of itself."""

from __future__ import annotations

import pytest

from kernels.version import KernelVersion
from testbed.findings.kernel import GuestKernel


@pytest.mark.parametrize(
    ("release", "version", "flavour"),
    [
        ("7.2.12-testbed-uml-san", "7.2.12", "uml-san"),
        ("7.2.12+deb13-amd64", "7.2.12", "debian"),
        ("7.3.0-rc7-testbed-uml", "7.3-rc7", "uml"),
        ("7.3-rc7-amd64", "7.3-rc7", "debian"),
        ("7.4.0-rc2-next-20261120-testbed-uml", "7.4-rc2-next-20261120", "uml"),
    ],
)
def test_release_names_version_and_flavour(release: str, version: str, flavour: str) -> None:
    kernel = GuestKernel.of(release)
    assert (str(kernel.version), kernel.flavour, kernel.stock) == (version, flavour, True)


def test_build_tells_the_release_candidate() -> None:
    kernel = GuestKernel.of("7.3-amd64", "#1 SMP Debian 7.3~rc7-1~exp1 (2026-11-15)")
    assert kernel.version == KernelVersion(7, 3, rc=7)


def test_release_that_is_no_version_is_kept() -> None:
    kernel = GuestKernel.of("mine")
    assert (kernel.release, kernel.version) == ("mine", None)
