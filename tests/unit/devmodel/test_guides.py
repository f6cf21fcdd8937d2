# SPDX-License-Identifier: GPL-2.0-only
"""The lines that connect a guest: each is what its reader (shell, JSON, XML, QEMU) makes of it."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from devmodel import guides

PLAIN = Path("/run/user/1000/card.sock")
WIRE = Path("/run/user/1000/card.sock.wire")
NASTY = Path("/tmp/a b'\"<&>,$(x)/s")
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


def values(words: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(words) if name == option]


@pytest.mark.parametrize("socket", [PLAIN, NASTY])
def test_for_qemu(socket: Path) -> None:
    words = shlex.split(guides.for_qemu(socket, socket).replace("\\\n", ""))
    assert words[: words.index("-device")] == [
        "-machine", "q35,memory-backend=card-memory", "-m", "2G",
        "-object", "memory-backend-memfd,id=card-memory,size=2G,share=on",
    ]  # fmt: skip
    port, card, peer = values(words, "-device")
    assert port.startswith(f"pcie-root-port,id={guides.PORT_ID},")
    assert json.loads(card) == {
        "driver": "vfio-user-pci",
        "socket": {"type": "unix", "path": str(socket)},
        "bus": guides.PORT_ID,
        "x-msg-timeout": guides.MESSAGE_TIMEOUT_MS,
    }
    assert peer == f"virtio-net-pci,netdev={guides.WIRE_ID}"
    (netdev,) = values(words, "-netdev")
    assert netdev.partition("addr.path=")[2].replace(",,", ",") == str(socket)


def test_without_a_socket_for_the_wire_there_is_no_peer() -> None:
    assert "-netdev" not in guides.for_qemu(PLAIN, None)
    assert "virtio-net" not in guides.for_libvirt(PLAIN, None)


@pytest.mark.parametrize("socket", [PLAIN, NASTY])
def test_for_libvirt(socket: Path) -> None:
    domain = ElementTree.fromstring(f"<domain>{guides.for_libvirt(socket, WIRE)}</domain>")
    source, access = domain.find("memoryBacking/source"), domain.find("memoryBacking/access")
    assert source is not None
    assert access is not None
    assert (source.get("type"), access.get("mode")) == ("memfd", "shared")
    words = [str(arg.get("value")) for arg in domain.iter(f"{QEMU}arg")]
    port, card, _ = values(words, "-device")
    assert "bus=pcie.0,addr=0x1e" in port
    assert json.loads(card)["socket"]["path"] == str(socket)
    assert values(words, "-netdev")[0].endswith(str(WIRE))


def test_wrapper_passes_on_what_it_is_given() -> None:
    script = guides.qemu_wrapper(["/opt/a qemu", "-L", "/x"], NASTY, None)
    first, second = script.splitlines()
    assert first == "#!/bin/sh"
    words = shlex.split(second)
    assert words[:4] == ["exec", "/opt/a qemu", "-L", "/x"]
    assert words[-1] == "$@"
    assert json.loads(values(words, "-device")[1])["socket"]["path"] == str(NASTY)
