# SPDX-License-Identifier: GPL-2.0-only
"""What has to hold whatever was done: the card's own account and the kernel log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from testbed.errors import GuestCommandFailed
from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import load_findings
from testbed.findings.repeated import describe_complaints
from testbed.findings.splat_report import SplatReport
from testbed.report.verdicts import describe_all

DATA_DIFFERS = "data differs"
"""How the failure of a stream whose ends disagree begins."""
NOT_AGAIN = "cannot be done again"
"""In the failure of an operation in which nothing goes wrong any more."""


class CheckFailed(GuestCommandFailed):
    """What was found is not what it has to be. ``detail`` may have many lines.

    ``splats`` are complaints of the kernel that say so.
    """

    def __init__(
        self, message: str, *, detail: str = "", splats: Sequence[SplatReport] = ()
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.splats = tuple(splats)


class FindingShown(CheckFailed):
    """All that is wrong is on record: ``findings`` are the ids (see docs/findings)."""

    def __init__(
        self, message: str, *, findings: Sequence[str], splats: Sequence[SplatReport]
    ) -> None:
        super().__init__(message, splats=splats)
        self.findings = tuple(findings)


def require(condition: bool, message: str, *, detail: str = "") -> None:
    """Raise CheckFailed with ``message`` unless ``condition`` holds."""
    if not condition:
        raise CheckFailed(message, detail=detail)


@dataclass(frozen=True)
class CardAccount:
    """The card's own account of a run (its control channel's ``state``).

    ``violations`` and ``unknown_hwrm`` are counts by rule and by request type; ``refused_hwrm``
    (the real card refuses it, too) and ``missing_hwrm`` by its name. ``late_writes`` are packets
    that reached the placement when the ring they were steered to was already freed.
    ``batches_judged`` is None without the oracle; ``bytes_judged`` is the room of the buffers that
    they took.
    """

    violations: Mapping[str, int]
    kept: tuple[Mapping[str, Any], ...]
    unknown_hwrm: Mapping[str, int]
    live_mappings: int
    live_resources: Mapping[str, int]
    late_writes: int
    batches_judged: int | None = None
    bytes_judged: int = 0
    refused_hwrm: Mapping[str, int] = field(default_factory=dict)
    missing_hwrm: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> CardAccount:
        """Read the card's answer."""
        violations = state["violations"]
        oracle = state["card"].get("oracle")
        return cls(
            violations=dict(violations["counts"]), kept=tuple(violations["kept"]),
            unknown_hwrm=dict(state["unknown_commands"]), live_mappings=int(state["live_mappings"]),
            live_resources={k: n for k, n in state["card"]["resources"].items() if n},
            late_writes=int(state["card"]["receive"]["buffer_writes_after_free"]),
            batches_judged=None if oracle is None else int(oracle["batches"]),
            bytes_judged=0 if oracle is None else int(oracle["judged_bytes"]),
            refused_hwrm=dict(state["refused_commands"]),
            missing_hwrm=dict(state["missing_commands"]),
        )  # fmt: skip

    def require_no_violation(self) -> str:
        """The driver did nothing that the hardware forbids. Raises CheckFailed."""
        if self.violations:
            rules = ", ".join(f"{rule} ×{count}" for rule, count in self.violations.items())  # noqa: RUF001
            raise CheckFailed(
                f"the card recorded violations: {rules}", detail=describe_all(self.kept)
            )
        judged = self.batches_judged
        return f"0 violations, oracle {'off' if judged is None else f'judged {judged} batches'}"

    def require_judged(self, received: int) -> str:
        """The oracle was at work: it judged the buffers of all that was received.

        :param received: bytes that came through the card, as its user counted them; a lower bound.

        Raises CheckFailed.
        """
        if self.batches_judged is None:
            return "the oracle is off"
        require(self.batches_judged > 0, "the oracle judged nothing")
        require(
            self.bytes_judged >= received,
            f"the oracle judged buffers of {self.bytes_judged} bytes; {received} were received",
        )
        return f"buffers of {self.bytes_judged} bytes, at least {received} received"

    def require_known_hwrm(self) -> str:
        """Every firmware request the driver sent is one the card knows. Raises CheckFailed."""
        if self.unknown_hwrm:
            types = ", ".join(f"{int(kind):#x}" for kind in self.unknown_hwrm)
            raise CheckFailed(f"the driver sent requests the card does not know: {types}")
        refused, missing = sum(self.refused_hwrm.values()), sum(self.missing_hwrm.values())
        return f"0 unknown requests, {refused} refused as by the real card, {missing} not modelled"


@cache
def known_issues() -> Findings:
    """The findings on record. Raises ConfigProblem."""
    return Findings(load_findings())


def require_clean_log(log: KernelLogWatcher, kernel: GuestKernel) -> str:
    """No warning, no error, no failed firmware command.

    Raises CheckFailed; FindingShown if all of it is on record.
    """
    findings = known_issues()
    found = findings.sort(log.events, kernel)
    if found.unknown:
        told = describe_complaints(found.unknown, "kernel.log in the run directory")
        detail = "\n\n".join([*findings.hints(found, kernel), *told])
        first = found.unknown[0]
        raise CheckFailed(
            f"{len(found.unknown)} complaints, first: {first.signature} ({first.headline})",
            detail=detail,
            splats=found.all,
        )
    if found.known:
        shown = "; ".join(f"{name}: {findings[name].title}" for name in found.known)
        raise FindingShown(shown, findings=tuple(found.known), splats=found.all)
    return f"{log.line_count} lines, no complaint"
