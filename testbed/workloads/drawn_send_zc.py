# SPDX-License-Identifier: GPL-2.0-only
"""Memory of the application that io_uring sends from where it lies, in pieces that are drawn, and
what is done to the interface between the streams."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from testbed.dut import sendzc
from testbed.dut.nic import ethtool, ethtool_json
from testbed.dut.udp_segments import FEATURE
from testbed.workloads import sending
from testbed.workloads.drawn import Steps, keep_features, take
from testbed.workloads.workload import WorkloadContext

STEPS = 8
_FEATURES = {
    "scatter-gather": "sg", "tcp-segmentation-offload": "tso", "tx-checksumming": "tx",
    "generic-segmentation-offload": "gso", FEATURE: FEATURE,
}  # fmt: skip
"""As ethtool shows them -> as it sets them."""
_SENDS = 8
_BYTES = (1, 7, 100, 1448, 1449, 4096, 9000, 20_000, 65_536, 100_000)
_JOINED_BYTES, _MOST_JOINED = (1, 33, 100, 500, 2000), 16
"""Of sends that are linked: one that waits for room would be passed by the next."""
_OFFSETS, _PLACES = (0, 1, 63, 4095, 4096, 65_535), (0, 300_000, 600_000)
_WORDS = ("report", "async")
_REFUSED = (
    "slot=3 len=100", "slot=0 offset=1M len=100", "slot=0 len=100 bundle",
    "mem=0 len=100 vectorized",
)  # fmt: skip
"""Memory that is not registered, or not so much of it; and what a send without copying cannot do,
which the kernel finds when it has a notification for it (io_send_zc_prep())."""


class _Sender(Steps):
    """A program that sends, one connection after the other.

    :ivar streams: how many so far.
    """

    rx_rings = (16, 32, 64)
    tx_rings = (64, 100, 128, 511)

    def __init__(self, context: WorkloadContext) -> None:
        super().__init__(context)
        self.streams = 0

    def stream(self) -> None:
        """A connection, on which pieces are sent in all ways: single ones, many that may be joined,
        of memory that is registered or not. Hashes of each compared, when others may have taken
        what the kernel has let go of."""
        here, there, hashes = [*sendzc.BEGIN], [*sendzc.READER[:2]], list[str]()
        for number in range(_SENDS):
            hashes += self.piece(number, here, there)
        self.play([*here, *sendzc.OTHERS_WANT_MEMORY, *hashes, "shutdown 0"], there)

    def piece(self, number: int, here: list[str], there: list[str]) -> list[str]:
        """One send, or many at once; how each end learns what it was, the one that reads at once,
        the other by the steps that are returned."""
        random, hashes = self.context.random, list[str]()
        count = random.choice((1, 1, _MOST_JOINED))
        for part in range(count):
            length = random.choice(_BYTES if count == 1 else _JOINED_BYTES)
            offset = random.choice(_OFFSETS) + random.choice(_PLACES)
            way = [random.choice(("slot=0", "mem=0"))]
            way += [word for word in _WORDS if random.random() < 0.2]
            way += ["linked"] if part < count - 1 else []
            here.append(
                f"send 0 user={100 * number + part} offset={offset} len={length} waitall "
                + " ".join(way)
            )
            hashes.append(f"hash 0 {offset} {length}")
            there.append(f"read 0 {length}")
        here.append(f"completions {2 * count}")
        return hashes

    def refuse(self) -> None:
        """Sends that are refused, each with its notification, and one that is not."""
        random = self.context.random
        wrong = random.sample(_REFUSED, random.randint(1, len(_REFUSED)))
        here = list(sendzc.BEGIN)
        for user, words in enumerate(wrong):
            later = "async" if random.random() < 0.2 else ""
            here += [f"send 0 user={user} {words} {later}".rstrip(), "completions 2"]
        here += [f"send 0 user={len(wrong)} slot=0 len=1K waitall", "completions 2"]
        here += ["shutdown 0", "hash 0 0 1K"]
        self.play(here, sendzc.READER, refused=range(len(wrong)))

    def let_go(self) -> None:
        """The program lets go of its memory, or of the ring, while what was sent lies in a
        socket."""
        here = [*sendzc.SLOW_BEGIN, "send 0 user=1 slot=0 len=48K", "submit", "hash 0 0 48K"]
        if self.context.random.random() < 0.5:
            here += ["end", "tell 1"]
        else:
            here += [*sendzc.LET_GO, "tell 1", "completions 2", "shutdown 0"]
        self.play(here, sendzc.SLOW_READER)

    def play(
        self, here: Sequence[str], there: Sequence[str], refused: Collection[int] = ()
    ) -> None:
        """What one end sends is what the other reads, but for what is refused."""
        self.up()
        sending.play(self.context, here, there, refused)
        self.streams += 1

    def feature(self) -> None:
        """One on or off: frames of one buffer, of many, or of what software cut."""
        draw = self.context.random.choice
        self.ethtool("-K", draw(tuple(_FEATURES.values())), draw(("on", "off")))


_STEPS: Mapping[Callable[[_Sender], None], int] = {
    _Sender.stream: 5, _Sender.let_go: 2, _Sender.refuse: 2, _Sender.feature: 4,
    _Sender.resize_tx: 2, _Sender.resize: 1, _Sender.down: 1, _Sender.up: 1,
}  # fmt: skip
"""How often one is drawn."""


def use(context: WorkloadContext) -> None:
    """Steps that are drawn, then a stream more."""
    sender = _Sender(context)
    done = take(sender, _STEPS, STEPS)
    sender.stream()
    context.output.append(f"{sender.streams} streams, {sender.refused} refused of {done}")


def prepare(context: WorkloadContext) -> None:
    """What is set back at the end."""
    dut, defer = context.dut, context.defer
    rings = ethtool_json(dut, "-g")
    keep_features(context, _FEATURES)
    defer(ethtool, dut, "-G", dut.netdev, "rx", str(rings["rx"]), "tx", str(rings["tx"]))
