# SPDX-License-Identifier: GPL-2.0-only
"""What a guest was given besides its own image, mounted (layers.sh)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.engines.guest import GuestEndpoint

SCRIPT = Path(__file__).with_name("layers.sh")
ROOT_PLACE = "/layers/root"
"""Where the root of ``--root`` lies in a guest."""

NSENTER_OF_ROOT = "/run/busybox nsenter"
"""There in every such root, whatever else it lacks."""


def mount_layers(dut: GuestEndpoint, devices: Mapping[str, str]) -> None:
    """Mount each of ``devices`` (``share``, ``packages``, ``root``) where it belongs.

    Raises GuestCommandFailed, LostVM.
    """
    words = [f"{name}={device}" for name, device in devices.items()]
    if words:
        dut.run(["/bin/sh", "-s", *words], input=SCRIPT.read_bytes())


def inside(root: str, folder: str, argv: Sequence[str]) -> list[str]:
    """``argv`` as a command that has ``root`` as its root, and ``folder`` of that as its folder."""
    return ["/usr/bin/unshare", f"--root={root}", f"--wd={folder}", *argv]
