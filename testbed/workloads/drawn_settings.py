# SPDX-License-Identifier: GPL-2.0-only
"""Settings, XDP programs, RSS contexts and resets in an order that is drawn, and traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from testbed.dut.driver import activate_firmware, await_carrier
from testbed.dut.nic import combined_channels, ethtool, ethtool_json, link, set_link
from testbed.dut.pause import pause
from testbed.dut.programs import program
from testbed.dut.protocols import Capability
from testbed.dut.rss_contexts import delete_context, has_context
from testbed.dut.xdp import reflected
from testbed.workloads import traffic
from testbed.workloads.workload import WorkloadContext

STEPS = 16
REMOTE_MTU = 9000
FIRST_PORT = 20_000
_RX_RINGS = (16, 32, 64, 100, 128, 255, 256, 511, 512)
_TX_RINGS = (19, 32, 64, 100, 128, 255, 256, 511, 512)
_MTUS = (1280, 1500, 2000, 3400, 3600, 4096, 9000)
_FEATURES = {
    "rx-gro-hw": "rx-gro-hw", "large-receive-offload": "lro", "generic-receive-offload": "gro",
    "rx-vlan-offload": "rxvlan", "receive-hashing": "rxhash", "tcp-segmentation-offload": "tso",
    "ntuple-filters": "ntuple",
}  # fmt: skip
"""As ethtool shows them -> as it sets them."""
_SPLITS = (("tcp-data-split", "on"), ("tcp-data-split", "auto"), ("hds-thresh", "0"),
           ("hds-thresh", "256"))  # fmt: skip
_CHANNELS = (("combined", "1"), ("combined", "2"), ("combined", "3"), ("combined", "4"))
_TABLES = (("equal", "1"), ("equal", "2"), ("default",), ("weight", "1", "3"))
_FRAMES, _ETHERNET_BYTES, _FLOW_BYTES = 8, 14, 128 << 10
_ATTACHED_S = 0.2


@dataclass
class _Nic:
    """The NIC while steps change it.

    :ivar programs: ends the XDP program.
    :ivar contexts: numbers of the RSS contexts there are.
    :ivar rules: numbers of the ntuple rules there are, as words.
    :ivar is_up: of the interface.
    :ivar refused: steps that the kernel refused, as it may.
    """

    context: WorkloadContext
    programs: ExitStack
    contexts: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    is_up: bool = True
    refused: int = 0

    def ethtool(self, option: str, *words: str) -> str:
        """What it printed, nothing if it was refused."""
        dut = self.context.dut
        done = dut.run(["ethtool", option, dut.netdev, *words], check=False)
        self.refused += done.returncode != 0
        return "" if done.returncode else done.text

    def rx_ring(self) -> None:
        """Another size of the receive rings."""
        self.ethtool("-G", "rx", str(self.context.random.choice(_RX_RINGS)))

    def tx_ring(self) -> None:
        """Another size of the transmit rings."""
        self.ethtool("-G", "tx", str(self.context.random.choice(_TX_RINGS)))

    def channels(self) -> None:
        """Another number of them."""
        self.ethtool("-L", *self.context.random.choice(_CHANNELS))

    def mtu(self) -> None:
        """Another MTU; what the remote endpoint sends depends on it."""
        words = ["mtu", str(self.context.random.choice(_MTUS))]
        dut = self.context.dut
        argv = ["ip", "link", "set", "dev", dut.netdev, *words]
        self.refused += dut.run(argv, check=False).returncode != 0

    def feature(self) -> None:
        """One on or off."""
        draw = self.context.random.choice
        self.ethtool("-K", draw(tuple(_FEATURES.values())), draw(("on", "off")))

    def split(self) -> None:
        """Header-data split, or from which length on."""
        self.ethtool("-G", *self.context.random.choice(_SPLITS))

    def table(self) -> None:
        """Another RSS table."""
        self.ethtool("-X", *self.context.random.choice(_TABLES))

    def moderation(self) -> None:
        """Another interrupt moderation."""
        random = self.context.random
        self.ethtool("-C", "rx-usecs", str(random.choice((0, 1, 20, 200))))

    def new_context(self) -> None:
        """One more RSS context; without ntuple filters there may be less room for it than the
        driver reckons with (finding rss-contexts-uncounted)."""
        if Capability.NTUPLE not in self.context.dut.capabilities:
            return
        if number := self.ethtool("-X", "context", "new"):
            self.contexts.append(number.split()[-1])

    def end_context(self) -> None:
        """One RSS context less, if no rule names it."""
        if self.contexts:
            one = self.context.random.choice(self.contexts)
            self.ethtool("-X", "context", one, "delete")
            self.contexts = [name for name in self.contexts if has_context(self.context.dut, name)]

    def new_rule(self) -> None:
        """One more ntuple rule, to a queue or to a context."""
        draw = self.context.random.choice
        targets = [("action", "0"), ("action", "1"), *(("context", one) for one in self.contexts)]
        port = str(FIRST_PORT + self.context.random.randrange(1000))
        words = ("flow-type", draw(("tcp4", "udp4", "tcp6")), "dst-port", port, *draw(targets))
        if said := self.ethtool("-N", *words):
            self.rules.append(said.split()[-1])

    def end_rule(self) -> None:
        """One rule less."""
        if self.rules:
            self.rules.remove(one := self.context.random.choice(self.rules))
            self.ethtool("-N", "delete", one)  # it went with the feature, if it is refused

    def xdp(self) -> None:
        """A program that sends frames back attached, for frames of several buffers or not; or
        detached."""
        self.programs.close()
        words = self.context.random.choice(((), ("--frags",), None))
        if words is not None:
            dut = self.context.dut
            running = dut.start([program("xdp_reflect"), dut.netdev, *words])
            self.programs.callback(running.kill)
            pause(dut, _ATTACHED_S)

    def down(self) -> None:
        """The interface goes down, and what comes is set while it is."""
        set_link(self.context.dut, "down")
        self.is_up = False

    def up(self) -> None:
        """The interface goes up, if it is down."""
        if not self.is_up:
            set_link(self.context.dut, "up")
            await_carrier(self.context.dut, up=True)
            self.is_up = True

    def reset(self) -> None:
        """The firmware is reset by its administrator."""
        self.up()
        activate_firmware(self.context.dut)

    def streams(self) -> None:
        """TCP flows, hashes compared."""
        self.up()
        traffic.receive(self.context, total_bytes=_FLOW_BYTES, timeout_s=180)

    def frames(self) -> None:
        """The largest frames that the MTU allows, which a program may send back."""
        self.up()
        dut, remote = self.context.dut, self.context.remote
        size = int(link(dut)["mtu"]) + _ETHERNET_BYTES
        reflected(dut, remote, _FRAMES, frame_bytes=size)


_STEPS: Mapping[Callable[[_Nic], None], int] = {
    _Nic.rx_ring: 3, _Nic.tx_ring: 1, _Nic.channels: 2, _Nic.mtu: 3, _Nic.feature: 3,
    _Nic.split: 2, _Nic.table: 2, _Nic.moderation: 1, _Nic.new_context: 1, _Nic.end_context: 1,
    _Nic.new_rule: 2, _Nic.end_rule: 1, _Nic.xdp: 3, _Nic.down: 3, _Nic.up: 1, _Nic.reset: 1,
    _Nic.streams: 3, _Nic.frames: 3,
}  # fmt: skip
"""How often one is drawn."""


def change(context: WorkloadContext) -> None:
    """Steps that are drawn, each of which may be refused; traffic has to flow in the end."""
    done = []
    with ExitStack() as programs:
        nic = _Nic(context, programs)
        for step in context.random.choices(tuple(_STEPS), tuple(_STEPS.values()), k=STEPS):
            step(nic)
            done.append(step.__name__)
        nic.streams()
        while nic.rules:
            nic.end_rule()
        for one in nic.contexts:
            delete_context(context.dut, one)
    traffic.require_echo(context, after="all that was set")
    context.output.append(f"{nic.refused} refused of {', '.join(done)}")


def prepare(context: WorkloadContext) -> None:
    """What is set back at the end; the remote endpoint takes whatever comes."""
    dut, remote, defer = context.dut, context.remote, context.defer
    before = int(link(remote)["mtu"])
    defer(set_link, remote, "mtu", str(before))
    set_link(remote, "mtu", str(REMOTE_MTU))
    rings, features, own = ethtool_json(dut, "-g"), ethtool_json(dut, "-k"), link(dut)
    for shown, name in _FEATURES.items():
        if not features[shown]["fixed"]:
            state = "on" if features[shown]["active"] else "off"
            defer(ethtool, dut, "-K", dut.netdev, name, state)
    defer(ethtool, dut, "-C", dut.netdev, "rx-usecs", str(ethtool_json(dut, "-c")["rx-usecs"]))
    defer(ethtool, dut, "-G", dut.netdev, "rx", str(rings["rx"]), "tx", str(rings["tx"]))
    defer(ethtool, dut, "-L", dut.netdev, "combined", str(combined_channels(dut)))
    defer(ethtool, dut, "-X", dut.netdev, "default")
    defer(set_link, dut, "mtu", str(own["mtu"]))
    defer(ethtool, dut, "-G", dut.netdev, "tcp-data-split", "auto")
