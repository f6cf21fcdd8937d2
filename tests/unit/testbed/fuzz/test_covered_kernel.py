# SPDX-License-Identifier: GPL-2.0-only
"""The kernel whose edges a campaign counts, as facts of its store."""

from __future__ import annotations

import pytest

from testbed.engines.uml.hits import CoveredKernel
from testbed.fuzz.covered_kernel import facts_of, kernel_of

KERNEL = CoveredKernel(key="k", release="7.2.12", image="/k/linux", source="/k/source")


def test_what_is_written_is_what_is_read() -> None:
    facts = facts_of(KERNEL)
    assert set(facts) == {"kernel_key", "kernel_release", "kernel_image", "kernel_source"}
    assert kernel_of({"seed": "1", "kernel": "7.2.12", **facts}) == KERNEL


@pytest.mark.parametrize("name", sorted(facts_of(KERNEL)))
def test_a_store_that_does_not_say_all_of_it_names_none(name: str) -> None:
    facts = facts_of(KERNEL)
    del facts[name]
    assert kernel_of(facts) is None
