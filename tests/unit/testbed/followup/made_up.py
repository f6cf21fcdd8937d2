# SPDX-License-Identifier: GPL-2.0-only
"""Findings, kernels and processes that stand for real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.errors import UsageProblem
from testbed.findings.head import Verified
from testbed.findings.load import Finding, read_finding
from testbed.host.child import Ended
from tests.unit.testbed.findings.heads import ABOUT, checked

RELEASE = "7.2.12-testbed-uml"
TEST = 'test = "tests/suite/link/test_reset.py::test_it"'
SPLAT = '\n[[splat]]\nsanitizer = "WARNING"\nfunction = "f"\ntitle = "dev.c"\n'
SHOWN_HERE = checked("7.2.12", "uml")
OOPS = {
    "sanitizer": "oops", "kind": "kernel NULL pointer dereference", "function": "bnxt_poll_p5",
    "signature": "oops: kernel NULL pointer dereference: bnxt_poll_p5",
    "headline": "BUG: kernel NULL pointer dereference, address: 0000000000000032",
    "location": "drivers/net/ethernet/broadcom/bnxt/bnxt.c:3444", "access": None,
    "access_bytes": None, "task": None, "trace": ["bnxt_poll_p5", "__napi_poll"], "uptime_s": 1.0,
    "panicked": True, "count": 1,
}  # fmt: skip


def a_finding(
    folder: Path, *, shows: str = TEST, more: str = "", kernels: str = SHOWN_HERE,
    deterministic: str = "true", flavours: str = '["uml", "debian"]',
) -> Finding:  # fmt: skip
    """docs/findings/a-bug.md, below ``folder``."""
    path = folder / "a-bug.md"
    reproducer = f'\n[reproducer]\n{shows}\nengine = "uml"\ndeterministic = {deterministic}\n'
    path.write_text(
        f'+++\nid = "a-bug"\n{ABOUT}flavours = {flavours}\n{more}{SPLAT}{reproducer}{kernels}+++\n'
        "# It breaks\n"
    )
    return read_finding(path)


def check_of(outcome: str = "pass", **more: Any) -> dict[str, Any]:
    """A check as summary.json has it."""
    return {
        "name": "test_it", "title": "It works", "group": "tests/suite/link/test_reset.py",
        "outcome": outcome, "reason": "", "fault": None, "findings": [], "splats": [],
        "seconds": 0.1, "measured": "", **more,
    }  # fmt: skip


def summary_of(*checks: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """summary.json of a run on RELEASE."""
    return {
        "job": "suite", "command": ["testbed", "exec", "--", "ip", "link"], "engine": "uml",
        "seed": 1, "kernel_release": RELEASE, "started_at": "2026-11-21T22:00:00Z",
        "command_status": None, "event_hash": None, "problem": None, "checks": list(checks),
        "findings": [{"id": name} for one in checks for name in one["findings"]], "seen": [],
        "provenance": {
            "kernel release": RELEASE, "kernel source version": "7.2.12-1",
            "kernel config sha256": "ab" * 32,
            "kernel config BNXT": "y", "repository commit": "c0ffee",
        },
        **more,
    }  # fmt: skip


class Processes:
    """Stands for :func:`testbed.host.child.run_python`: each leaves the next of ``summaries``."""

    def __init__(self, *summaries: Mapping[str, Any] | None, log: str = "") -> None:
        self.summaries = list(summaries)
        self.log = log
        self.words: list[list[str]] = []
        self.made: Verified | None = None

    def __call__(self, words: Sequence[str], log: Path, limit_s: float) -> Ended:
        self.words.append(list(words))
        summary = self.summaries.pop(0)
        if summary is not None:
            flag = next(word for word in words if word.endswith("run-dir"))
            leave(Path(words[words.index(flag) + 1]) / "latest", summary, self.log)
        return Ended(1, ["the last line"], timed_out=False)


def leave(run: Path, summary: Mapping[str, Any], log: str = "") -> None:
    """A run directory."""
    (run / "vm-1").mkdir(parents=True)
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "vm-1" / "kernel.log").write_text(log)


class Kernels:
    """Stands for :class:`testbed.artifacts.source_kernels.SourceKernels`."""

    def __init__(self, release: str = RELEASE) -> None:
        self.release = release
        self.built: list[Any] = []
        self.asked = 0

    def build(self, request: Any) -> Any:
        self.asked += 1
        if request.base == "9.9":
            raise UsageProblem("the Debian archive has no kernel source '9.9'")
        self.built.append(request)
        self.image = Path(f"/cache/{request.flavour}/linux")
        return self

    def own_uml(self, path: Path, flavour: str) -> Any:
        return self
