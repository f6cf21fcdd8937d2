# SPDX-License-Identifier: GPL-2.0-only
"""Running selftest files, each in a guest of its own: a panic must not lose the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.artifacts.prepare import Prepared
from testbed.engines.qemu.session import QemuSession
from testbed.engines.topology import PEER_NETNS
from testbed.errors import EnvironmentProblem, GuestTimeout, TestbedError, UsageProblem
from testbed.ksft.guest import Ran, prepare, run_test
from testbed.ksft.ktap import Case, KtapResult
from testbed.ksft.results import FileResult
from testbed.ksft.select import TestFile
from testbed.options import RunOptions
from testbed.workloads.seen import SessionAccount

DISK = "/dev/vdc"
"""Where the selftests' image turns up, behind the root image and the kernel's modules."""

OUTPUT = "output.ktap"


@dataclass(frozen=True, kw_only=True)
class SelftestPlan:
    """What to run on what. ``image`` is the disk with the selftests."""

    options: RunOptions
    prepared: Prepared
    image: Path
    tests: Sequence[TestFile]
    limit_s: float


def run_all(
    plan: SelftestPlan, run_dir: Path, on_start: Callable[[TestFile], None]
) -> Iterator[tuple[FileResult, TestbedError | None]]:
    """Run each file in a fresh guest; yields its result and what ended its guest early, if so.

    The logs of a file lie in a folder of ``run_dir`` named after it. Raises EnvironmentProblem
    and UsageProblem: they would meet every file alike.
    """
    for test in plan.tests:
        on_start(test)
        folder = run_dir / test.short.replace("/", "-")
        folder.mkdir()
        yield run_file(plan, test, folder)


def run_file(
    plan: SelftestPlan, test: TestFile, folder: Path
) -> tuple[FileResult, TestbedError | None]:
    """Boot a guest, run one file in it, and say what became of both."""
    started = time.monotonic()
    ran: Ran | None = None
    problem: TestbedError | None = None
    session = QemuSession(plan.options, folder, plan.prepared, extra_disks=[plan.image])
    account: SessionAccount | None = None
    boot_seconds: float | None = None
    try:
        with session:
            boot_seconds = session.boot_seconds
            prepare(session.dut, disk=DISK, netns=PEER_NETNS)
            with (folder / OUTPUT).open("wb") as log:
                ran = run_test(session.dut, test, netns=PEER_NETNS, limit_s=plan.limit_s, log=log)
            account = SessionAccount.of(session, where=test.short)
            if ran.problem is not None and not isinstance(ran.problem, GuestTimeout):
                raise ran.problem
            account.require_answers()
            session.check()
    except (EnvironmentProblem, UsageProblem):
        raise
    except TestbedError as error:
        problem = error
    seconds = time.monotonic() - started
    if ran is None:
        assert problem is not None
        case = Case(test.path, KtapResult.FAIL, f"did not start: {problem.message}")
        return FileResult(test=test, cases=(case,), seconds=seconds), problem
    result = FileResult(
        test=test, cases=ran.cases, seconds=ran.seconds, boot_seconds=boot_seconds,
        exit_code=ran.exit_code, case_seconds=ran.case_seconds, account=account,
    )  # fmt: skip
    return result, problem
