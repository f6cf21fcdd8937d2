# SPDX-License-Identifier: GPL-2.0-only
"""How a guest gets the card: the lines for QEMU by hand, libvirt's XML, virtme-ng's arguments."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

PORT_ID, WIRE_ID = "card-port", "card-wire"
MESSAGE_TIMEOUT_MS = 120_000
"""QEMU's own 5 s give up a card that a debugger holds, or a busy host."""
_LIBVIRT_PORT = "pcie-root-port,id=card-port,bus=pcie.0,addr=0x1e,chassis=200,slot=200"
"""A slot that libvirt, which counts from 1, comes to last."""
_ESCAPED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
"""In an attribute of XML; Python's own function for it loads an HTTP client."""


def device(socket: Path) -> str:
    """The card as the value of ``-device``."""
    return json.dumps(
        {
            "driver": "vfio-user-pci",
            "socket": {"type": "unix", "path": str(socket)},
            "bus": PORT_ID,
            "x-msg-timeout": MESSAGE_TIMEOUT_MS,
        },
        separators=(",", ":"),
    )


def card_arguments(socket: Path, wire: Path | None) -> list[str]:
    """What QEMU gets beside its memory: the card's port, the card, the NIC at the other end."""
    port = f"pcie-root-port,id={PORT_ID},chassis=200,slot=200"
    return ["-device", port, "-device", device(socket), *peer_arguments(wire)]


def peer_arguments(wire: Path | None) -> list[str]:
    """The NIC at the other end of the wire; none if the wire is not a socket."""
    if wire is None:
        return []
    path = str(wire).replace(",", ",,")
    return [
        "-netdev", f"stream,id={WIRE_ID},server=off,addr.type=unix,addr.path={path}",
        "-device", f"virtio-net-pci,netdev={WIRE_ID}",
    ]  # fmt: skip


def memory_arguments(memory: str) -> list[str]:
    """Memory of that size which QEMU shares with the card."""
    return [
        "-machine", "q35,memory-backend=card-memory", "-m", memory,
        "-object", f"memory-backend-memfd,id=card-memory,size={memory},share=on",
    ]  # fmt: skip


def for_qemu(socket: Path, wire: Path | None, memory: str = "2G") -> str:
    """Options for a QEMU (10.1 or newer) on somebody's own command line, one pair a line."""
    words = [*memory_arguments(memory), *card_arguments(socket, wire)]
    lines, pair = [], ""
    for word in words:
        if word.startswith("-"):
            lines.append(pair)
            pair = word
        else:
            pair += f" {shlex.quote(word)}"
    return " \\\n".join(f"  {line}" for line in [*lines[1:], pair])


def for_libvirt(socket: Path, wire: Path | None) -> str:
    """The two parts of a domain's XML that make the card a device of the domain."""
    words = ["-device", _LIBVIRT_PORT, "-device", device(socket), *peer_arguments(wire)]
    arguments = "\n".join(f'    <qemu:arg value="{word.translate(_ESCAPED)}"/>' for word in words)
    return "\n".join(
        [
            "  <memoryBacking>",
            '    <source type="memfd"/>',
            '    <access mode="shared"/>',
            "  </memoryBacking>",
            '  <qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">',
            arguments,
            "  </qemu:commandline>",
        ]
    )


def qemu_wrapper(qemu: list[str], socket: Path, wire: Path | None) -> str:
    """A shell script that is a QEMU with the card, for virtme-ng's ``--qemu``.

    Its ``--qemu-opts`` would take the quotes out of the card's JSON.
    """
    words = shlex.join([*qemu, *card_arguments(socket, wire)])
    # -L and the like come first; what virtme-ng asks for (its machine, -version) decides.
    return f'#!/bin/sh\nexec {words} "$@"\n'
