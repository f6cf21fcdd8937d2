# SPDX-License-Identifier: GPL-2.0-only
"""Which complaints of the kernel an entry of the catalogue expects: by kind, then by words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from testbed.faults.entry import Expect
from testbed.findings.kernel_log import Splat
from testbed.findings.splat_report import SplatReport

EXCUSABLE = frozenset({Splat.HWRM_FAILURE, Splat.DRIVER_ERROR, Splat.TX_TIMEOUT})
"""What a misbehaving card makes the driver say. The kernel's own mistakes are never that."""
DEMANDED = EXCUSABLE | {Splat.NETWORK}
"""What a line of the kernel log that must come may be: the stack, too, blames the driver."""


def wrong_complaints(expect: Expect, unknown: Iterable[SplatReport]) -> list[str]:
    """Reasons: the complaints that nobody expects, and the WARNs that did not come.

    :param unknown: complaints that are on record nowhere.
    """
    warned = set()
    reasons = []
    for report in unknown:
        if report.sanitizer == Splat.WARNING and report.function in expect.warns:
            warned.add(report.function)
        elif not _is_excused(expect, report):
            reasons.append(f"the kernel complains: {report.signature}")
    return reasons + [f"there is no WARN in {name}" for name in expect.warns if name not in warned]


def _is_excused(expect: Expect, report: SplatReport) -> bool:
    return (report.sanitizer in DEMANDED and _matches(expect.kernel_log, report)) or (
        report.sanitizer in EXCUSABLE and _matches(expect.complaints, report)
    )


def _matches(patterns: Sequence[str], report: SplatReport) -> bool:
    return any(re.search(pattern, report.headline) for pattern in patterns)
