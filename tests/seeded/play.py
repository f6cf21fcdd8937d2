# SPDX-License-Identifier: GPL-2.0-only
"""Workloads in a guest with a seeded bug: none ends the others, and none has to succeed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from testbed.dut.defer import DeferStack, UndoFailed
from testbed.engines.session import Session
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM
from testbed.findings.kernel_log import KernelEvent
from testbed.workloads.workload import WorkloadContext
from tests.seeded.workloads import WORKLOADS


@dataclass(frozen=True)
class Observed:
    """What the workloads made visible.

    :ivar failures: which workload failed and why. A bug may break traffic and yet be due to show
        itself in the teardown.
    :ivar rules: rules that were broken -> how often.
    :ivar culprits: who is to blame according to the oracle verdicts (of the latest 1000).
    :ivar complaints: what the kernel complained of.
    """

    failures: Sequence[str]
    rules: Mapping[str, int]
    culprits: Set[str]
    complaints: Sequence[KernelEvent]


@contextmanager
def _noted(failures: list[str], workload: str) -> Iterator[None]:
    try:
        yield
    except (GuestCommandFailed, GuestTimeout, UndoFailed) as failed:
        failures.append(f"{workload}: {failed!r}")


def play(session: Session, workloads: Iterable[str], parameter: str = "") -> Observed:
    """Have an entered session do the workloads. A guest that dies of its bug is part of the answer.

    ``parameter`` is one of the driver's module, on while a workload works. Raises ModelFailure.
    """
    failures: list[str] = []
    with suppress(LostVM):
        for name in workloads:
            undo = DeferStack()
            context = WorkloadContext(session.dut, session.remote, undo)
            with _noted(failures, name):
                WORKLOADS[name].prepare(context)
                if parameter:
                    session.dut.put(b"Y\n", f"/sys/module/bnxt_en/parameters/{parameter}")
                WORKLOADS[name].work(context)
            with _noted(failures, name):
                undo.unwind()
            session.check()
    violations = session.card.state()["violations"]
    return Observed(
        failures, violations["counts"], {str(verdict["culprit"]) for verdict in violations["kept"]},
        tuple(session.kernel_log.events),
    )  # fmt: skip
