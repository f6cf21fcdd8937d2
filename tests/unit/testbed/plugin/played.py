# SPDX-License-Identifier: GPL-2.0-only
"""A pool whose machine is played, and a finding on file for what its kernel says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from testbed.dut.protocols import Capability
from testbed.engines.pool import LogPosition, LogWindow, SessionPool
from testbed.errors import LostVM, TestbedError
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.options import RunOptions
from tests.unit.testbed.findings.heads import ABOUT, REPRODUCER, checked

FINDING = f"""+++
id = "tx-warning"
{ABOUT}flavours = ["uml-san"]
failure = "queue \\\\d is dead"
violations = ["mapping_leaked"]

[[splat]]
sanitizer = "WARNING"
function = "bnxt_tx_int"
title = "bnxt.c"

[[splat]]
sanitizer = "oops"
function = "bnxt_tx_int"
title = "x"
{REPRODUCER}{checked("7.2.12", "uml-san", hashes=1)}+++
"""


class Dut:
    """An end nothing is sent to."""

    netdev, ipv4, ipv6, driver = "nut0", "192.0.2.1", "2001:db8::1", "bnxt_en"
    capabilities = frozenset({Capability.ZCRX})


class PlayedPool:
    """A pool whose machine is played: tests set what card and kernel complain of."""

    boots, prepared, last_boot_seconds = 0, None, 7.5
    violations, kernel = 0, GuestKernel.of("7.2.12-testbed-uml-san")
    problem: TestbedError | None = None
    unknown_hwrm: ClassVar[dict[str, int]] = {}
    refused_hwrm, missing_hwrm = Counter({"FUNC_VF_CFG": 1}), Counter({"SELFTEST_QLIST": 2})
    options = RunOptions(seed=1)
    event_hash = None
    describe = SessionPool.describe
    log_folder = Path("vm-1")
    has_oracle = has_card = True
    unavailable: TestbedError | None = None

    def __init__(self, *_: object) -> None:
        self.is_up = False
        self.log = KernelLogWatcher()
        self.taken = self.renewed = 0
        self.found: dict[str, int] = {}
        self.verdicts: list[dict[str, Any]] = []
        self.lost: LostVM | None = None

    def lose(self, why: str = "it is gone") -> None:
        """The machine ends."""
        self.lost = LostVM(why)
        raise self.lost

    def complain(self, text: str) -> None:
        """The kernel logs ``text``."""
        self.log.feed(text.encode())

    def current(self) -> SimpleNamespace:
        if not self.is_up:
            self.is_up, self.boots = True, self.boots + 1
        return SimpleNamespace(dut=Dut(), remote=Dut())

    def let_kernel_warn_again(self) -> None:
        self.current()
        self.renewed += 1

    def mark(self) -> None:
        self.current()
        self.taken, self.found, self.verdicts = len(self.log.events), {}, []

    def tell(self, error: TestbedError) -> TestbedError:
        return error

    def tell_stuck(self, error: TestbedError) -> None:
        """Nobody is asked."""

    def since(self, _: None) -> LogWindow:
        events, found, verdicts = self.log.events[self.taken :], self.found, self.verdicts
        self.taken, self.found, self.verdicts = len(self.log.events), {}, []
        return LogWindow(events, found, self.lost, verdicts, LogPosition(0, {}))

    def discard(self) -> None:
        self.is_up, self.lost = False, None


ARGUMENTS = ("-p", "testbed.plugin.main", "-p", "no:hypothesispytest", "--strict-markers", "-ra")
