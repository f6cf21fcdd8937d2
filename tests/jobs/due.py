# SPDX-License-Identifier: GPL-2.0-only
"""Why a job may skip a test: each reason there is, why it is due there, and who runs the test.

A skip for a reason that is not here is a finding, and so is one in a job that is named as running
such tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.dut.protocols import Capability
from testbed.report.results import REQUIRES


@dataclass(frozen=True)
class Due:
    """``pattern`` fits the whole reason of a skip; ``ran_by``: jobs that skip none for it."""

    pattern: str
    why: str
    ran_by: Sequence[str] = ()

    def fits(self, reason: str) -> bool:
        """Whether a skip has this reason."""
        return re.fullmatch(self.pattern, reason) is not None


def _lacks(capability: Capability, why: str, *ran_by: str) -> Due:
    return Due(re.escape(f"{REQUIRES}{capability.value}"), why, ran_by)


QEMU = ("suite", "iommu")
NO_INJECTION = "Debian's kernel and flavour uml have no fault injection"
DUE: Sequence[Due] = (
    _lacks(Capability.REGISTERED_PROVIDED_BUFFERS, "our series, in no released kernel", "send-zc"),
    _lacks(Capability.IOMMU, "UML has none; on QEMU one job has it", "iommu"),
    _lacks(Capability.SMP, "simulated time has one CPU", *QEMU),
    _lacks(Capability.NTUPLE, "the driver offers it with several rings; simulated time has one CPU",
           *QEMU),
    _lacks(Capability.REAL_TIME, "simulated time stands still while the guest computes", *QEMU),
    _lacks(Capability.HUGE_PAGES, "before 2026-12-01 UML was said to have no large buffers", *QEMU),
    _lacks(Capability.FAILING_ALLOCATIONS, NO_INJECTION, "sanitizers"),
    _lacks(Capability.FAILING_FUNCTIONS, NO_INJECTION),
    _lacks(Capability.SANITIZERS, "Debian's kernel and flavour uml have none", "sanitizers"),
    _lacks(Capability.FATAL_FAULTS, "x86 kills the process, and keeps its locks", "sanitizers",
           "uml"),
    _lacks(Capability.STOCK_MODULE, "UML's driver is no module of Debian's", *QEMU),
    _lacks(Capability.HARDWARE_CLOCK, "before 2026-11-30 UML's flavours had no PTP", "suite"),
    _lacks(Capability.FLOWER, "before 2026-11-30 UML's flavours had no cls_flower", "suite"),
    Due("in real time the close after a function reset takes a quarter of an hour",
        "bnxt_en counts sleeps, not time (finding function-reset-unheard)", ("uml",)),
    Due("in real time a refusal takes as long as the driver is to wait",
        "a jiffy and a command are alike there, and a loaded host is slower", ("uml",)),
    _lacks(Capability.SRIOV, "QEMU's vfio-user-pci shows no virtual functions", "uml"),
    Due("not on (qemu|uml)", "the entry of the catalogue says on which engine it is true"),
    Due("--all-seeded builds the kernels for it", "the benchmark boots two kernels: nightly"),
    Due("event-hashes.json is of other inputs or another host: .*",
        "hashes are of one kind of host, and are recorded anew after a change of the card"),
    Due("no debug kernel in the cache: .*", "12 min to build: by hand (docs/kernels.md)"),
)  # fmt: skip


def due(reason: str) -> Due | None:
    """Why a skip with that reason is due, or None."""
    return next((one for one in DUE if one.fits(reason)), None)
