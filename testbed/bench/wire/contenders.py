# SPDX-License-Identifier: GPL-2.0-only
"""Who takes part in a benchmark of the wire: the card as it is or otherwise, and QEMU's NICs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from testbed.dut.nic import ZCRX_MTU
from testbed.options import Capture, Nic, Peer, Switch

PLAIN = "bnxt"
ZERO_COPY = "bnxt-zcrx"
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Contender:
    """A NIC under test in a guest of its own; ``options`` are fields of RunOptions.

    ``zcrx``: a queue with header split receives by zero copy, which goes at one MTU only.
    ``is_whole``: nothing of the card is left out, so that it is compared with QEMU's NICs.
    """

    name: str
    nic: Nic
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING, hash=False)
    zcrx: bool = False
    is_whole: bool = True

    @property
    def is_ours(self) -> bool:
        """Whether it is the card."""
        return self.nic is Nic.BNXT

    @property
    def is_variant(self) -> bool:
        """Whether it is the card otherwise than usual, to be compared with the usual one."""
        return self.is_ours and bool(self.options)

    def takes(self, direction: str, mtu: int) -> bool:
        """Whether it has something to do in such a cell."""
        return not self.zcrx or (direction == "rx" and mtu == ZCRX_MTU)


SOCKET: Mapping[str, Any] = MappingProxyType({"peer": Peer.STREAM})
CONTENDERS = {
    one.name: one
    for one in (
        Contender(PLAIN, Nic.BNXT),
        Contender("igb", Nic.IGB),
        Contender("e1000e", Nic.E1000E),
        Contender("virtio-net", Nic.VIRTIO_NET),
        Contender(ZERO_COPY, Nic.BNXT, zcrx=True),
        Contender("bnxt-stream", Nic.BNXT, SOCKET),
        Contender("bnxt-zcrx-stream", Nic.BNXT, SOCKET, zcrx=True),
        Contender(
            "bnxt-no-oracle", Nic.BNXT, MappingProxyType({"oracle": Switch.OFF}), is_whole=False
        ),
        Contender(
            "bnxt-no-capture", Nic.BNXT, MappingProxyType({"capture": Capture.OFF}), is_whole=False
        ),
    )
}
DEFAULT = ("bnxt", "igb", "e1000e", "virtio-net", "bnxt-zcrx")


def pairs(contenders: Sequence[Contender]) -> list[tuple[Contender, Contender]]:
    """Whom to compare with whom: each whole card with each of QEMU's NICs, a variant with the card
    as usual, by zero copy or not."""
    ours = [one for one in contenders if one.is_ours]
    found = [
        (one, other) for one in ours if one.is_whole for other in contenders if not other.is_ours
    ]
    for one in ours:
        usual = CONTENDERS[ZERO_COPY if one.zcrx else PLAIN]
        if one.is_variant and usual in ours:
            found.append((one, usual))
    return found
