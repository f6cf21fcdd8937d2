# SPDX-License-Identifier: GPL-2.0-only
"""Workers of a fuzz campaign, so many in one process, for what costs them no CPU time:

    python -P -m tests.bench.crowd runs/fuzz-NAME/key.json 64

Each has one run at a time, in a thread: the campaign's executor has to be one that only waits.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask
from distributed.worker import Worker

from testbed.fuzz.cluster import CONFIG
from testbed.fuzz.credentials import Invitation, read_invitation


async def _work(invitation: Invitation, count: int, folder: str) -> None:
    """Until the campaign ends."""
    alike: dict[str, Any] = {
        "security": invitation.security, "nthreads": 1, "memory_limit": 0, "dashboard": False,
        "local_directory": folder,
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(
                Worker(invitation.address, name=f"crowd-{number}", **alike)
            )
            for number in range(count)
        ]
        await asyncio.gather(*(worker.finished() for worker in workers))


def main(key: str, count: str) -> None:
    """What the module's docstring says."""
    dask.config.set(CONFIG)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with TemporaryDirectory(prefix="crowd-") as folder:
        asyncio.run(_work(read_invitation(Path(key)), int(count), folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
