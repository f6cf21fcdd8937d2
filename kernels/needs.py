# SPDX-License-Identifier: GPL-2.0-only
"""What a guest needs of a kernel that we did not configure, and what it loses without the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kernels import fragments
from kernels.fragments import Group

_ANY = (
    *("64BIT", "BINFMT_ELF", "BINFMT_SCRIPT", "POSIX_TIMERS", "HIGH_RES_TIMERS", "NAMESPACES"),
    *("NET_NS", "TTY", "BLK_DEV_INITRD", "DEVTMPFS", "PROC_FS", "SYSFS", "SHMEM", "TMPFS"),
    *("BLOCK", "EROFS_FS", "OVERLAY_FS", "NET", "UNIX", "PACKET", "INET", "IPV6", "NETDEVICES"),
    *("ETHERNET", "NET_VENDOR_BROADCOM", "ETHTOOL_NETLINK", "IO_URING", "EPOLL", "VIRTIO_NET"),
)
_NEEDED = {
    "um": ("STDERR_CONSOLE", "BLK_DEV_UBD", "VIRTIO_UML", "UML_PCI_OVER_VIRTIO"),
    "x86_64": (
        *("PCI", "PCI_MSI", "ACPI", "SERIAL_8250", "SERIAL_8250_CONSOLE", "VIRTIO_PCI"),
        *("VIRTIO_BLK", "VIRTIO_CONSOLE", "MODULES"),
    ),
}
_EXACT = {
    "um": {
        "BNXT": ("y", "there are no modules in a UML guest"),
        "UML_PCI_OVER_VIRTIO_DEVICE_ID": (
            str(fragments.UML_PCI_VIRTIO_ID),
            "card and kernel must agree on it",
        ),
        "HOSTFS": ("n", "the guest would see the files of this host"),
    },
    "x86_64": {"BNXT": ("m", "the driver is loaded and unloaded, as Debian's is")},
}
_GROUPS: Mapping[str, Sequence[Group]] = {
    "um": (*fragments.GUEST, *fragments.UML),
    "x86_64": (*fragments.GUEST, *fragments.QEMU),
}
_NO_LOSS = {"EXPERT", "LOCALVERSION_AUTO", "NR_CPUS", "DEBUG_KERNEL"}
_BTF = (
    "CONFIG_DEBUG_INFO_BTF is not set (BPF programs that ask for BTF do not load, and the card's "
    "structures cannot be compared with the driver's own)"
)


def _granted(config: Mapping[str, str], name: str, arch: str) -> bool:
    """Set; as a module only where modules are loaded."""
    return config.get(name, "n") in (("y",) if arch == "um" else ("y", "m"))


def _reasons(arch: str) -> Iterator[tuple[str, str, str]]:
    for group in _GROUPS[arch]:
        for name, value in group.options.items():
            yield name, value, f"{group.name}: {group.reason}"


def missing(config: Mapping[str, str], arch: str) -> list[str]:
    """One line for each option without which no guest comes up."""
    reasons = {name: reason for name, _, reason in _reasons(arch)}
    lines = [
        f"CONFIG_{name} is not set ({reasons.get(name, 'the guest')})"
        for name in (*_ANY, *_NEEDED[arch])
        if not _granted(config, name, arch)
    ]
    for name, (wanted, why) in _EXACT[arch].items():
        if (got := config.get(name, "n")) != wanted:
            lines.append(f"CONFIG_{name} is {got}, not {wanted} ({why})")
    return lines


def lost(config: Mapping[str, str], arch: str) -> list[str]:
    """One line for each option that a guest does without, and for what it was."""
    needed = {*_ANY, *_NEEDED[arch], *_EXACT[arch], *_NO_LOSS}
    lines = [
        f"CONFIG_{name} is not set ({reason})"
        for name, value, reason in _reasons(arch)
        if value in ("y", "m") and name not in needed and not _granted(config, name, arch)
    ]
    if arch != "um" and not _granted(config, "DEBUG_INFO_BTF", arch):
        lines.append(_BTF)
    return lines
