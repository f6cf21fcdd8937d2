# SPDX-License-Identifier: GPL-2.0-only
"""The session of QEMU: an emulated PC, with the card behind vfio-user or a NIC of QEMU's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from images.jail.user import draw_uid
from testbed.artifacts.prepare import Prepared
from testbed.card.process import CardConfig
from testbed.dut.protocols import Capability
from testbed.engines.emulated import ALL_CAPABILITIES, PEER_GRACE_S, EmulatedSession
from testbed.engines.qemu.argv import PLUGGED_ADDRESSES, MachineSpec, PeerNic, QemuNic, VfioUserNic
from testbed.engines.qemu.prompt import relay
from testbed.engines.qemu.share import SharedFolder
from testbed.engines.qemu.snapshot import Snapshot, ensure_snapshot
from testbed.engines.qemu.tsc import host_tsc_khz
from testbed.engines.qemu.vm import BootFiles, VirtualMachine
from testbed.engines.session import entered
from testbed.engines.topology import DRIVERS
from testbed.engines.watched import BOOT_SILENCE_S
from testbed.options import Accel, Nic, Peer, RunOptions, Switch

USUAL_BOOT_S, USUAL_WAKE_S = 12.0, 2.0
"""On a host with other work to do; a quiet one takes a third."""
DEBUG_BOOT_SILENCE_S = 600.0
DEBUG_RELEASE = "-debug"
DEBUG_PARAMETERS = ("rcupdate.rcu_cpu_stall_timeout=300",)  # a slow guest is no stalled CPU
SLOTS = "/sys/bus/pci/slots"
QEMU_MODELS = {Nic.IGB: "igb", Nic.E1000E: "e1000e", Nic.VIRTIO_NET: "virtio-net-pci"}


class QemuSession(EmulatedSession):
    """``extra_disks`` (read-only images) become /dev/vdc, vdd ...; layers come behind them."""

    def __init__(
        self, options: RunOptions, run_dir: Path, prepared: Prepared,
        console: Console | None = None, extra_disks: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        if options.accel is Accel.AUTO:
            raise ValueError("options must come from prepare_run()")
        super().__init__(options, run_dir, console)
        self._prepared = prepared
        self._disks = [*prepared.disks, *extra_disks]
        self._machine: VirtualMachine | None = None
        self._share_watcher: asyncio.Task[None] | None = None

    @property
    def machine(self) -> VirtualMachine:
        """The QEMU that runs the guest."""
        return entered(self._machine)

    @property
    def kernel_release(self) -> str:
        """`uname -r` of the kernel under test."""
        return self._prepared.kernel.release

    @property
    def _is_stock_kernel(self) -> bool:
        return self._prepared.kernel.stock

    def relay_terminal(self, wake_fd: int) -> None:
        """Our terminal is hvc0's, on which process 1 keeps a shell. Raises LostVM."""
        relay(self.machine, self.dut, wake_fd)

    @property
    def _is_debug_kernel(self) -> bool:
        return self.kernel_release.endswith(DEBUG_RELEASE)

    @property
    def _boot_silence_s(self) -> float:
        return DEBUG_BOOT_SILENCE_S if self._is_debug_kernel else BOOT_SILENCE_S

    def _start_machine(self) -> None:
        qemu_uid = draw_uid()
        self.private.grant(qemu_uid)
        snapshot = self._snapshot(qemu_uid)
        nut, wire = self._start_nic(qemu_uid)
        spec = replace(self._machine_spec(nut, wire), plugged_later=snapshot is not None)
        with self._stage("launch", "starting QEMU"):
            machine = self.loop.run(self._launch(spec, qemu_uid, snapshot))
        with self._stage("boot", "booting the guest" if snapshot is None else "waking the guest"):
            self.loop.run(machine.plug())
            self.loop.run(machine.boot(self._boot_silence_s))
        usual_s = USUAL_BOOT_S if snapshot is None else USUAL_WAKE_S
        self.pace.booted(self.boot_seconds, usual_s)

    @property
    def _can_be_woken(self) -> bool:
        """Whether a guest that booted before could be this one: it has nothing of its own."""
        options, prepared = self.options, self._prepared
        return (
            options.snapshot is Switch.ON
            and options.accel is Accel.TCG  # with KVM a boot takes no longer
            and options.nic is Nic.BNXT
            and not (options.icount or options.append or options.share)
            and self._disks == prepared.disks
            and not prepared.layers.images
        )

    def _snapshot(self, uid: int | None) -> Snapshot | None:
        """A guest that has booted as this one would; it is made if there is none."""
        store = self._prepared.store
        if store is None or not self._can_be_woken:
            return None
        spec = replace(self._machine_spec(None, None), plugged_later=True)
        return ensure_snapshot(
            self._prepared, store, spec, lambda folder: self._keep(spec, uid, Snapshot(folder))
        )

    def _keep(self, spec: MachineSpec, uid: int | None, into: Snapshot) -> None:
        with self._stage("snapshot", "booting a guest for others to go on with"):
            self.loop.run(self._boot_and_keep(spec, uid, into))

    async def _boot_and_keep(self, spec: MachineSpec, uid: int | None, into: Snapshot) -> None:
        machine = self._new_machine(spec, uid, None)
        try:
            await machine.launch()
            await machine.boot(self._boot_silence_s)
            load = ["/sbin/modprobe", "-a", "virtio_net", DRIVERS[self.options.nic]]
            await machine.agent.wait(await machine.agent.start(load), None)
            slots = await machine.agent.wait(await machine.agent.start(["/bin/ls", SLOTS]), None)
            if len(slots.text.split()) < len(PLUGGED_ADDRESSES):
                into.refusal.write_text("this kernel has no PCI slots to plug into", "utf-8")
            else:
                await machine.keep(into)
        finally:
            await machine.stop()

    def _start_nic(self, qemu_uid: int | None) -> tuple[VfioUserNic | QemuNic, Path | None]:
        if self.options.nic is not Nic.BNXT:
            return QemuNic(model=QEMU_MODELS[self.options.nic]), None
        card = self._start_card(qemu_uid)
        return VfioUserNic(socket=card.vfio_user_path), card.wire_path

    def _machine_spec(self, nut: VfioUserNic | QemuNic | None, wire: Path | None) -> MachineSpec:
        return MachineSpec(
            accel=self.options.accel.value, cpus=self.options.cpus,
            memory_mib=self.options.memory_mib, iommu=self.options.iommu is Switch.ON,
            swiotlb=self.options.swiotlb is Switch.ON,
            icount=self.options.icount, tsc_khz=None if self.options.icount else host_tsc_khz(),
            nut=nut, peer=PeerNic(wire=wire, by_vhost=wire is not None and self._peer_by_vhost),
            append=[*(DEBUG_PARAMETERS if self._is_debug_kernel else ()), self.options.append],
        )  # fmt: skip

    @property
    def _peer_by_vhost(self) -> bool:
        return self.options.peer is Peer.VHOST_USER

    def _card_config(self) -> CardConfig:
        return replace(super()._card_config(), peer_by_vhost=self._peer_by_vhost)

    def _management_folder(self, uid: int | None) -> Path | None:
        """Where QEMU, which runs as ``uid``, makes the socket of a management network; or None."""
        return None

    def _new_machine(
        self, spec: MachineSpec, uid: int | None, snapshot: Snapshot | None
    ) -> VirtualMachine:
        prepared = self._prepared
        files = BootFiles(
            qemu=prepared.qemu, kernel=prepared.kernel.vmlinuz, initrd=prepared.kernel.initramfs,
            disks=[*self._disks, *prepared.layers.images], reach=prepared.folders,
            management=self._management_folder(uid), snapshot=snapshot,
        )  # fmt: skip
        return VirtualMachine(
            spec, files, private=self.private, run_dir=self.run_dir, uid=uid,
            pace=self.pace, on_kernel_event=self._on_kernel_event,
        )  # fmt: skip

    async def _launch(
        self, spec: MachineSpec, uid: int | None, snapshot: Snapshot | None
    ) -> VirtualMachine:
        prepared = self._prepared
        share = folder = None
        if self.options.shared_folder is not None:
            folder = SharedFolder(
                self.options.shared_folder, prepared.virtiofsd, private=self.private,
                writable=self.options.share_is_writable, reach=prepared.folders,
                log_path=self.run_dir / "virtiofsd.log",
            )  # fmt: skip
            self._stack.callback(lambda: self.loop.run(folder.stop()))
            share = await folder.launch()
            self._stack.callback(share.close)
        machine = self._machine = self._new_machine(spec, uid, snapshot)
        self._stack.callback(lambda: self.loop.run(machine.stop()))
        if folder is not None:
            self._share_watcher = asyncio.create_task(self._blame_share(folder, machine))
        await machine.launch(share)
        self._watch_helpers(machine)
        return machine

    @staticmethod
    async def _blame_share(folder: SharedFolder, machine: VirtualMachine) -> None:
        failure = await folder.ended()
        await asyncio.sleep(PEER_GRACE_S)  # then QEMU's end is the cause, if it ended
        machine.fail(failure)

    @property
    def _plugged_in(self) -> Sequence[str]:
        return PLUGGED_ADDRESSES if self.machine.spec.plugged_later else ()

    @property
    def _layers(self) -> Mapping[str, str]:
        return self._prepared.layers.devices(first=len(self._disks))

    def _capabilities(self) -> frozenset[Capability]:
        # x86 kills the process, whatever locks it holds; vfio-user-pci shows no virtual functions
        lacking = {Capability.FATAL_FAULTS, Capability.SRIOV}
        if self.options.iommu is Switch.OFF:
            lacking |= {Capability.IOMMU}
        return ALL_CAPABILITIES - lacking
