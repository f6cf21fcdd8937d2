# SPDX-License-Identifier: GPL-2.0-only
"""What the steps of the main job share."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from testbed.dut.defer import DeferStack
from testbed.dut.permissions import require_permission
from testbed.dut.protocols import Capability
from testbed.engines.engine import Prepared
from testbed.engines.guest import GuestDut, GuestEndpoint
from testbed.engines.session import Session
from testbed.errors import GuestTimeout
from testbed.options import RunOptions
from testbed.report.results import RunReport
from testbed.workloads.seen import explained
from testbed.workloads.workload import WorkloadContext

ZCRX_PORT = 5000
CONTROL_PORT = 5001  # no rule steers it
TRAFFIC_PORT = 5002


@dataclass
class JobContext:
    """One main job. ``stack`` owns the session; ``defer`` undoes settings of the NIC."""

    options: RunOptions
    prepared: Prepared
    run_dir: Path
    report: RunReport
    stack: ExitStack
    defer: DeferStack = field(default_factory=DeferStack)
    opened: Session | None = None

    @property
    def session(self) -> Session:
        """The session, which the first step opens."""
        assert self.opened is not None, "no step before has booted"
        return self.opened

    @property
    def dut(self) -> GuestDut:
        """The device under test."""
        return self.session.dut

    @property
    def remote(self) -> GuestEndpoint:
        """The other end of the wire."""
        return self.session.remote

    @cached_property
    def work(self) -> WorkloadContext:
        """What the job's workloads share."""
        return WorkloadContext(
            self.dut, self.remote, self.defer, seed=self.session.seed, address=self.dut.pci_address
        )

    def explain(self, late: GuestTimeout) -> GuestTimeout:
        """``late``, with what the kernel had said that explains it."""
        if self.opened is None:
            return late
        return explained(late, self.opened.kernel_log, self.opened.kernel)

    def need(self, capability: Capability) -> None:
        """Skip the step unless the set-up has ``capability``."""
        require_permission(self.dut, capability)
