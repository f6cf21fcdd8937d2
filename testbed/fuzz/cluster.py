# SPDX-License-Identifier: GPL-2.0-only
"""A cluster of dask.distributed: our own on this machine, which others may join, or one at an
address. It knows nothing of what is done on it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Generic, TypeVar

import dask
from distributed import Client, Future, LocalCluster, WorkerPlugin
from distributed.security import Security

from testbed.errors import EnvironmentProblem
from testbed.fuzz.credentials import FILE_NAME, Invitation, new_security
from testbed.fuzz.parts import Lost

T = TypeVar("T")
LOCAL = "127.0.0.1"
CONNECT_S = 60.0
"""How long a scheduler may be away."""
MEND_S = 5.0
"""How often is looked whether Dask has given up a worker."""
CONFIG = {
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.deploy.lost-worker-timeout": "60s",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.comm.timeouts.connect": f"{CONNECT_S:.0f}s",
}


_NO_DASHBOARD = "127.0.0.1:0"
"""Dask listens for HTTP in any case: with no page to give, and not to others."""


def _start_tracker() -> None:
    """Python's tracker of semaphores ignores SIGINT and SIGTERM, but would end by a SIGHUP to all
    of us, and then the end of each worker is a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Cluster(Generic[T]):
    """Work is given with a number, and what it returned comes back, in whatever order.

    :ivar invitation: the file that lets others work for it, beside ``folder``; of its own cluster
        only.
    """

    def __init__(
        self, *, name: str, workers: int, folder: Path, manners: WorkerPlugin,
        scheduler: str = "", listen: str = "", processes: bool = True,
    ) -> None:  # fmt: skip
        self._name = name
        self._scheduler = scheduler
        self._done: queue.SimpleQueue[T | Lost] = queue.SimpleQueue()
        self._given = 0
        self._workers = workers
        self._mended_at = 0.0
        self._cluster: LocalCluster | None = None
        self.invitation: Path | None = None
        security: Security | None = None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        dask.config.set({**CONFIG, "temporary-directory": str(folder)})
        if processes:
            _start_tracker()
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
            self._client.register_plugin(manners)

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

    def submit(
        self, number: int, work: Callable[..., T], *arguments: object, here: bool = False
    ) -> None:
        """Have ``work`` done by some worker; ``here``: by one of our own cluster, if there is one.

        Whoever asks twice for a number gets it twice.
        """
        self._given += 1
        # a key of its own: dask must not take it for what it has done before
        key = f"{self._name}-{number}-{self._given}"
        own = list(self._cluster.workers) if here and self._cluster is not None else None
        future = self._client.submit(work, *arguments, key=key, pure=False, workers=own)
        loop = self._client.loop
        assert loop is not None, "the client has been closed"
        loop.add_callback(self._fetch, future, number)

    async def _fetch(self, future: Future[T], number: int) -> None:
        """In the client's loop: wait for the end, which a second worker may come to."""
        try:
            self._done.put(await self._client.gather(future, asynchronous=True))
        except (CancelledError, asyncio.CancelledError):
            self._done.put(Lost(number, "the scheduler went away"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the work has no end
            self._done.put(Lost(number, str(error), fatal=True))

    def collect(self, wait_s: float) -> list[T | Lost]:
        """What has ended; waits for it at most that long. Raises EnvironmentProblem if there is
        no scheduler any more."""
        ended: list[T | Lost] = []
        self._mend()
        try:
            ended.append(self._done.get(timeout=wait_s))
            while True:
                ended.append(self._done.get_nowait())
        except queue.Empty:
            pass
        if self._client.status == "closed":
            raise EnvironmentProblem(
                f"the scheduler {self._scheduler} went away and was not back in {CONNECT_S:.0f} s",
                remedy="start it and the command again: all that ended is stored",
            )
        return ended

    def _mend(self) -> None:
        """Dask gives up a worker that was lost and is not back in time, as on a busy machine, and
        starts no other unless it is asked."""
        now = time.monotonic()
        if self._cluster is None or now - self._mended_at < MEND_S:
            return
        self._mended_at = now
        if len(self._cluster.workers) < self._workers:
            self._cluster.scale(self._workers)

    def doing(self) -> dict[str, tuple[int, ...]]:
        """Worker -> numbers of what it has been given."""
        try:
            found: Mapping[str, Any] = self._client.processing()
        except (OSError, RuntimeError, TypeError):
            return {}
        return {
            worker: tuple(int(str(key).rsplit("-", 2)[1]) for key in keys)
            for worker, keys in found.items()
        }

    def close(self) -> None:
        """Let all go; what is under way is lost."""
        client = getattr(self, "_client", None)
        for one in (client, self._cluster):
            if one is not None:
                one.close(timeout=20)
        if self.invitation is not None:
            self.invitation.unlink(missing_ok=True)
