# SPDX-License-Identifier: GPL-2.0-only
"""The session of a lab: machines that exist, over SSH."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console

from images.store import Json
from testbed.artifacts.prepare import Artifacts
from testbed.dut.probing import lacking_in_kernel
from testbed.dut.protocols import Capability
from testbed.engines.guest import GuestDut, GuestEndpoint
from testbed.engines.lab import checks
from testbed.engines.lab.config import LabDut, Login, find_dut
from testbed.engines.lab.guard import Guard, GuardedInterface
from testbed.engines.lab.machine import LabMachine
from testbed.engines.lab.ssh import SshConnection
from testbed.engines.lab.ssh_agent import SshAgent
from testbed.engines.session import Session, entered
from testbed.errors import TestbedError
from testbed.findings.kernel import GuestKernel
from testbed.host.pace import Pace
from testbed.options import RunOptions

STATE_FILE = "interface-{end}.txt"


@dataclass(frozen=True)
class LabKernel:
    """What of a kernel is known before the machine is reached."""

    release: str = ""
    stock: bool = False


@dataclass(frozen=True)
class LabPrepared:
    """What a run on a lab machine starts from."""

    dut: LabDut
    programs: tuple[Path, ...]
    provenance: dict[str, Json]
    kernel: LabKernel = LabKernel()
    stock_module: None = None


def prepare_lab(
    options: RunOptions, report: Callable[[str], None]
) -> tuple[RunOptions, LabPrepared]:
    """Read lab.toml and have the programs that go to the machine.

    Raises ConfigProblem, EnvironmentProblem.
    """
    assert options.lab is not None, "--engine lab has come without a file"
    dut = find_dut(options.lab, options.dut)
    programs = tuple(Artifacts(report=report).lab_programs())
    facts: dict[str, Json] = {
        "dut": dut.name,
        "host": dut.login.host,
        "interface": dut.interface,
        "pci_address": dut.pci_address,
        "disturb": ", ".join(sorted(str(one) for one in dut.disturb)),
    }
    return options.with_seed(), LabPrepared(dut, programs, {"lab": facts})


class LabDutEndpoint(GuestDut):
    """The interface under test on its machine."""

    @cached_property
    def capabilities(self) -> frozenset[Capability]:
        """What permissions, machine, card and kernel allow; asked at first use. Raises LostVM."""
        lacking = checks.lacking_on_machine(self)
        if Capability.SYSCTLS not in self.offered:
            lacking |= {Capability.HUGE_PAGES}
        return self.offered - lacking - lacking_in_kernel(self)


class LabSession(Session):
    """A DUT and its remote endpoint, both put back as they were found when the session ends."""

    def __init__(
        self, options: RunOptions, run_dir: Path, prepared: LabPrepared,
        console: Console | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options, run_dir, console)
        self._lab = prepared
        self._machine: LabMachine | None = None
        self._release = self._build = ""
        self._guards: list[Guard] = []
        self._problem: TestbedError | None = None

    @property
    def machine(self) -> LabMachine:
        """The machine of the DUT."""
        return entered(self._machine)

    @property
    def kernel_release(self) -> str:
        """`uname -r` of the machine."""
        return self._release

    @property
    def kernel(self) -> GuestKernel:
        """Nobody knows what it was built of."""
        return GuestKernel.of(self._release, self._build, stock=False)

    @property
    def patience(self) -> float:
        """As lab.toml says."""
        return self._lab.dut.patience

    def catch_up(self) -> None:
        """Have the kernel log up to now."""
        if self.machine.lost is None:
            self.loop.run(self.machine.synchronise())

    def _start(self) -> None:
        loop = self.loop
        dut, remote = self._lab.dut, self._lab.dut.remote
        with self._stage("launch", f"connecting to {dut.login.host}"):
            here = self._connect(dut.login, "dut")
            there = here
            if remote.login is not None:
                there = self._connect(remote.login, "remote")
        with self._stage("boot", "saving the state of the interfaces"):
            loop.run(self._check(here, there))
            self._stack.callback(self._put_back)
            dut_guard, remote_guard = self._guards_of(here, there)
            loop.run(self._take(dut_guard, remote_guard))
            machine = loop.run(self._follow_machine(here, dut_guard.guarded.place))
        self._make_ends(machine, there, remote_guard.guarded.place)

    def _connect(self, login: Login, name: str) -> SshConnection:
        async def connect() -> SshConnection:
            connection = SshConnection(login, self.private, name)
            self._stack.callback(lambda: self.loop.run(connection.close()))
            await connection.open()
            return connection

        return self.loop.run(connect())

    async def _check(self, here: SshConnection, there: SshConnection) -> None:
        dut, remote = self._lab.dut, self._lab.dut.remote
        facts = await checks.look_at(here, dut.interface)
        checks.refuse_own_way(dut.name, dut.interface, facts)
        checks.refuse_wrong_machine(dut, facts)
        self._release, self._build = facts["release"][0], facts["build"][0]
        if remote.login is not None:
            facts = await checks.look_at(there, remote.interface)
            checks.refuse_own_way(f"{dut.name}.remote", remote.interface, facts)

    def _guards_of(self, here: SshConnection, there: SshConnection) -> tuple[Guard, Guard]:
        """Of the interface under test, and of the remote endpoint's."""
        dut, remote = self._lab.dut, self._lab.dut.remote
        guarded = GuardedInterface(
            interface=dut.interface, folder=dut.folder, lease_s=dut.lease_s,
            pci_address=dut.pci_address, driver=dut.driver,
        )  # fmt: skip
        beyond = GuardedInterface(
            interface=remote.interface, folder=remote.folder, lease_s=dut.lease_s,
            namespace=remote.namespace,
        )  # fmt: skip
        return Guard(here, guarded), Guard(there, beyond)

    async def _take(self, dut_guard: Guard, remote_guard: Guard) -> None:
        dut, programs = self._lab.dut, self._lab.programs
        self._guards.append(dut_guard)
        await dut_guard.take(programs, dut.patience)
        self._keep("dut", dut_guard)
        self._guards.append(remote_guard)
        same_machine = dut.remote.login is None
        await remote_guard.take(dut_guard if same_machine else programs, dut.patience)
        self._keep("remote", remote_guard)

    def _keep(self, end: str, guard: Guard) -> None:
        (self.run_dir / STATE_FILE.format(end=end)).write_text(guard.before)

    async def _follow_machine(self, here: SshConnection, place: str) -> LabMachine:
        machine = self._machine = LabMachine(here, place, self.run_dir, self._on_kernel_event)
        self._stack.callback(lambda: self.loop.run(machine.stop()))
        await machine.follow_kernel_log()
        return machine

    def _make_ends(self, machine: LabMachine, there: SshConnection, remote_place: str) -> None:
        dut, remote = self._lab.dut, self._lab.dut.remote
        pace = Pace(dut.patience)
        end = self._dut = LabDutEndpoint(
            self.loop, machine.agent, netdev=dut.interface, ipv4=dut.ipv4, ipv6=dut.ipv6,
            pace=pace,
        )  # fmt: skip
        end.driver, end.pci_address = dut.driver, dut.pci_address
        end.offered = checks.offered(dut)
        agent = machine.agent
        if remote.login is not None:
            agent = self.loop.run(self._remote_agent(machine, there, remote_place))
        self._remote = GuestEndpoint(
            self.loop, agent, netdev=remote.interface, ipv4=remote.ipv4, ipv6=remote.ipv6,
            netns=remote.namespace, pace=pace,
        )  # fmt: skip
        # a table set by hand keeps tests from changing the number of channels
        end.run(["ethtool", "-X", dut.interface, "default"], check=False)
        self._require_addresses()
        self._lab.provenance["card"] = {**checks.card_facts(end)}

    async def _remote_agent(
        self, machine: LabMachine, there: SshConnection, place: str
    ) -> SshAgent:
        there.lost.add_done_callback(lambda reason: machine.cut_off(reason.result()))
        agent = SshAgent(there, place, machine.guard, machine.cut_off)
        self._stack.callback(lambda: self.loop.run(agent.close()))
        return agent

    def _require_addresses(self) -> None:
        """Both ends have the addresses of lab.toml, or they get them: these are put back, too."""
        for end in (self.dut, self.remote):
            end.run(["ip", "link", "set", "dev", end.netdev, "up"])
            there = end.run(["ip", "-o", "address", "show", "dev", end.netdev]).text
            for address, length in ((end.ipv4, 24), (end.ipv6, 64)):
                if f" {address}/" not in there:
                    words = ["nodad"] if ":" in address else []
                    end.run(
                        ["ip", "address", "add", f"{address}/{length}", "dev", end.netdev, *words]
                    )

    def _put_back(self) -> None:
        """Have every interface put back; what fails is reported when the session ends."""
        for guard in reversed(self._guards):
            try:
                self.loop.run(guard.release(self.patience))
            except TestbedError as error:
                self._problem = self._problem or error

    def _put_away(self, error: BaseException | None) -> None:
        super()._put_away(error)
        if self._problem is not None:
            raise self._problem from error
