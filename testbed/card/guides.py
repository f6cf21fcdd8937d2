# SPDX-License-Identifier: GPL-2.0-only
"""The lines that connect a guest to a card that is served (devmodel.guides)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from devmodel.guides import card_arguments, for_libvirt, for_qemu, memory_arguments, qemu_wrapper
from testbed.card.served import Places

__all__ = ["guest_command", "guides", "qemu_wrapper"]

KERNEL_LINE = "console=hvc0 panic=-1 mitigations=off tsc=reliable no_timer_check net.ifnames=0"


def guides(places: Places) -> str:
    """For QEMU and libvirt; the name of the command for virtme-ng."""
    socket, wire = places.socket, places.wire_path
    at = shlex.join(["--socket", str(socket)])
    return "\n".join(
        [
            "QEMU 10.1 or newer, beside your own options:",
            for_qemu(socket, wire),
            "libvirt, in the domain's XML:",
            for_libvirt(socket, wire),
            "virtme-ng, the wrapper that is its QEMU:",
            f"  testbed card wrapper {at} > card-qemu; chmod +x card-qemu",
            "  vng --run KERNEL --disable-microvm --qemu ./card-qemu -- COMMAND",
            f"testbed's own guest: testbed card guest {at}",
        ]
    )


def guest_command(
    qemu: Sequence[str], accel: str, kernel: Path, initrd: Path, disks: Sequence[Path],
    places: Places,
) -> str:  # fmt: skip
    """A shell command that boots the testbed's own guest with the card, its console on stdio.

    ``disks`` become /dev/vda, vdb ..., read-only.
    """
    drives = [
        word
        for disk in disks
        for word in ("-drive", f"if=virtio,readonly=on,format=raw,file={_quoted(disk)}")
    ]
    words = [
        *qemu, "-nodefaults", "-display", "none", "-cpu", "max", "-smp", "2",
        "-accel", accel,
        "-kernel", str(kernel), "-initrd", str(initrd), "-append", KERNEL_LINE,
        "-chardev", "stdio,id=console,mux=on,signal=off", "-mon", "console",
        "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=console",
        "-device", "virtio-rng-pci", *drives, *memory_arguments("2G"),
        *card_arguments(places.socket, places.wire_path),
    ]  # fmt: skip
    return shlex.join(words)


def _quoted(path: Path) -> str:
    """A path in a value of QEMU's."""
    return str(path).replace(",", ",,")
