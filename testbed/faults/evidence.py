# SPDX-License-Identifier: GPL-2.0-only
"""What is on record before and after a fault: counters, the card's trace, the kernel's log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.dut.counters import ethtool_statistics, interrupts, protocol_counters
from testbed.dut.protocols import Endpoint
from testbed.engines.session import Session
from testbed.errors import EnvironmentProblem, TestbedError

INTERRUPTS = "Interrupts"


@dataclass(frozen=True)
class TrialBaseline:
    """Where everything stood. ``resources``: objects the firmware holds, by kind."""

    kernel_events: int
    log_lines: int
    trace_bytes: int
    violations: Mapping[str, int]
    card: Mapping[str, int]
    resources: Mapping[str, int]
    ethtool: Mapping[str, int]


@dataclass
class Evidence:
    """What happened since the mark, as far as it is still there."""

    log: list[str] = field(default_factory=list)
    trace: list[dict[str, Any]] = field(default_factory=list)
    violations: dict[str, int] = field(default_factory=dict)
    card: dict[str, int] = field(default_factory=dict)
    ethtool: dict[str, int] = field(default_factory=dict)
    resources_before: Mapping[str, int] = field(default_factory=dict)
    resources_after: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""

    @property
    def injections(self) -> list[dict[str, Any]]:
        """Records of what was injected."""
        return [record for record in self.trace if record["k"] == "fault"]

    @property
    def caused(self) -> set[str]:
        """Rules that were broken because of what was injected, as the oracle sees it."""
        return {r["rule"] for r in self.trace if r["k"] == "violation" and "caused_by" in r}

    @property
    def refused(self) -> list[str]:
        """What became of injected accesses that were not carried out."""
        return [str(r["detail"]) for r in self.trace if r["k"] == "fault_effect"]

    def hwrm(self) -> Counter[str]:
        """HWRM commands by name, from the first injection to the end of the work."""
        return Counter(record["cmd"] for record in self._requests())

    def last_request(self, command: str) -> Mapping[str, Any] | None:
        """Fields of the last such request in that time, without those that are 0."""
        sent = [record["req"] for record in self._requests() if record["cmd"] == command]
        return sent[-1] if sent else None

    def _requests(self) -> Iterator[dict[str, Any]]:
        began = False
        for record in self.trace:
            began = began or record["k"] == "fault"
            if record["k"] == "faults_disarmed":
                break
            if began and record["k"] == "hwrm":
                yield record


def summed(counters: Mapping[str, int]) -> dict[str, int]:
    """``ethtool -S`` with the rings' own lines added up under one name."""
    total: Counter[str] = Counter()
    for name, value in counters.items():
        total[name.split("]: ")[-1]] += value
    return dict(total)


def grown(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What changed."""
    return {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}


def take_baseline(session: Session) -> TrialBaseline:
    """Before arming. Raises TestbedError."""
    state = session.card.state()
    return TrialBaseline(
        kernel_events=len(session.kernel_log.events), log_lines=session.kernel_log.line_count,
        trace_bytes=session.card.trace_path.stat().st_size,
        violations=state["violations"]["counts"], card=state["counters"],
        resources=state["card"]["resources"], ethtool=summed(ethtool_statistics(session.dut)),
    )  # fmt: skip


def protocol_counts(session: Session, names: Collection[str]) -> dict[str, int]:
    """The kernel's counters that ``Expect.counted`` names: an end without any is not asked.

    Raises TestbedError, EnvironmentProblem for a counter that the kernel does not have.
    """
    asked = {name.partition(" ")[0] for name in names}
    ends = {"dut": session.dut, "remote": session.remote}
    found = {which: _counters(end, which, names) for which, end in ends.items() if which in asked}
    counts = {}
    for name in names:
        which, _, counter = name.partition(" ")
        if counter not in found[which]:
            raise EnvironmentProblem(f"the kernel of {which} has no counter {counter}")
        counts[name] = found[which][counter]
    return counts


def _counters(end: Endpoint, which: str, names: Collection[str]) -> dict[str, int]:
    found = protocol_counters(end)
    if f"{which} {INTERRUPTS}" in names:
        found[INTERRUPTS] = interrupts(end)
    return found


def gather(session: Session, mark: TrialBaseline, *, guest: bool) -> Evidence:
    """After the work; ``guest`` is False if it does not answer any more.

    Raises TestbedError if the card does not, unless it ended with a lost guest.
    """
    found = Evidence(resources_before=mark.resources)
    try:
        state = session.card.state()
        found.violations = grown(state["violations"]["counts"], mark.violations)
        found.card = grown(state["counters"], mark.card)
        found.resources_after = state["card"]["resources"]
        found.digest = state["digest"]
    except TestbedError:
        if guest or session.card.cause_of_loss() is not None:
            raise
    if guest:
        with suppress(TestbedError):
            found.ethtool = grown(summed(ethtool_statistics(session.dut)), mark.ethtool)
    found.trace = list(read_trace(session.card.trace_path, mark.trace_bytes))
    fresh = session.kernel_log.line_count - mark.log_lines
    found.log = session.kernel_log.tail(fresh + 1).splitlines() if fresh else []
    return found


def read_trace(path: Path, offset: int = 0, until: int | None = None) -> Iterator[dict[str, Any]]:
    """The card's records from byte ``offset`` on, those before byte ``until`` if that is given; a
    torn last line is left out."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            if until is not None and offset > until:
                return
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                return
            if isinstance(record, dict):
                yield record


def describe_injections(records: list[dict[str, Any]], most: int = 8) -> list[str]:
    """The last injections as lines for a person."""
    lines = [
        f"injected #{one['injection']} {one['id']}: {one['action']} at {one['point']}"
        + (f" {one['changed']}" if one["changed"] else "")
        for one in records[-most:]
    ]
    if len(records) > most:
        lines.insert(0, f"({len(records) - most} earlier injections)")
    return lines
