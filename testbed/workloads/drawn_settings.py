# SPDX-License-Identifier: GPL-2.0-only
"""Settings, XDP programs, RSS contexts and resets in an order that is drawn, and traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from testbed.dut.counters import NapiSettings, ask_netdev
from testbed.dut.defer import no_undo
from testbed.dut.nic import (
    add_rule,
    combined_channels,
    ethtool,
    ethtool_json,
    link,
    set_copybreak,
    set_link,
    set_threaded,
)
from testbed.dut.pause import pause
from testbed.dut.programs import program
from testbed.dut.protocols import Capability, Dut
from testbed.dut.rss_contexts import delete_context, has_context, new_context
from testbed.dut.udp_segments import FEATURE, LEAST_RING
from testbed.dut.xdp import reflected
from testbed.workloads import traffic
from testbed.workloads.administer import QUERIES
from testbed.workloads.drawn import ResetSteps, keep_features, take_and_stream
from testbed.workloads.workload import WorkloadContext

STEPS = 16
REMOTE_MTU = 9000
FIRST_PORT = 20_000
_MTUS = (1280, 1500, 2000, 3400, 3600, 4096, 9000)
_FEATURES = {
    "rx-gro-hw": "rx-gro-hw", "large-receive-offload": "lro", "generic-receive-offload": "gro",
    "rx-vlan-offload": "rxvlan", "receive-hashing": "rxhash", "tcp-segmentation-offload": "tso",
    "ntuple-filters": "ntuple", FEATURE: FEATURE,
}  # fmt: skip
"""As ethtool shows them -> as it sets them."""
_SPLITS = (("tcp-data-split", "on"), ("tcp-data-split", "auto"), ("hds-thresh", "0"),
           ("hds-thresh", "256"))  # fmt: skip
_TABLES = (("equal", "1"), ("equal", "2"), ("default",), ("weight", "1", "3"))
_GROUPS, _MESSAGES = 40, 16
_COPYBREAKS = ("0", "100", "256", "1024")
_DEFERRED, _FLUSHES_NS, _SUSPENDED_NS = (0, 2), (0, 20_000, 1_000_000), (0, 20_000_000)
_FRAMES, _ETHERNET_BYTES = 8, 14
_ATTACHED_S = 0.2


class _Nic(ResetSteps):
    """The NIC while steps change it.

    :ivar contexts: numbers of the RSS contexts there are.
    :ivar rules: numbers of the ntuple rules there are.
    """

    rx_rings = (16, 32, 64, 100, 128, 255, 256, 511, 512)
    tx_rings = (19, 32, 64, 100, 128, 255, 256, LEAST_RING, 511, 512, 1023)

    def __init__(self, context: WorkloadContext, programs: ExitStack) -> None:
        super().__init__(context, programs)
        self.contexts = list[str]()
        self.rules = list[int]()

    def mtu(self) -> None:
        """Another MTU; what the remote endpoint sends depends on it."""
        self.attempt(
            lambda: set_link(self.context.dut, "mtu", str(self.context.random.choice(_MTUS)))
        )

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

    def hash_fields(self) -> None:
        """What the hash of UDP is made of."""
        draw = self.context.random.choice
        self.ethtool("-N", "rx-flow-hash", draw(("udp4", "udp6")), draw(("sd", "sdfn")))

    def receive_mode(self) -> None:
        """Promiscuous, all of multicast, or neither; a group of its own."""
        draw, dut = self.context.random.choice, self.context.dut
        mode = (draw(("promisc", "allmulticast")), draw(("on", "off")))
        self.attempt(lambda: set_link(dut, *mode))
        group = f"33:33:00:00:02:{self.context.random.randrange(_GROUPS):02x}"
        words = ["ip", "maddress", draw(("add", "del")), group, "dev", dut.netdev]
        dut.run(words, check=False)

    def copybreak(self) -> None:
        """Frames of up to so many bytes are copied; the driver takes it while it is down."""
        length = self.context.random.choice(_COPYBREAKS)
        self.down()
        self.ethtool("--set-tunable", "rx-copybreak", length)

    def threads(self) -> None:
        """NAPI in threads of its own, or not (Documentation/networking/napi.rst)."""
        self.attempt(lambda: set_threaded(self.context.dut, self.context.random.choice("01")))

    def napi(self) -> None:
        """Each NAPI instance's own settings, which stay when it goes and comes again."""
        draw = self.context.random.choice
        settings = NapiSettings(
            defer=draw(_DEFERRED), flush_ns=draw(_FLUSHES_NS), suspend_ns=draw(_SUSPENDED_NS),
            threaded=draw((False, True)),
        )  # fmt: skip
        self.attempt(lambda: ask_netdev(self.context.dut, settings))

    def test(self) -> None:
        """The driver's self-test, for which it opens by halves."""
        self.ethtool("-t", self.context.random.choice(("online", "offline")))

    def ask(self) -> None:
        """What an administrator may ask."""
        self.ethtool(self.context.random.choice(QUERIES))

    def moderation(self) -> None:
        """Another interrupt moderation."""
        random = self.context.random
        self.ethtool("-C", "rx-usecs", str(random.choice((0, 1, 20, 200))))

    def new_context(self) -> None:
        """One more RSS context; without ntuple filters there may be less room for it than the
        driver reckons with (finding rss-contexts-uncounted)."""
        if Capability.NTUPLE not in self.context.dut.capabilities:
            return
        self.attempt(lambda: self.contexts.append(new_context(self.context.dut)))

    def end_context(self) -> None:
        """One RSS context less, if no rule names it."""
        if self.contexts:
            one = self.context.random.choice(self.contexts)
            self.ethtool("-X", "context", one, "delete")
            self.contexts = [name for name in self.contexts if has_context(self.context.dut, name)]

    def new_rule(self) -> None:
        """One more ntuple rule, to a queue or to a context."""
        draw, dut = self.context.random.choice, self.context.dut
        port = str(FIRST_PORT + self.context.random.randrange(1000))
        flow_type = draw(("tcp4", "udp4", "tcp6", "udp6"))
        queue, of = draw([(0, None), (1, None), *((None, one) for one in self.contexts)])
        match = ("dst-port", port)

        def add() -> None:
            made = add_rule(dut, no_undo, *match, flow_type=flow_type, action=queue, context=of)
            self.rules.append(made)

        self.attempt(add)

    def end_rule(self) -> None:
        """One rule less."""
        if self.rules:
            self.rules.remove(one := self.context.random.choice(self.rules))
            self.ethtool("-N", "delete", str(one))  # it went with the feature, if it is refused

    def xdp(self) -> None:
        """A program that sends frames back attached, for frames of several buffers or not, by
        XDP_TX or XDP_REDIRECT; or detached."""
        self.programs.close()
        words = self.context.random.choice(((), ("--frags",), ("--transmit",), None))
        if words is not None:
            dut = self.context.dut
            running = dut.start([program("xdp_reflect"), dut.netdev, *words])
            self.programs.callback(running.kill)
            pause(dut, _ATTACHED_S)

    def segments(self) -> None:
        """UDP messages that are cut on their way, bytes compared."""
        self.up()
        traffic.segments(self.context, messages=_MESSAGES)

    def frames(self) -> None:
        """The largest frames that the MTU allows, which a program may send back."""
        self.up()
        dut, remote = self.context.dut, self.context.remote
        size = int(link(dut)["mtu"]) + _ETHERNET_BYTES
        reflected(dut, remote, _FRAMES, frame_bytes=size)


_STEPS: Mapping[Callable[[_Nic], None], int] = {
    _Nic.resize: 3, _Nic.resize_tx: 1, _Nic.channels: 2, _Nic.mtu: 3, _Nic.feature: 3,
    _Nic.split: 2, _Nic.table: 2, _Nic.hash_fields: 1, _Nic.receive_mode: 1, _Nic.threads: 1,
    _Nic.copybreak: 1, _Nic.test: 1, _Nic.ask: 2, _Nic.ask_netdev: 1, _Nic.napi: 1,
    _Nic.moderation: 1, _Nic.new_context: 1, _Nic.end_context: 1,
    _Nic.new_rule: 2, _Nic.end_rule: 1, _Nic.xdp: 3, _Nic.down: 3, _Nic.up: 3, _Nic.reset: 1,
    _Nic.reset_meanwhile: 1, _Nic.streams: 3, _Nic.segments: 2, _Nic.frames: 3,
}  # fmt: skip
"""How often one is drawn."""


def change(context: WorkloadContext) -> None:
    """Steps that are drawn, each of which may be refused; traffic has to flow in the end.

    Behind one that fails, as they may with a fault, come the others. Raises how the first failed.
    """
    with ExitStack() as programs:
        nic = _Nic(context, programs)
        take_and_stream(nic, _STEPS, STEPS)
        while nic.rules:
            nic.end_rule()
        for one in nic.contexts:
            delete_context(context.dut, one)
    traffic.require_echo(context, after="all that was set")


def _take_back_copybreak(dut: Dut) -> None:
    """0, as bnxt_en has it; the interface goes down only if it is another."""
    words = ["ethtool", "--get-tunable", dut.netdev, "rx-copybreak"]
    if not dut.run(words, check=False).text.rstrip().endswith(" 0"):
        set_copybreak(dut, 0)


def prepare(context: WorkloadContext) -> None:
    """What is set back at the end; the remote endpoint takes whatever comes."""
    dut, remote, defer = context.dut, context.remote, context.defer
    before = int(link(remote)["mtu"])
    defer(set_link, remote, "mtu", str(before))
    set_link(remote, "mtu", str(REMOTE_MTU))
    rings, own = ethtool_json(dut, "-g"), link(dut)
    keep_features(context, _FEATURES)
    defer(ethtool, dut, "-C", dut.netdev, "rx-usecs", str(ethtool_json(dut, "-c")["rx-usecs"]))
    defer(ethtool, dut, "-G", dut.netdev, "rx", str(rings["rx"]), "tx", str(rings["tx"]))
    defer(ethtool, dut, "-L", dut.netdev, "combined", str(combined_channels(dut)))
    defer(ethtool, dut, "-X", dut.netdev, "default")
    defer(set_threaded, dut, "0")
    defer(ask_netdev, dut, NapiSettings())
    defer(_take_back_copybreak, dut)
    for mode in ("promisc", "allmulticast"):
        defer(set_link, dut, mode, "off")
    defer(set_link, dut, "mtu", str(own["mtu"]))
    split = ["tcp-data-split", "auto"]
    if "hds-thresh" in rings:
        split += ["hds-thresh", str(rings["hds-thresh"])]
    defer(ethtool, dut, "-G", dut.netdev, *split)
