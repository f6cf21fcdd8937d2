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
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol, Self

import dask
from distributed import Client, Future, LocalCluster, Nanny, WorkerPlugin, get_worker
from distributed.security import Security
from distributed.worker import Worker

from testbed.engines.uml.hits import CoveredKernel
from testbed.errors import EnvironmentProblem, TestbedError, UsageProblem
from testbed.fuzz.credentials import FILE_NAME, Invitation, new_security, read_invitation
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.parts import Job, Lost, Reply
from testbed.fuzz.schedule import Schedule
from testbed.host import interrupt

LOCAL = "127.0.0.1"
CONNECT_S = 60.0
"""How long a scheduler may be away."""
_CONFIG = {
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.comm.timeouts.connect": f"{CONNECT_S:.0f}s",
}


_NO_DASHBOARD = "127.0.0.1:0"
"""Dask listens for HTTP in any case: with no page to give, and not to others."""


class Executor(Protocol):
    """What :class:`testbed.fuzz.execute.Executor` is to a worker."""

    @property
    def program(self) -> CoveredKernel | None: ...

    def __enter__(self) -> Self: ...

    def run(self, schedule: Schedule, most: int = 1, limit_s: float = ...) -> Outcome: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    """What a worker makes its executor of. ``factory`` is importable on the worker's machine."""

    factory: Callable[..., Executor]
    flavour: str
    kernel: str | None = None
    coverage: bool = True

    def make(self, folder: Path) -> Executor:
        """An executor whose files are in ``folder``. Raises TestbedError."""
        return self.factory(folder, self.flavour, self.kernel, self.coverage).__enter__()


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
    dask.config.set(_CONFIG)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_join(address, security, workers or os.cpu_count() or 1, tell))
    except (OSError, ValueError, RuntimeError, TimeoutError) as error:
        raise EnvironmentProblem(f"no scheduler at {address}: {error}") from error


class DaskPool:
    """Runs of a campaign on a cluster: its own one on this machine, or one at an address.

    :ivar invitation: the file that lets others work for it, in the campaign's folder; of its own
        cluster only.
    """

    def __init__(
        self, spec: ExecutorSpec, *, campaign: str, workers: int, folder: Path,
        scheduler: str = "", listen: str = "", processes: bool = True,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._campaign = campaign
        self._scheduler = scheduler
        self._done: queue.SimpleQueue[Reply | Lost] = queue.SimpleQueue()
        self._given = 0
        self._cluster: LocalCluster | None = None
        self.invitation: Path | None = None
        security: Security | None = None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        dask.config.set(_CONFIG)
        try:
            if not scheduler:
                host, _, port = listen.partition(":")
                network: dict[str, Any] = {}
                if processes:
                    security = new_security()
                    network = {"protocol": "tls://", "host": host or LOCAL, "security": security}
                self._cluster = LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=processes,
                    dashboard_address=_NO_DASHBOARD, memory_limit=0, local_directory=str(folder),
                    silence_logs=logging.CRITICAL, scheduler_port=int(port or 0), **network,
                )  # fmt: skip
            self._client = Client(
                self._cluster or scheduler, timeout=CONNECT_S, set_as_default=False,
                security=security,
            )  # fmt: skip
            if security is not None:
                self.invitation = folder.parent / FILE_NAME
                Invitation.of(self.address, security).write(self.invitation)
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            where = scheduler or listen or "this machine"
            raise EnvironmentProblem(f"no workers by {where}: {error}") from error
        if processes:
            self._client.register_plugin(_Manners())

    @property
    def address(self) -> str:
        """Where workers join."""
        return str(self._client.scheduler_info()["address"])

    def size(self) -> int:
        """How many workers there are now."""
        return len(self._nthreads())

    def _nthreads(self) -> Mapping[str, int]:
        try:
            found: Mapping[str, int] = self._client.nthreads()
        except (OSError, RuntimeError, TypeError):
            return {}
        return found

    def give(self, job: Job) -> None:
        """Have it run by some worker."""
        self._given += 1
        # a key of its own: dask must not take it for a run it has done
        key = f"{self._campaign}-{job.number}-{self._given}"
        future = self._client.submit(run_job, job, self.spec, key=key, pure=False)
        loop = self._client.loop
        assert loop is not None, "the client has been closed"
        loop.add_callback(self._fetch, future, job.number)

    async def _fetch(self, future: Future[Reply], number: int) -> None:
        """In the client's loop: wait for the end of a run, which may be that of a second worker."""
        try:
            self._done.put(await self._client.gather(future, asynchronous=True))
        except (CancelledError, asyncio.CancelledError):
            self._done.put(Lost(number, "the scheduler went away"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the run has no end
            self._done.put(Lost(number, str(error), fatal=True))

    def collect(self, wait_s: float) -> list[Reply | Lost]:
        """What has ended; waits for it at most that long. Raises EnvironmentProblem if there is
        no scheduler any more."""
        ended: list[Reply | Lost] = []
        try:
            ended.append(self._done.get(timeout=wait_s))
            while True:
                ended.append(self._done.get_nowait())
        except queue.Empty:
            pass
        if self._client.status == "closed":
            raise EnvironmentProblem(
                f"the scheduler {self._scheduler} went away and was not back in {CONNECT_S:.0f} s",
                remedy="start it and the campaign again: all that ended is stored",
            )
        return ended

    def doing(self) -> dict[str, tuple[int, ...]]:
        """Worker -> numbers of the runs it has been given."""
        try:
            found: Mapping[str, Any] = self._client.processing()
        except (OSError, RuntimeError, TypeError):
            return {}
        return {
            worker: tuple(int(str(key).rsplit("-", 2)[1]) for key in keys)
            for worker, keys in found.items()
        }

    def close(self) -> None:
        """Let all go; runs that are under way are lost."""
        client = getattr(self, "_client", None)
        for one in (client, self._cluster):
            if one is not None:
                one.close(timeout=20)
        if self.invitation is not None:
            self.invitation.unlink(missing_ok=True)
