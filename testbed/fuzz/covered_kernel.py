# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel a campaign counts edges of, as facts of its store: whose first run writes them down,
and whoever wants functions and lines reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from testbed.engines.uml.hits import CoveredKernel

_PREFIX = "kernel_"


def facts_of(kernel: CoveredKernel) -> dict[str, str]:
    """What the store holds of it."""
    return {_PREFIX + name: value for name, value in asdict(kernel).items()}


def kernel_of(facts: Mapping[str, str]) -> CoveredKernel | None:
    """The same kernel again; None while no run has ended."""
    names = [one.name for one in fields(CoveredKernel)]
    if any(_PREFIX + name not in facts for name in names):
        return None
    return CoveredKernel(**{name: facts[_PREFIX + name] for name in names})
