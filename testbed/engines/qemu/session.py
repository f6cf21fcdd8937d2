# SPDX-License-Identifier: GPL-2.0-only
"""A session: card, guest and topology up, and everything gone again afterwards.

::

    options, prepared = prepare_run(options, report=print)
    with new_session(options, run_dir, prepared) as session:
        session.dut.run(["ethtool", "-i", "nut0"])
        session.remote.run(["ping", "-c", "1", LOCAL_V4])
        session.card.state()
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from testbed.artifacts.prepare import Prepared
from testbed.card.process import CardConfig, EmulatedCard
from testbed.dut.probing import lacking_in_kernel
from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6, Capability
from testbed.engines.guest import GuestEndpoint, Machine
from testbed.engines.qemu.argv import PEER_MAC, MachineSpec, PeerNic, QemuNic, VfioUserNic
from testbed.engines.qemu.share import SharedFolder
from testbed.engines.qemu.tsc import host_tsc_khz
from testbed.engines.qemu.vm import BOOT_TIMEOUT_S, BootFiles, VirtualMachine
from testbed.errors import EnvironmentProblem, ExitCode, LostVM, TestbedError
from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher
from testbed.host.loop import BackgroundLoop
from testbed.host.private import PrivateFolder
from testbed.host.process import draw_uid
from testbed.options import Accel, Nic, RunOptions, Switch

NUT, PEER = "nut0", "peer0"
PEER_NETNS = "peer"
TOPOLOGY = Path(__file__).parents[1] / "topology.sh"
TOPOLOGY_TIMEOUT_S = 60.0
LINK_PATIENCE_S = 15
USUAL_BOOT_S = 12.0
DEBUG_BOOT_TIMEOUT_S = 600.0
DEBUG_RELEASE = "-debug"
DEBUG_PARAMETERS = ("rcupdate.rcu_cpu_stall_timeout=300",)  # a slow guest is no stalled CPU
PEER_GRACE_S = 2.0
DRIVERS = {
    Nic.BNXT: "bnxt_en",
    Nic.IGB: "igb",
    Nic.E1000E: "e1000e",
    Nic.VIRTIO_NET: "virtio_net",
}
QEMU_MODELS = {Nic.IGB: "igb", Nic.E1000E: "e1000e", Nic.VIRTIO_NET: "virtio-net-pci"}
CARD_CAPABILITIES = frozenset(Capability)


class GuestDut(GuestEndpoint):
    """The guest's first network namespace, with the NIC under test; see ``dut.protocols.Dut``.

    :ivar offered: what card and machine are able to do, whatever the kernel makes of it.
    """

    driver: str = ""
    pci_address: str = ""
    offered: frozenset[Capability] = frozenset()

    @cached_property
    def capabilities(self) -> frozenset[Capability]:
        """What this set-up is able to do; the kernel is asked at first use. Raises LostVM."""
        return self.offered - lacking_in_kernel(self) if self.offered else self.offered


class Session:
    """A context manager. ``options`` come from ``prepare_run()``, ``run_dir`` takes the logs;
    ``extra_disks`` (read-only images) become /dev/vdc, vdd ...

    Entering raises LaunchFailure, EnvironmentProblem, LostVM, ModelFailure; leaving raises
    ModelFailure if the card failed while it was being put away and nothing else went wrong.
    """

    dut: GuestDut
    remote: GuestEndpoint

    def __init__(
        self,
        options: RunOptions,
        run_dir: Path,
        prepared: Prepared | None,
        console: Console | None = None,
        extra_disks: Sequence[Path] = (),
    ) -> None:
        undecided = prepared is not None and options.accel is Accel.AUTO
        if undecided or options.seed is None:
            raise ValueError("options must come from prepare_run()")
        self.options = options
        self.run_dir = run_dir
        self.seed = options.seed
        self.seconds: dict[str, float] = {}
        self._given = prepared
        self._console = console
        self._extra_disks = extra_disks
        self._stack = ExitStack()
        self._card: EmulatedCard | None = None
        self._machine: Machine | None = None

    @property
    def _prepared(self) -> Prepared:
        assert self._given is not None, "this engine does not boot what QEMU boots"
        return self._given

    @property
    def has_card(self) -> bool:
        """Whether the NIC under test is the emulated card."""
        return self.options.nic is Nic.BNXT

    @property
    def card(self) -> EmulatedCard:
        """The emulated card. Raises EnvironmentProblem in a session with another NIC."""
        if self._card is None:
            raise EnvironmentProblem(
                "the NIC under test of this session is no emulated card",
                remedy="use --nic bnxt, and no --lab",
            )
        return self._card

    @property
    def machine(self) -> Machine:
        """What runs the guest (its coroutines run in the session's own loop)."""
        assert self._machine is not None, "the session has not been entered"
        return self._machine

    @property
    def vm(self) -> VirtualMachine:
        """The same where it is QEMU. Raises EnvironmentProblem with another engine."""
        if not isinstance(self.machine, VirtualMachine):
            raise EnvironmentProblem(
                f"--engine {self.options.engine} has no QEMU", remedy="use --engine qemu"
            )
        return self.machine

    @property
    def kernel_log(self) -> KernelLogWatcher:
        """The guest's kernel log as read so far."""
        return self.machine.kernel_log

    @property
    def kernel_release(self) -> str:
        """`uname -r` of the kernel under test."""
        return self._prepared.kernel.release

    @property
    def _is_debug_kernel(self) -> bool:
        return self.kernel_release.endswith(DEBUG_RELEASE)

    @property
    def boot_seconds(self) -> float:
        """Wall time from the start of the machine to a usable agent."""
        return self.seconds["launch"] + self.seconds["boot"]

    @property
    def patience(self) -> float:
        """How many times longer than usual this guest takes, by its boot: with a debug kernel, or
        on a busy host. All time-outs are stretched by it.
        """
        return max(1.0, self.boot_seconds / USUAL_BOOT_S)

    def catch_up(self) -> None:
        """Have :attr:`kernel_log` up to now, where it does not come by itself."""

    def check(self) -> None:
        """Raise LostVM or ModelFailure if either end of the session is gone."""
        if self.machine.lost is not None:
            raise self.machine.lost

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException as error:
            self._put_away(error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put_away(error)

    def _put_away(self, error: BaseException | None) -> None:
        """End everything. Raises ModelFailure if the card is why the machine was lost."""
        failure = None
        if self._card is not None and isinstance(error, LostVM):
            failure = self._card.cause_of_loss()
        self._stack.close()
        if self._card is not None and error is None:
            failure = self._card.failure
        if failure is not None:
            raise failure from error

    def _start(self) -> None:
        loop = self.loop = BackgroundLoop()
        self._stack.callback(loop.close)
        private = self._stack.enter_context(PrivateFolder())
        self._start_machine(loop, private)
        self._set_up_guest(loop)

    def _set_up_guest(self, loop: BackgroundLoop) -> None:
        with self._stage("topology", f"binding {DRIVERS[self.options.nic]}, setting up the wire"):
            self._build_topology(loop)
        if self._card is not None:
            self.dut.offered = self._capabilities()

    def _start_machine(self, loop: BackgroundLoop, private: PrivateFolder) -> None:
        """Start card and machine and wait for the guest's agent."""
        qemu_uid = draw_uid()
        private.grant(qemu_uid)
        nut, wire = self._start_nic(loop, private, qemu_uid)
        spec = self._machine_spec(nut, wire)
        with self._stage("launch", "starting QEMU"):
            self._launch_vm(loop, private, spec, qemu_uid)
        with self._stage("boot", "booting the guest"):
            loop.run(self.vm.boot(self._boot_timeout_s))
        self.vm.agent.patience = self.patience

    @property
    def _boot_timeout_s(self) -> float:
        return DEBUG_BOOT_TIMEOUT_S if self._is_debug_kernel else BOOT_TIMEOUT_S

    def _machine_spec(self, nut: VfioUserNic | QemuNic, wire: Path | None) -> MachineSpec:
        return MachineSpec(
            accel=self.options.accel.value,
            cpus=self.options.cpus,
            memory_mib=self.options.memory_mib,
            iommu=self.options.iommu is Switch.ON,
            icount=self.options.icount,
            tsc_khz=None if self.options.icount else host_tsc_khz(),
            nut=nut,
            peer=PeerNic(wire=wire),
            append=DEBUG_PARAMETERS if self._is_debug_kernel else (),
        )

    def _capabilities(self) -> frozenset[Capability]:
        """What card and machine offer, whatever the kernel makes of it."""
        lacking = {Capability.FATAL_FAULTS}  # x86 kills the process, whatever locks it holds
        if self.options.iommu is Switch.OFF:
            lacking |= {Capability.IOMMU}
        return CARD_CAPABILITIES - lacking

    @contextmanager
    def _stage(self, name: str, text: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
        if self._console is not None:
            self._console.print(f"  {text} [dim]{self.seconds[name]:.1f} s[/dim]")

    def _start_nic(
        self, loop: BackgroundLoop, private: PrivateFolder, qemu_uid: int | None
    ) -> tuple[VfioUserNic | QemuNic, Path | None]:
        if self.options.nic is not Nic.BNXT:
            return QemuNic(model=QEMU_MODELS[self.options.nic]), None
        card = self._card = EmulatedCard(
            self._card_config(),
            loop=loop,
            private=private,
            run_dir=self.run_dir,
            uid=draw_uid(),
            qemu_uid=qemu_uid,
        )
        self._stack.callback(lambda: loop.run(card.stop()))
        with self._stage("card", "starting the card"):
            loop.run(card.launch())
        return VfioUserNic(socket=card.vfio_user_path), card.wire_path

    def _management_folder(self, private: PrivateFolder, uid: int | None) -> Path | None:
        """Where QEMU, which runs as ``uid``, makes the socket of a management network; or None."""
        return None

    def _card_config(self) -> CardConfig:
        return CardConfig(
            seed=self.seed,
            timing=self.options.timing.value,
            guest_memory_bytes=self.options.memory_mib << 20,
            options={"oracle": self.options.oracle.value, **self.options.card_options},
        )

    def _launch_vm(
        self, loop: BackgroundLoop, private: PrivateFolder, spec: MachineSpec, uid: int | None
    ) -> None:
        files = BootFiles(
            qemu=self._prepared.qemu,
            kernel=self._prepared.kernel.vmlinuz,
            initrd=self._prepared.kernel.initramfs,
            disks=[*self._prepared.disks, *self._extra_disks],
            reach=self._prepared.folders,
            management=self._management_folder(private, uid),
        )

        async def launch() -> None:
            share = None
            if self.options.share is not None:
                folder = SharedFolder(
                    self.options.share,
                    self._prepared.virtiofsd,
                    private=private,
                    log_path=self.run_dir / "virtiofsd.log",
                )
                self._stack.callback(lambda: loop.run(folder.stop()))
                share = await folder.launch()
            vm = self._machine = VirtualMachine(
                spec,
                files,
                private=private,
                run_dir=self.run_dir,
                uid=uid,
                on_kernel_event=self._on_kernel_event,
            )
            self._stack.callback(lambda: loop.run(vm.stop()))
            await vm.launch(share)
            if self._card is not None:
                self._watcher = asyncio.create_task(self._watch_card(self._card, vm))

        loop.run(launch())

    @staticmethod
    async def _watch_card(card: EmulatedCard, vm: Machine) -> None:
        failure = await card.wait_failed()
        if card.lost_its_peer:
            await asyncio.sleep(PEER_GRACE_S)  # then QEMU's end is the story, if it has ended
        vm.fail(failure)

    def _on_kernel_event(self, event: KernelEvent) -> None:
        if self._console is not None:
            self._console.print(Text(f"  kernel: {event}", style="yellow"))

    def _build_topology(self, loop: BackgroundLoop) -> None:
        agent = self.machine.agent
        patience = self.patience
        self.dut = GuestDut(
            loop, agent, netdev=NUT, ipv4=LOCAL_V4, ipv6=LOCAL_V6, patience=patience
        )
        self.remote = GuestEndpoint(
            loop, agent, netdev=PEER, ipv4=REMOTE_V4, ipv6=REMOTE_V6, netns=PEER_NETNS,
            patience=patience,
        )  # fmt: skip
        addresses = [LOCAL_V4, REMOTE_V4, LOCAL_V6, REMOTE_V6]
        words = [
            DRIVERS[self.options.nic],
            PEER_MAC,
            *addresses,
            f"{LINK_PATIENCE_S * patience:.0f}",
        ]
        done = self.dut.run(
            ["/bin/sh", "-s", *words],
            input=TOPOLOGY.read_bytes(),
            timeout_s=TOPOLOGY_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise TopologyFailure(done.error_text[-2000:], self.machine)
        facts = dict(line.split(" ", 1) for line in done.text.splitlines())
        self.dut.driver, self.dut.pci_address = facts["driver"], facts["address"]


class TopologyFailure(TestbedError):
    """The guest booted, but the driver did not bind or the wire did not come up."""

    exit_code = ExitCode.TEST_FAILURE
    fault = "driver or card"

    def __init__(self, said: str, vm: Machine) -> None:
        super().__init__(f"the NIC did not come up: {said}", log_path=vm.kernel_log_path)
        self.log_tail = vm.kernel_log.tail()

    def lines(self) -> Iterator[str]:
        """The error, then the end of the kernel log."""
        yield from super().lines()
        yield "end of the kernel log:"
        yield from ("  " + line for line in self.log_tail.splitlines())
