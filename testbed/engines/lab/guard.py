# SPDX-License-Identifier: GPL-2.0-only
"""The state of one interface of a lab machine, saved, and restored even if the runner dies.

A program stays on the machine (images/lab/lab_guard.c) that does so when we say so, when we are
gone, and when the connection is. A normal end of a session takes the same path.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from testbed.engines.lab.ssh import SshConnection
from testbed.errors import EnvironmentProblem, NotPutBack

RESTORE = Path(__file__).with_name("restore.sh")
OPEN = Path(__file__).with_name("open.sh")
WAIT_FOR_OTHER_S = 120
UPLOAD_TIMEOUT_S = 300.0
SAVE_TIMEOUT_S = 60.0
RESTORE_TIMEOUT_S = 240.0
KEEPALIVES_PER_LEASE = 4
_RESTORED = "restored"


@dataclass(frozen=True, kw_only=True)
class GuardedInterface:
    """An interface to be put back. ``pci_address`` "": driver and address are not restored."""

    interface: str
    folder: str
    lease_s: int
    namespace: str | None = None
    pci_address: str = ""
    driver: str = ""

    @property
    def place(self) -> str:
        """The folder on the machine for this interface alone."""
        name = f"{self.namespace}-{self.interface}" if self.namespace else self.interface
        return f"{self.folder}/testbed-lab-{name}"

    def settings(self) -> str:
        """What restore.sh reads."""
        pairs = {
            "interface": self.interface,
            "netns": self.namespace or "",
            "pci_address": self.pci_address,
            "driver": self.driver,
        }
        return "".join(f"{name}={quote(value)}\n" for name, value in pairs.items())


class Guard:
    """Holds one interface from :meth:`take` to :meth:`release`."""

    def __init__(self, connection: SshConnection, guarded: GuardedInterface) -> None:
        self.guarded = guarded
        self.before = ""
        self._connection = connection
        self._process: asyncio.subprocess.Process | None = None
        self._keepalives: asyncio.Task[None] | None = None

    async def take(self, programs: Sequence[Path] | Guard, patience: float) -> None:
        """Deliver ``programs``, save the state, start the state guard. Raises EnvironmentProblem.

        Instead of programs: another guard on the same machine, that has them there.
        """
        place, connection = self.guarded.place, self._connection
        # longer than the state guard of a session that has just died has to wait and to work
        wait_s = self.guarded.lease_s + int(WAIT_FOR_OTHER_S * patience)
        opened = await connection.run_script(
            OPEN.read_text(), place, str(wait_s), timeout_s=wait_s + RESTORE_TIMEOUT_S * patience
        )
        if opened.returncode != 0:
            raise EnvironmentProblem(
                f"{connection.name}: {self.guarded.interface} cannot be used: {opened.message}",
                remedy=f"see {place} there; remove it once the interface is as it should be",
            )
        script, words = 'tar -xf - -C "$1"', [place]
        if isinstance(programs, Guard):
            script += ' && cp -R "$2/bin" "$1/bin"'
            words, programs = [place, programs.guarded.place], ()
        sent = await connection.run_script(
            script, *words, input=self._archive(programs), timeout_s=UPLOAD_TIMEOUT_S * patience
        )
        if sent.returncode != 0:
            raise EnvironmentProblem(
                f"{connection.name} could not receive the programs: {sent.message}"
            )
        save = ["sh", f"{place}/restore.sh", place, "save"]
        saved = await connection.plain(save, timeout_s=SAVE_TIMEOUT_S * patience)
        if saved.returncode != 0:
            raise EnvironmentProblem(
                f"{connection.name}: the state of {self.guarded.interface} cannot be saved:"
                f" {saved.message}"
            )
        self.before = saved.stdout
        await self._start_state_guard(patience)

    def _archive(self, programs: Sequence[Path]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, data in (
                ("settings", self.guarded.settings().encode()),
                ("restore.sh", RESTORE.read_bytes()),
                *((f"bin/{path.name}", path.read_bytes()) for path in programs),
            ):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o700
                archive.addfile(member, io.BytesIO(data))
        return stream.getvalue()

    async def _start_state_guard(self, patience: float) -> None:
        place, lease_s = self.guarded.place, self.guarded.lease_s
        self._process = await self._connection.start(
            [f"{place}/bin/lab_guard", place, str(lease_s)]
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(SAVE_TIMEOUT_S * patience):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if line != b"ready\n":
            place = f"{self._connection.name}: {self.guarded.interface}"
            raise EnvironmentProblem(f"{place}: the state guard did not start")
        self._keepalives = asyncio.create_task(self._send_keepalives())

    async def _send_keepalives(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            while True:
                self._process.stdin.write(b"alive\n")
                await self._process.stdin.drain()
                await asyncio.sleep(self.guarded.lease_s / KEEPALIVES_PER_LEASE)

    async def release(self, patience: float) -> None:
        """Have the state put back. Raises NotPutBack, saying what could not be."""
        if self._process is None:
            return
        if self._keepalives is not None:
            self._keepalives.cancel()
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(RESTORE_TIMEOUT_S * patience):
                output, _ = await self._process.communicate(b"end\n")
        except TimeoutError:
            output = b"no answer"
        text = output.decode(errors="replace").strip()
        if text != _RESTORED:
            place = self.guarded.place
            raise NotPutBack(
                f"{self._connection.name}: {self.guarded.interface} is not as it was found:\n"
                f"{text or 'the connection broke; its state guard there goes on without us'}",
                remedy=f"the next session tries again; {place} there has the state it had",
            )
