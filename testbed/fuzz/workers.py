# SPDX-License-Identifier: GPL-2.0-only
"""Workers of a campaign: processes of dask.distributed, here or on other machines.

A worker knows nothing but the run it was given. It makes an executor on its first run and keeps
it. One that is killed is replaced, and its run is given to another; who leads the campaign sees
each run's number once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol, Self

import dask
from distributed import Nanny, WorkerPlugin, get_worker
from distributed.security import Security
from distributed.worker import Worker

from testbed.engines.uml.hits import CoveredKernel
from testbed.errors import EnvironmentProblem, TestbedError, UsageProblem
from testbed.fuzz.cluster import CONFIG, Cluster
from testbed.fuzz.credentials import read_invitation
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.parts import Job, Reply
from testbed.fuzz.schedule import Schedule
from testbed.host import interrupt


class Executor(Protocol):
    """What :class:`testbed.fuzz.execute.Executor` is to a worker."""

    @property
    def program(self) -> CoveredKernel | None: ...

    def append(self, words: str) -> None: ...

    def __enter__(self) -> Self: ...

    def run(self, schedule: Schedule, most: int = 1, limit_s: float = ...) -> Outcome: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    """What a worker makes its executor of. ``factory`` is importable on the worker's machine;
    ``append`` is more of the kernel's command line."""

    factory: Callable[..., Executor]
    flavour: str
    kernel: str | None = None
    coverage: bool = True
    append: str = ""

    def make(self, folder: Path) -> Executor:
        """An executor whose files are in ``folder``. Raises TestbedError."""
        made = self.factory(folder, self.flavour, self.kernel, self.coverage).__enter__()
        made.append(self.append)
        return made


class _Held:
    """The executor of this process."""

    def __init__(self) -> None:
        self.spec: ExecutorSpec | None = None
        self.executor: Executor | None = None

    def get(self, spec: ExecutorSpec, parent: str) -> Executor:
        if self.executor is None or self.spec != spec:
            self.close()
            self.executor = spec.make(Path(mkdtemp(prefix="run-", dir=parent)))
            self.spec = spec
        return self.executor

    def close(self) -> None:
        executor, self.executor = self.executor, None
        if executor is not None:
            executor.close()


_held = _Held()


def run_job(job: Job, spec: ExecutorSpec) -> Reply:
    """In a worker: one run. Raises nothing but what ends the worker."""
    worker = get_worker()
    error: TestbedError | None = None
    program: CoveredKernel | None = None
    try:
        executor = _held.get(spec, worker.local_directory)
        outcome = executor.run(job.schedule, job.most, job.limit_s)
        program = executor.program
    except Exception as err:  # noqa: BLE001 - a worker lives on, whatever a run did to it
        known = isinstance(err, TestbedError)
        text = err.message if isinstance(err, TestbedError) else traceback.format_exc()
        error = err if isinstance(err, UsageProblem) else None
        outcome = Outcome(schedule=job.schedule.name, ended=Ended.ENVIRONMENT, problem=text)
        try:
            _held.close()
        except TestbedError:
            if not known:
                raise
    return Reply(
        number=job.number, outcome=outcome, worker=str(worker.name), program=program, error=error
    )


class _Manners(WorkerPlugin):
    """Signals are for who leads the campaign; an executor is closed with its worker."""

    name = "testbed-fuzz"

    def setup(self, worker: Worker) -> None:
        if threading.current_thread() is threading.main_thread():  # a process of its own
            interrupt.ignore()

    def teardown(self, worker: Worker) -> None:
        _held.close()


async def _join(
    address: str, security: Security | None, count: int, tell: Callable[[str], None]
) -> None:
    settings: dict[str, Any] = {
        "nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL,
        **({"security": security} if security else {}),
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        nannies = [
            await stack.enter_async_context(Nanny(address, dashboard=False, **settings))
            for _ in range(count)
        ]
        tell(f"{count} workers have joined {address}")
        await asyncio.gather(*(nanny.finished() for nanny in nannies))


def join(where: str, workers: int | None, tell: Callable[[str], None]) -> None:
    """Work until the campaign ends that ``where`` is the invitation of, or for the Dask scheduler
    of that address. Raises TestbedError, Interrupted."""
    address, security = where, None
    if "://" not in where:
        invitation = read_invitation(Path(where))
        address, security = invitation.address, invitation.security
    dask.config.set(CONFIG)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_join(address, security, workers or os.cpu_count() or 1, tell))
    except (OSError, ValueError, RuntimeError, TimeoutError) as error:
        raise EnvironmentProblem(f"no scheduler at {address}: {error}") from error


class DaskPool(Cluster[Reply]):
    """Runs of a campaign on a cluster: its own one on this machine, or one at an address."""

    def __init__(
        self, spec: ExecutorSpec, *, campaign: str, workers: int, folder: Path,
        scheduler: str = "", listen: str = "", processes: bool = True,
    ) -> None:  # fmt: skip
        self.spec = spec
        super().__init__(
            name=campaign, workers=workers, folder=folder, manners=_Manners(),
            scheduler=scheduler, listen=listen, processes=processes,
        )  # fmt: skip

    def give(self, job: Job) -> None:
        """Have it run by some worker."""
        self.submit(job.number, run_job, job, self.spec)
