# SPDX-License-Identifier: GPL-2.0-only
"""Clock, timestamps, classes of service, tc rules and tunnels in an order that is drawn, and
resets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from testbed.dut.clock import ALL, PTP_V2, SECOND, ask_clock, clock_of, echo, now, stamping
from testbed.dut.nic import combined_channels, ethtool
from testbed.dut.programs import program
from testbed.dut.protocols import Dut
from testbed.workloads import traffic
from testbed.workloads.drawn import ResetSteps, take_and_stream
from testbed.workloads.workload import WorkloadContext

STEPS = 16
_PTP_V2_SYNC = "13"
_ECHO_S, _SENDING_S = 2, 30
_STEPS_NS = (-SECOND, -1, 1, 1 << 49, -(1 << 49))
_FREQUENCIES = ("0", "31000000", "-31000000")
_PINS = ("0", "1", "2", "3")
_RELEASE = """
clock=/dev/$(ls "/sys/class/net/$2/device/ptp")
for pin in 0 1 2 3; do "$1" "$clock" release $pin; done
"""
_CLASSES = (
    ("ets", "tc-tsa", "0:ets", "1:ets", "tc-bw", "0:40", "1:60", "prio-tc", "1:1"),
    ("ets", "tc-tsa", "0:strict", "1:strict", "prio-tc", "1:0"), ("ets", "prio-tc", "3:2"),
    ("pfc", "prio-pfc", "1:on"), ("pfc", "prio-pfc", "3:on"), ("pfc", "prio-pfc", "all:off"),
)  # fmt: skip
_APPLICATIONS = (("add", "dscp-prio", "46:2"), ("add", "ethtype-prio", "0x8915:3"), ("flush",))
RINGS_OF_CLASSES = "mqprio num_tc 2 map 0 1 0 0 0 0 0 0 queues 1@0 1@1 hw 1"
_FIRST_PORT, _RULES = 21_000, 6
_ACTIONS = (("drop",), ("vlan", "pop"), ("mirred", "egress", "redirect", "dev", "lo"))
TUNNEL = "tb_tunnel"
_TUNNELS = (("vxlan", "dstport", "4789"), ("vxlan", "dstport", "8472"), ("geneve",))


class _Port(ResetSteps):
    """The port while steps change it."""

    def do(self, *argv: str) -> None:
        """May be refused."""
        self.refused += self.context.dut.run(argv, check=False).returncode != 0

    def ask(self) -> None:
        """What the clock shows, and the port's temperature."""
        self.attempt(lambda: now(self.context.dut))
        device = f"/sys/class/net/{self.context.dut.netdev}/device"
        self.do("sh", "-c", 'cat "$1"/hwmon/hwmon*/temp1_*', "sh", device)

    def clock(self) -> None:
        """Set, stepped, or at another pace."""
        draw = self.context.random.choice
        step = ("step", str(draw(_STEPS_NS)))
        words = draw((("set", str(SECOND << 30)), step, step, ("frequency", draw(_FREQUENCIES))))
        self.attempt(lambda: ask_clock(self.context.dut, *words))

    def pin(self) -> None:
        """One gives pulses, or nothing; or the clock tells of its own seconds."""
        draw = self.context.random.choice
        output = ("output", draw(_PINS), "1000")
        words = draw((output, ("release", draw(_PINS)), ("pps", draw("01"))))
        self.attempt(lambda: ask_clock(self.context.dut, *words))

    def pulses(self) -> None:
        """A pin takes those from outside, of which there are none."""
        pin = self.context.random.choice(_PINS)
        dut = self.context.dut
        self.attempt(lambda: dut.run([program("phc"), clock_of(dut), "edges", pin, "1", "50"]))

    def stamps(self) -> None:
        """A PTP message is stamped both ways."""
        self.up()
        dut, remote = self.context.dut, self.context.remote
        one = self.context.random.choice((ALL, PTP_V2, _PTP_V2_SYNC))
        self.attempt(lambda: echo(dut, remote, one, _ECHO_S))

    def stamps_meanwhile(self) -> None:
        """Messages that nobody answers are stamped while the next steps come."""
        self.programs.close()
        dut, remote = self.context.dut, self.context.remote
        words = [*stamping(dut, remote, _SENDING_S), "--filter", ALL]
        self.programs.callback(dut.start(words).kill)

    def classes(self) -> None:
        """Other ones, or others lossless."""
        name, *words = self.context.random.choice(_CLASSES)
        self.do("dcb", name, "set", "dev", self.context.dut.netdev, *words)

    def application(self) -> None:
        """One has a class of its own, or none has."""
        command, *words = self.context.random.choice(_APPLICATIONS)
        self.do("dcb", "app", command, "dev", self.context.dut.netdev, *words)

    def rings_of_classes(self) -> None:
        """A set of transmit rings for each of two classes, or the same for all."""
        words = self.context.random.choice((RINGS_OF_CLASSES, "pfifo_fast"))
        self.do("tc", "qdisc", "replace", "dev", self.context.dut.netdev, "root", *words.split())

    def rule(self) -> None:
        """One about flows that are none of ours, in hardware if it takes it."""
        draw, netdev = self.context.random.choice, self.context.dut.netdev
        number = self.context.random.randrange(_RULES)
        self.do(
            "tc", "filter", "replace", "dev", netdev, "ingress", "protocol", "ip",
            "prio", str(1 + number), "handle", "1", "flower", "ip_proto", draw(("tcp", "udp")),
            "dst_port", str(_FIRST_PORT + number), "action", *draw(_ACTIONS),
        )  # fmt: skip

    def end_rule(self) -> None:
        """One rule less, and what is counted."""
        netdev, number = self.context.dut.netdev, 1 + self.context.random.randrange(_RULES)
        self.do("tc", "-s", "filter", "show", "dev", netdev, "ingress")
        self.do("tc", "filter", "del", "dev", netdev, "ingress", "prio", str(number))

    def tunnel(self) -> None:
        """One whose port the NIC knows, or none."""
        words = self.context.random.choice((*_TUNNELS, None))
        self.do("ip", "link", "delete", "dev", TUNNEL)
        if words is not None:
            remote = self.context.remote.ipv4
            kind, *rest = words
            self.do("ip", "link", "add", TUNNEL, "type", kind, "id", "7", "remote", remote, *rest)
            self.do("ip", "link", "set", "dev", TUNNEL, "up")

    def rule_of_tunnel(self) -> None:
        """One about what a tunnel carries, if there is one."""
        dut, remote = self.context.dut, self.context.remote
        self.do("tc", "qdisc", "add", "dev", TUNNEL, "clsact")
        self.do(
            "tc", "filter", "replace", "dev", TUNNEL, "ingress", "protocol", "ip",
            "prio", "1", "handle", "1", "flower", "enc_src_ip", remote.ipv4,
            "enc_dst_ip", dut.ipv4, "enc_key_id", "7", "enc_dst_port", "4789",
            "ip_proto", "icmp", "action", "tunnel_key", "unset", "action", "drop",
        )  # fmt: skip


_STEPS: Mapping[Callable[[_Port], None], int] = {
    _Port.ask: 1, _Port.clock: 2, _Port.pin: 2, _Port.pulses: 1, _Port.stamps: 2,
    _Port.stamps_meanwhile: 2, _Port.classes: 3, _Port.application: 1, _Port.rings_of_classes: 2,
    _Port.rule: 4, _Port.end_rule: 2, _Port.tunnel: 2, _Port.rule_of_tunnel: 2,
    _Port.channels: 2, _Port.down: 3,
    _Port.up: 3, _Port.reset: 1, _Port.reset_meanwhile: 1, _Port.streams: 2,
}  # fmt: skip
"""How often one is drawn."""


def use(context: WorkloadContext) -> None:
    """Steps that are drawn, each of which may be refused; traffic has to flow in the end.

    Behind one that fails, as they may with a fault, come the others. Raises how the first failed.
    """
    with ExitStack() as programs:
        take_and_stream(_Port(context, programs), _STEPS, STEPS)
    traffic.require_echo(context, after="all that was set")


def _take_back(dut: Dut, *argv: str) -> None:
    """What may not be there."""
    dut.run(argv, check=False)


def prepare(context: WorkloadContext) -> None:
    """What is set back at the end."""
    dut, remote, defer = context.dut, context.remote, context.defer
    defer(ethtool, dut, "-L", dut.netdev, "combined", str(combined_channels(dut)))
    defer(_take_back, dut, *stamping(dut, remote, 0), "--filter", PTP_V2)
    defer(_take_back, dut, "tc", "qdisc", "del", "dev", dut.netdev, "root")
    for words in (
        ("app", "flush", "dev", dut.netdev),
        ("pfc", "set", "dev", dut.netdev, "prio-pfc", "all:off"),
        ("ets", "set", "dev", dut.netdev, "tc-tsa", "all:strict", "prio-tc", "all:0"),
    ):
        defer(_take_back, dut, "dcb", *words)  # fmt: skip
    defer(_take_back, dut, "sh", "-c", _RELEASE, "sh", program("phc"), dut.netdev)
    defer(_take_back, dut, "ip", "link", "delete", "dev", TUNNEL)
    dut.run(["tc", "qdisc", "add", "dev", dut.netdev, "clsact"])
    defer(_take_back, dut, "tc", "qdisc", "del", "dev", dut.netdev, "clsact")
