# SPDX-License-Identifier: GPL-2.0-only
"""Another machine over SSH: one connection of the system's OpenSSH, many commands on it.

What OpenSSH's own configuration can do (jump hosts, agents, hardware keys, proxies) works here,
too. The first process holds the connection; each command is a client of it (ControlMaster).
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.engines.lab.config import Login
from testbed.errors import EnvironmentProblem, LaunchFailure
from testbed.host.private import PrivateFolder

CONNECT_TIMEOUT_S = 60
ALIVE_EVERY_S, ALIVE_MISSED = 5, 4
FAILED = 255  # ssh's own exit code when it is not the command's
END_TIMEOUT_S = 5.0


def client_program(name: str) -> str:
    """The path of one of OpenSSH's programs. Raises EnvironmentProblem."""
    found = shutil.which(name)
    if found is None:
        raise EnvironmentProblem(
            f"there is no {name} on this machine", remedy="install Debian's openssh-client"
        )
    return found


@dataclass(frozen=True)
class PlainResult:
    """How a plain command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """What it printed, for an error message."""
        return (self.stderr.strip() or self.stdout.strip())[-2000:]


class SshConnection:
    """One connection. All coroutines run in one loop. ``lost`` is done when it is no more."""

    def __init__(self, login: Login, private: PrivateFolder, name: str) -> None:
        self.login = login
        self._private = private
        self._control = private.path / f"ssh-{name}"
        self._log_path = private.path / f"ssh-{name}.log"
        self._ssh = client_program("ssh")
        self._master: asyncio.subprocess.Process | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def name(self) -> str:
        """The machine, as lab.toml calls it."""
        return self.login.host

    def _options(self) -> list[str]:
        login, options = self.login, [self._ssh]
        given = {"-F": login.ssh_config, "-p": login.port, "-l": login.user, "-i": login.identity}
        for flag, value in given.items():
            if value is not None:
                options += [flag, str(value)]
        if login.proxy_command is not None:
            options += ["-o", f"ProxyCommand={login.proxy_command}"]
        return [*options, "-o", "BatchMode=yes"]

    def _sharing(self) -> list[str]:
        return [*self._options(), "-o", f"ControlPath={self._control}", "-T", "-x"]

    def _command(self, line: str) -> list[str]:
        """The local command that gives ``line`` to the login shell over there."""
        # without the connection a client would make one of its own: let it fail instead
        words = [*self._sharing(), "-o", "ControlMaster=no", "-o", "ProxyCommand=false"]
        return [*words, "--", self.login.host, line]

    async def open(self) -> None:
        """Connect. Raises EnvironmentProblem, LaunchFailure with what ssh printed."""
        alive = ["-o", f"ServerAliveInterval={ALIVE_EVERY_S}"]
        alive += ["-o", f"ServerAliveCountMax={ALIVE_MISSED}"]
        argv = [*self._sharing(), "-o", "ControlMaster=yes", "-o", "ControlPersist=no", *alive]
        argv += ["-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}", "-N", "--", self.login.host]
        with self._log_path.open("wb") as log:
            self._master = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._private.watch_group(self._master.pid)
        self._watcher = asyncio.create_task(self._watch(self._master))
        for _ in range(CONNECT_TIMEOUT_S * 20):
            if self._control.exists():
                return
            if self.lost.done():
                raise LaunchFailure(
                    f"no SSH connection to {self.name}",
                    command=[*self._options(), "--", self.login.host, "true"],
                    returncode=self._master.returncode,
                    log_tail=self._log_tail(),
                    remedy="make this command work: it must ask for neither password nor host key;"
                    " lab.toml says where to connect to",
                )
            await asyncio.sleep(0.05)
        raise EnvironmentProblem(f"{self.name} lets nobody in within {CONNECT_TIMEOUT_S} s")

    def _log_tail(self) -> str:
        return self._log_path.read_text(errors="replace").strip()[-2000:]

    async def _watch(self, master: asyncio.subprocess.Process) -> None:
        await master.wait()
        if not self.lost.done():
            self.lost.set_result(self._log_tail() or "ssh ended")

    async def start(self, argv: Sequence[str]) -> asyncio.subprocess.Process:
        """Start ``argv`` over there as it is; its three streams are pipes."""
        return await self._start(shlex.join([*self.login.become, *argv]))

    async def _start(self, line: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command(line),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is the runner's alone
        )

    async def plain(
        self, argv: Sequence[str], *, input: bytes = b"", timeout_s: float = 60.0
    ) -> PlainResult:
        """Run ``argv`` over there to its end. Raises EnvironmentProblem if that is not possible."""
        return await self._finish(await self.start(argv), input, timeout_s)

    async def login_shell(self, line: str, *, timeout_s: float = 60.0) -> PlainResult:
        """Give ``line`` to the login shell over there, as the user who logs in."""
        return await self._finish(await self._start(line), b"", timeout_s)

    async def _finish(
        self, process: asyncio.subprocess.Process, input: bytes, timeout_s: float
    ) -> PlainResult:
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate(input)
        except TimeoutError as error:
            raise EnvironmentProblem(
                f"{self.name}: a command did not end within {timeout_s:.0f} s"
            ) from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
        texts = (data.decode(errors="replace") for data in (out, err))
        result = PlainResult(process.returncode or 0, *texts)
        if result.returncode == FAILED:
            raise EnvironmentProblem(f"the connection to {self.name} broke: {result.message}")
        return result

    async def run_script(
        self, script: str, *words: str, timeout_s: float = 60.0, input: bytes = b""
    ) -> PlainResult:
        """Run a shell script over there with positional parameters."""
        return await self.plain(
            ["sh", "-c", script, "sh", *words], input=input, timeout_s=timeout_s
        )

    async def close(self) -> None:
        """End the connection; never fails."""
        master = self._master
        if master is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(master.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._watcher), END_TIMEOUT_S)
                break
        self._private.group_gone(master.pid)
        with suppress(FileNotFoundError):
            Path(self._control).unlink()
