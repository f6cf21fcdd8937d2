# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng with the card: its arguments, what its guest runs first, and what a kernel needs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

DRIVER = "bnxt_en"
PEER_DRIVER = "virtio_net"
NEEDED: Mapping[str, tuple[str, ...]] = {
    "PCI": ("y",), "VIRTIO_PCI": ("y",), "FUSE_FS": ("y",), "VIRTIO_FS": ("y",),
    "VIRTIO_CONSOLE": ("y",), "BNXT": ("y", "m"), "VIRTIO_NET": ("y", "m"),
}  # fmt: skip
"""Options of a kernel that boots from a virtiofs root without an initramfs, and binds the card."""


def lacking(config: Mapping[str, str]) -> list[str]:
    """What of :data:`NEEDED` a kernel's configuration does not have, as CONFIG_ lines to set."""
    return [
        f"CONFIG_{name}={allowed[-1]}"
        for name, allowed in NEEDED.items()
        if config.get(name, "n") not in allowed
    ]


def modules_in_order(modules: Path, release: str, names: Sequence[str]) -> list[Path]:
    """Files of these modules and of what they need, first things first; what is built in is not
    among them. ``modules`` is the content of lib/modules, as depmod left it.
    """
    folder = modules / release
    needs: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text(encoding="utf-8").splitlines():
        file, _, others = line.partition(":")
        needs[file] = others.split()
    wanted: list[str] = []
    for name in names:
        for file in (one for one in needs if Path(one).name.split(".")[0] == name):
            wanted += [*reversed(needs[file]), file]  # depmod: the nearest dependency first
    return [folder / one for one in dict.fromkeys(wanted)]


def guest_script(command: Sequence[str], modules: Sequence[Path] | None) -> str:
    """What the guest's shell runs: the driver is loaded, then the command.

    ``CARD`` and ``PEER`` name the two interfaces. ``modules``: files to load, or None where
    modprobe finds them. One word is a command line, several are a program and its arguments.
    """
    if modules is None:
        load = f"modprobe -q {PEER_DRIVER}; modprobe {DRIVER} || exit 3"
    else:
        load = "; ".join(f"insmod {shlex.quote(str(path))}" for path in modules) or ":"
    return "; ".join(
        [
            f"[ -e /sys/bus/pci/drivers/{DRIVER} ] || {{ {load}; }}",
            "udevadm settle",  # it gives interfaces other names
            f"for net in /sys/bus/pci/drivers/{DRIVER}/*/net/*; do export CARD=${{net##*/}}; done",
            f"for net in /sys/bus/virtio/drivers/{PEER_DRIVER}/*/net/*; "
            "do export PEER=${net##*/}; done",
            command[0] if len(command) == 1 else shlex.join(command),
        ]
    )


def vng_arguments(
    vng: Path, kernel: Path, wrapper: Path, script: str, *, memory_mib: int, cpus: int, kvm: bool
) -> list[str]:
    """The whole command."""
    without = ["--disable-microvm", *([] if kvm else ["--disable-kvm"])]  # a microvm has no PCI
    return [
        str(vng), "--run", str(kernel), "--qemu", str(wrapper), *without,
        "--memory", f"{memory_mib}M", "--cpus", str(cpus), "--", script,
    ]  # fmt: skip


def starter(argv: Sequence[str]) -> str:
    """A shell script that is the program with these first arguments."""
    return f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n'
