# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line as a pure function of data.

QEMU opens almost nothing by name: images, kernel, QMP, console and agent are descriptors the
runner hands over, so that an unprivileged QEMU needs no right to the cache or the run directory.
Only the vfio-user and the wire socket are paths (the vfio-user client takes nothing else).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed.engines.topology import PEER_MAC

AGENT_PORT = "org.qemu.guest_agent.0"
SHARE_TAG = "share"
NUT_MAC = "02:00:00:00:01:01"
MANAGEMENT_MAC = "02:00:00:00:01:03"
MANAGEMENT_SOCKET = "ssh"
SSH_PORT = 22
NUT_PORT, PEER_PORT = "nut-port", "peer-port"
PLUGGED_ADDRESSES = ("0000:01:00.0", "0000:02:00.0")
"""Of what is plugged into those: firmware numbers the buses below ports as it meets them."""
CARD_WINDOW_BYTES = 64 << 20
STATE_SET, LOG_SET, KEYS_SET = 100, 101, 102
STATE_FILE = f"file:/dev/fdset/{STATE_SET}"

# seccomp: no obsolete system calls, no privilege games, no new processes, no resource games
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

# A model stopped in a debugger is not a dead model: QEMU's default is 5 s.
VFIO_USER_TIMEOUT_MS = 120_000


@dataclass(frozen=True, kw_only=True)
class VfioUserNic:
    """The card: a vfio-user device behind its own root port. ``socket`` is a Unix socket path.

    Without ``posted_writes`` a register write ends when the card has answered it.
    """

    socket: Path
    posted_writes: bool = True


@dataclass(frozen=True, kw_only=True)
class QemuNic:
    """One of QEMU's own NICs as the NIC under test; ``model`` is its ``-device`` name."""

    model: str
    mac: str = NUT_MAC


@dataclass(frozen=True, kw_only=True)
class PeerNic:
    """The virtio-net NIC of the remote endpoint.

    ``wire`` is the path of a stream socket on which frames travel behind a 4-byte big-endian
    length, or, with ``by_vhost``, of a vhost-user socket whose other end serves the NIC's queues;
    None joins peer and a :class:`QemuNic` through a hub inside QEMU.
    """

    wire: Path | None
    by_vhost: bool = False
    mac: str = PEER_MAC


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A TCG plugin: its file, and the descriptor of the memory it shares with us."""

    file: Path
    memory: int


@dataclass(frozen=True, kw_only=True)
class Descriptors:
    """Descriptor numbers in QEMU: connected stream sockets, and files opened for reading.

    ``serial`` is the end of a pipe for what the guest sends on its serial line, ``keys`` the one of
    a pipe with what it receives there. Of a socket a few hundred bytes that nobody has read yet are
    all that it holds, one at a time as QEMU writes them, and then the UART loses what comes.
    ``memory`` is a memfd of the guest's memory; ``state`` a file of all else a guest is in, which
    is read if the machine is ``restored`` and written by a migration to STATE_FILE otherwise.
    ``disks`` become /dev/vda, vdb ... in this order; ``share`` is a connection to virtiofsd;
    ``management`` is a folder in which QEMU makes a socket, MANAGEMENT_SOCKET: who connects to it
    reaches the guest's SSH_PORT through a further NIC, which itself reaches nothing.
    """

    qmp: int
    serial: int
    keys: int
    agent: int
    console: int
    kernel: int
    initrd: int
    memory: int
    state: int | None = None
    restored: bool = False
    disks: Sequence[int] = ()
    share: int | None = None
    management: int | None = None
    plugin: int | None = None

    def numbers(self) -> list[int]:
        """Every descriptor QEMU must inherit."""
        streams = [self.qmp, self.serial, self.keys, self.agent, self.console]
        optional = (self.state, self.share, self.management, self.plugin)
        given = [*self.disks, *(fd for fd in optional if fd is not None)]
        return [*streams, self.kernel, self.initrd, self.memory, *given]


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """One virtual machine. ``accel`` is "kvm" or "tcg"; ``append`` extends the kernel line.

    ``swiotlb``: every DMA goes through a bounce buffer.
    ``plugin`` looks at what a guest under TCG executes.
    ``tsc_khz`` saves the guest the calibration of its TSC, which goes wrong on a busy host.
    ``plugged_later``: ``nut`` and ``peer`` are no part of the command line (see :func:`plugging`).
    """

    accel: str
    cpus: int
    memory_mib: int
    iommu: bool = False
    swiotlb: bool = False
    icount: bool = False
    tsc_khz: int | None = None
    nut: VfioUserNic | QemuNic | None = None
    peer: PeerNic | None = None
    plugged_later: bool = False
    plugin: Plugin | None = None
    append: Sequence[str] = field(default_factory=tuple)


def kernel_command_line(spec: MachineSpec, *, share: bool = False) -> str:
    """The guest kernel's parameters."""
    words = [
        "console=ttyS0",
        "panic=-1",  # with -no-reboot: QEMU ends at once, the log keeps the reason
        "mitigations=off",
        "tsc=reliable",  # the clocksource watchdog misjudges an emulated CPU
        "no_timer_check",  # a loaded host fails the timer test, and with it the boot
        "net.ifnames=0",
        "sysrq_always_enabled",  # a guest that falls silent is asked what it does
    ]
    if spec.tsc_khz:
        words.append(f"tsc_early_khz={spec.tsc_khz}")
    if spec.iommu:
        words += ["intel_iommu=on", "iommu.strict=1", "iommu.passthrough=0"]
    if spec.swiotlb:
        words.append("swiotlb=force")
    if share:
        words.append(f"virtiofs={SHARE_TAG}")
    return " ".join(word for word in (*words, *spec.append) if word)


def build_argv(qemu: Sequence[str], spec: MachineSpec, fds: Descriptors) -> list[str]:
    """QEMU's argument vector. ``qemu`` is the program with what it needs to run here."""
    argv = [*qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    argv += ["-sandbox", SANDBOX, "-name", "bnxt-testbed", *_board(spec, fds.memory)]
    argv += ["-kernel", f"/proc/self/fd/{fds.kernel}", "-initrd", f"/proc/self/fd/{fds.initrd}"]
    argv += ["-append", kernel_command_line(spec, share=fds.share is not None)]
    argv += [*_chardev("qmp", fds.qmp), "-mon", "chardev=qmp,mode=control"]
    argv += [*_serial(fds), *_device("isa-serial", chardev="serial")]
    argv += _device("virtio-serial-pci", id="serial0")
    argv += _chardev("agent", fds.agent)
    argv += _device("virtserialport", bus="serial0.0", chardev="agent", name=AGENT_PORT)
    argv += _chardev("console", fds.console)
    argv += _device("virtconsole", bus="serial0.0", chardev="console")
    argv += _device("virtio-rng-pci")
    if spec.plugin is not None:
        file = str(spec.plugin.file).replace(",", ",,")
        argv += ["-plugin", f"{file},memory={fds.plugin}"]
    for number, fd in enumerate(fds.disks):
        argv += _disk(number, fd)
    if fds.state is not None:
        argv += ["-add-fd", f"fd={fds.state},set={STATE_SET}"]
    if fds.restored:
        argv += ["-incoming", "defer"]
    if fds.share is not None:
        argv += _chardev("share", fds.share)
        argv += _device("vhost-user-fs-pci", chardev="share", tag=SHARE_TAG)
    if fds.management is not None:
        # by descriptor: QEMU's syntax has no way to write a path with a "-" in it
        rule = f"unix:/proc/self/fd/{fds.management}/{MANAGEMENT_SOCKET}-:{SSH_PORT}"
        argv += ["-netdev", f"user,id=mgmt,restrict=on,ipv6=off,hostfwd={rule}"]
        argv += _device(
            "virtio-net-pci", {"romfile": ""}, netdev="mgmt", mac=MANAGEMENT_MAC
        )  # fmt: skip
    return argv + _nics(spec)


def _board(spec: MachineSpec, memory_fd: int) -> list[str]:
    machine = "q35,memory-backend=ram0" + (",kernel-irqchip=split" if spec.iommu else "")
    accel = spec.accel
    if spec.accel == "tcg" and not spec.icount:
        accel += ",thread=multi"
    memory = {
        "qom-type": "memory-backend-file",
        "id": "ram0",
        "mem-path": f"/proc/self/fd/{memory_fd}",
        "size": spec.memory_mib << 20,
        "share": True,  # the card reads and writes guest memory directly
    }
    argv = ["-machine", machine, "-accel", accel, "-cpu", "max"]
    argv += ["-smp", str(spec.cpus), "-m", f"{spec.memory_mib}M", "-object", json.dumps(memory)]
    if spec.icount:
        argv += ["-icount", "shift=1,sleep=off"]
    if spec.iommu:
        argv += _device("intel-iommu", {"intremap": "on", "caching-mode": True})
    return argv


def _chardev(name: str, fd: int) -> list[str]:
    return ["-chardev", f"socket,id={name},fd={fd}"]


def _serial(fds: Descriptors) -> list[str]:
    files = f"path=/dev/fdset/{LOG_SET},append=on,input-path=/dev/fdset/{KEYS_SET}"
    return [
        "-add-fd", f"fd={fds.serial},set={LOG_SET}", "-add-fd", f"fd={fds.keys},set={KEYS_SET}",
        "-chardev", f"file,id=serial,{files}",
    ]  # fmt: skip


def _device(driver: str, more: Mapping[str, object] | None = None, **properties: str) -> list[str]:
    return ["-device", json.dumps({"driver": driver, **properties, **(more or {})})]


def _disk(number: int, fd: int) -> list[str]:
    node = f"disk{number}"
    blockdev = {
        "driver": "raw",
        "node-name": node,
        "read-only": True,
        "file": {"driver": "file", "filename": f"/dev/fdset/{number + 1}", "read-only": True},
    }
    return [
        "-add-fd", f"fd={fd},set={number + 1}",
        "-blockdev", json.dumps(blockdev),
        *_device("virtio-blk-pci", drive=node),
    ]  # fmt: skip


def _nics(spec: MachineSpec) -> list[str]:
    argv: list[str] = []
    ports = {
        NUT_PORT: spec.nut is not None or spec.plugged_later,
        PEER_PORT: spec.peer is not None or spec.plugged_later,
    }
    for number, port in enumerate((port for port, wanted in ports.items() if wanted), start=1):
        port_of: dict[str, object] = {"chassis": number, "slot": number}
        if spec.plugged_later and port == NUT_PORT:
            port_of["pref64-reserve"] = CARD_WINDOW_BYTES  # firmware does not know of its BARs yet
        argv += _device("pcie-root-port", port_of, id=port)
    if spec.plugged_later:
        return argv
    if spec.peer is not None and spec.peer.by_vhost:
        argv += ["-chardev", f"socket,id=peerwire,path={spec.peer.wire}"]  # takes no JSON
    for command, arguments in plugging(spec):
        if command in _OPTIONS:
            argv += [_OPTIONS[command], json.dumps(arguments)]
    return argv


_OPTIONS = {"netdev_add": "-netdev", "device_add": "-device"}


def plugging(spec: MachineSpec) -> list[tuple[str, dict[str, object]]]:
    """The NICs of a machine as commands of QMP, in this order: names, and their arguments."""
    commands: list[tuple[str, dict[str, object]]] = []
    if isinstance(spec.nut, VfioUserNic):
        socket = {"type": "unix", "path": str(spec.nut.socket)}
        more: dict[str, object] = {"socket": socket, "x-msg-timeout": VFIO_USER_TIMEOUT_MS}
        if not spec.nut.posted_writes:
            more["x-no-posted-writes"] = True
        commands.append(
            ("device_add", {"driver": "vfio-user-pci", "id": "nut", "bus": NUT_PORT, **more})
        )
    elif isinstance(spec.nut, QemuNic):
        commands += [
            ("netdev_add", {"type": "hubport", "id": "nutnet", "hubid": 0}),
            (
                "device_add",
                {
                    "driver": spec.nut.model, "romfile": "", "id": "nut", "bus": NUT_PORT,
                    "netdev": "nutnet", "mac": spec.nut.mac,
                },
            ),
        ]  # fmt: skip
    return commands + ([] if spec.peer is None else _peer(spec.peer))


def _peer(peer: PeerNic) -> list[tuple[str, dict[str, object]]]:
    commands: list[tuple[str, dict[str, object]]] = []
    more: dict[str, object] = {"romfile": ""}
    netdev: dict[str, object] = {"type": "hubport", "hubid": 0}
    if peer.by_vhost:
        address = {"type": "unix", "data": {"path": str(peer.wire)}}
        backend = {"type": "socket", "data": {"addr": address, "server": False}}
        commands.append(("chardev-add", {"id": "peerwire", "backend": backend}))
        netdev = {"type": "vhost-user", "chardev": "peerwire"}
        # what the guest turns off later its other end does not hear of
        more["ctrl_guest_offloads"] = False
    elif peer.wire is not None:
        where = {"type": "unix", "path": str(peer.wire)}
        netdev = {"type": "stream", "server": False, "addr": where}
    device = {"driver": "virtio-net-pci", "bus": PEER_PORT, "netdev": "peernet", "mac": peer.mac}
    commands.append(("netdev_add", {"id": "peernet", **netdev}))
    commands.append(("device_add", {**device, **more}))
    return commands
