# SPDX-License-Identifier: GPL-2.0-only
"""The guest as synchronous callers see it: an endpoint per network namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from testbed.dut.probing import lacking_in_kernel
from testbed.dut.protocols import Capability, Completed, OutputSink
from testbed.engines.agent import Command, GuestAgent
from testbed.errors import TestbedError
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.host.loop import BackgroundLoop
from testbed.host.pace import Pace


class Machine(Protocol):
    """What runs a guest, as a session sees it."""

    kernel_log: KernelLogWatcher
    kernel_log_path: Path

    @property
    def agent(self) -> GuestAgent[Any]:
        """The way into the guest."""

    @property
    def lost(self) -> TestbedError | None:
        """Why the machine is of no more use, or None while it lives."""

    def fail(self, error: TestbedError) -> None:
        """Make every wait for this machine raise ``error``."""

    async def stop(self) -> None:
        """End the machine; never fails."""


def _stretch(timeout_s: float | None, pace: Pace) -> float | None:
    return None if timeout_s is None else timeout_s * pace.patience


class GuestProcess:
    """A background command of a guest; see :class:`testbed.dut.protocols.Running`."""

    def __init__(
        self, loop: BackgroundLoop, agent: GuestAgent[Any], command: Command, pace: Pace
    ) -> None:
        self._loop = loop
        self._agent = agent
        self._command = command
        self._pace = pace

    @property
    def pid(self) -> int:
        """Process id in the guest; also the process group."""
        return self._command.pid

    def poll(self) -> int | None:
        """The return code, or None while it runs."""
        self._loop.run(self._agent.poll(self._command))
        return self._command.returncode

    def wait(self, timeout_s: float | None = None) -> Completed:
        """Wait for its end. Raises GuestTimeout after killing it, LostVM."""
        return self._loop.run(self._agent.wait(self._command, _stretch(timeout_s, self._pace)))

    def kill(self) -> Completed:
        """Kill its process group and return what it left. Raises LostVM."""
        return self._loop.run(self._agent.kill(self._command))

    def output(self) -> bytes:
        """Standard output so far."""
        self._loop.run(self._agent.poll(self._command))
        return bytes(self._command.captured["stdout"])


class GuestEndpoint:
    """Commands and files at one end of the wire; a :class:`~testbed.dut.protocols.Endpoint`.

    ``netns`` None is the guest's first network namespace.
    """

    def __init__(
        self, loop: BackgroundLoop, agent: GuestAgent[Any], *, netdev: str, ipv4: str, ipv6: str,
        netns: str | None = None, pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._pace = Pace() if pace is None else pace
        self.netdev = netdev
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.netns = netns
        self._loop = loop
        self._agent = agent

    @property
    def patience(self) -> float:
        """How many times longer than usual to wait now."""
        return self._pace.patience

    def run(
        self, argv: Sequence[str], *, check: bool = True, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/", timeout_s: float | None = 60.0,
        on_output: OutputSink | None = None,
    ) -> Completed:  # fmt: skip
        """Run ``argv`` to its end; ``on_output`` gets pieces as they come (in another thread).

        Raises GuestCommandFailed (with ``check``), GuestTimeout, LostVM.
        """
        completed = self._loop.run(
            self._agent.run(
                argv, _stretch(timeout_s, self._pace), input=input, env=env, cwd=cwd,
                netns=self.netns, sink=on_output,
            )
        )  # fmt: skip
        return completed.check() if check else completed

    def start(
        self, argv: Sequence[str], *, input: bytes | None = None,
        env: Mapping[str, str] | None = None, cwd: str = "/",
    ) -> GuestProcess:  # fmt: skip
        """Start ``argv`` in the background. Raises GuestCommandFailed, LostVM."""
        command = self._loop.run(
            self._agent.start(argv, input=input, env=env, cwd=cwd, netns=self.netns)
        )
        return GuestProcess(self._loop, self._agent, command, self._pace)

    def put(self, source: bytes | Path, target: str, *, mode: int = 0o644) -> None:
        """Copy bytes or a host file to ``target`` in the guest. Raises GuestCommandFailed."""
        data = source.read_bytes() if isinstance(source, Path) else source
        self._loop.run(self._agent.put(data, target))
        self.run(["/bin/chmod", f"{mode:o}", target])

    def get(self, source: str) -> bytes:
        """Return the content of ``source`` in the guest. Raises GuestCommandFailed."""
        return self._loop.run(self._agent.get(source))


class GuestDut(GuestEndpoint):
    """The first network namespace, with the NIC under test; see ``dut.protocols.Dut``.

    :ivar offered: what card and machine are able to do, whatever the kernel makes of it.
    """

    driver: str = ""
    pci_address: str = ""
    offered: frozenset[Capability] = frozenset()

    @cached_property
    def capabilities(self) -> frozenset[Capability]:
        """What this set-up is able to do; the kernel is asked at first use. Raises LostVM."""
        return self.offered - lacking_in_kernel(self) if self.offered else self.offered

    def assume(self, capabilities: frozenset[Capability]) -> None:
        """Take them for what the kernel would say: one like it was asked before."""
        vars(self)["capabilities"] = capabilities
