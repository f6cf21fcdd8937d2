# SPDX-License-Identifier: GPL-2.0-only
"""How the end of a UML process is judged: the guest's, or of a host without room for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.engines.uml.argv import UmlSpec
from testbed.engines.uml.machine import UmlMachine
from testbed.errors import EnvironmentProblem, LostVM, TestbedError

BUS_ERROR = (
    b"[    0.1] Bus error - the host /dev/shm or /tmp mount likely just ran out of space\n"
    b"[    0.1] Kernel panic - not syncing: Kernel mode signal 7\n"
)


async def ended(folder: Path, log: bytes, returncode: int, **process: Any) -> TestbedError | None:
    """Why a machine is lost whose process has ended so."""
    machine = UmlMachine(
        UmlSpec(memory_mib=512, simulated_time=True, cpus=1, seed=1), program=Path("/linux"),
        initramfs=Path("/initramfs"), connection=cast(Any, None),
        private=cast(Any, SimpleNamespace(path=folder)), run_dir=folder, uid=None,
        progress=cast("Callable[[], Awaitable[object]]", None), patience_s=1,
    )  # fmt: skip
    machine._process = cast(Any, SimpleNamespace(
        ended=asyncio.get_running_loop().create_future(), returncode=returncode,
        describe_end=lambda: "uml ended", log=SimpleNamespace(path=folder / "uml.log"), **process,
    ))  # fmt: skip
    cast(Any, machine._process).ended.set_result(returncode)
    machine._take_kernel_log(log)
    await machine._follow_process()
    return machine.lost


PROBLEM = EnvironmentProblem("this host ran out of memory")


@pytest.mark.parametrize(
    ("log", "lacks", "killed", "kind", "said"),
    [
        (BUS_ERROR, ("namespaces: refused",), None, EnvironmentProblem, "ran out of space"),
        (BUS_ERROR, ("root: refused",), None, EnvironmentProblem, "ran out of space"),
        (BUS_ERROR, (), None, LostVM, "Kernel mode signal 7"),  # its own file system has room
        (BUS_ERROR, ("Landlock: refused",), None, LostVM, "Kernel mode signal 7"),
        (b"[    0.1] Linux\n", (), PROBLEM, EnvironmentProblem, "this host ran out of memory"),
        (b"[    0.1] Linux\n", (), None, LostVM, "uml ended"),
    ],
)
def test_end_is_blamed_on_guest_or_host(
    tmp_path: Path,
    log: bytes,
    lacks: tuple[str, ...],
    killed: EnvironmentProblem | None,
    kind: type[TestbedError],
    said: str,
) -> None:
    lost = asyncio.run(
        ended(
            tmp_path, log, -9, jail=SimpleNamespace(lacks=lacks), killed_for_memory=lambda: killed
        )
    )
    assert type(lost) is kind
    assert said in str(lost)
