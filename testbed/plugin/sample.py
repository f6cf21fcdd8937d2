# SPDX-License-Identifier: GPL-2.0-only
"""``--sample``: what a machine tries of tests that all run on UML, whose tests take no time."""

from __future__ import annotations

from collections.abc import Sequence, Set

from testbed.dut.protocols import DEBUGGED, Capability
from testbed.engines.open import engine_named
from testbed.engines.uml.session import ONE_CPU_LACKS, UML_LACKS
from testbed.options import RunOptions, Switch
from testbed.plugin.part import Part

UNMERGED = frozenset({Capability.REGISTERED_PROVIDED_BUFFERS})
SPECIAL = frozenset(UML_LACKS | ONE_CPU_LACKS | DEBUGGED | UNMERGED)
"""What the kernel lacks on which the suite runs whole: Debian's sources as flavour ``uml``."""

_OF_FLAVOUR: dict[str, Set[Capability]] = {"uml-san": DEBUGGED, "uml-smp": ONE_CPU_LACKS}


def may_have(
    *, engine: str | None, flavour: str | None, kernel: str | None, iommu: str | None
) -> Set[Capability]:
    """Of ``SPECIAL``, what a machine with such options can have; None: the option's default.

    Only Debian's kernels are known to lack something.
    """
    if engine_named(engine or RunOptions.engine).flavours:
        own = _OF_FLAVOUR.get(flavour or RunOptions.flavour, frozenset())
        return own | UNMERGED if kernel else own
    lacking = frozenset() if kernel else DEBUGGED | UNMERGED
    return SPECIAL - lacking - (frozenset() if iommu == Switch.ON else {Capability.IOMMU})


def also_without_iommu(
    *, engine: str | None, flavour: str | None, kernel: str | None, iommu: str | None
) -> Set[Capability]:
    """What of ``SPECIAL`` a machine without an IOMMU has, too; nothing if this one has none."""
    if iommu != Switch.ON:
        return frozenset()
    return may_have(engine=engine, flavour=flavour, kernel=kernel, iommu=None)


def sampled(
    needs: Sequence[Set[Capability]],
    part: Part,
    offered: Set[Capability],
    elsewhere: Set[Capability] = frozenset(),
) -> Set[int]:
    """Which tests run, by their number. ``needs``: what each of them needs.

    Of those that run on flavour ``uml``, or on a machine that has ``elsewhere``, the ``part``; of
    the others all that can run on a machine that has ``offered``, and none that it would skip.
    """
    special = [SPECIAL & needed for needed in needs]
    others = [number for number, needed in enumerate(special) if needed <= elsewhere]
    here = {
        number
        for number, needed in enumerate(special)
        if not needed <= elsewhere and needed <= offered
    }
    return {*part.of_all(others), *here}
