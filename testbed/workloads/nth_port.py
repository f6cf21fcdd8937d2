# SPDX-License-Identifier: GPL-2.0-only
"""What uses the port beside its rings, and an allocation fails (:mod:`testbed.workloads.nth`)."""

from __future__ import annotations

from testbed.dut.clock import ALL, PTP_V2, clock_of, stamping
from testbed.dut.programs import program
from testbed.workloads import nth
from testbed.workloads.drawn_port import RINGS_OF_CLASSES, TUNNEL
from testbed.workloads.workload import WorkloadContext

_SHARES = ("tc-tsa", "0:ets", "1:ets", "tc-bw", "0:40", "1:60", "prio-tc", "1:1")
_STRICT = ("tc-tsa", "all:strict", "prio-tc", "all:0")
_RULE = ("flower", "skip_sw", "ip_proto", "udp", "dst_port", "21000", "action", "drop")


def change(context: WorkloadContext) -> None:
    """Classes of service, a tc rule, a tunnel, the clock and its timestamps, each taken back."""
    dut, remote = context.dut, context.remote
    of, clock = ("dev", dut.netdev), (program("phc"), clock_of(dut))
    rule = (*of, "ingress", "protocol", "ip", "prio", "1", "handle", "1")
    stamps = (*stamping(dut, remote, 0), "--filter")
    dcb, qdisc, link = "dcb", ("tc", "qdisc", "replace", *of, "root"), ("ip", "link")
    ets = (dcb, "ets", "set", *of)
    remote_end = ("type", "vxlan", "id", "7", "remote", remote.ipv4, "dstport", "4789")
    dut.run([*ets, *_SHARES], check=False)  # no priority of one class alone can be lossless
    nth.each_in_turn(
        context,
        (
            ((*ets, *_STRICT), (*ets, *_SHARES)),
            ((dcb, "pfc", "set", *of, "prio-pfc", "1:on"),
             (dcb, "pfc", "set", *of, "prio-pfc", "all:off")),
            ((dcb, "app", "add", *of, "dscp-prio", "46:2"), (dcb, "app", "flush", *of)),
            ((*qdisc, *RINGS_OF_CLASSES.split()), (*qdisc, "pfifo_fast")),
            (("tc", "filter", "add", *rule, *_RULE), ("tc", "filter", "del", *rule, "flower")),
            ((*link, "add", TUNNEL, "up", *remote_end), (*link, "delete", "dev", TUNNEL)),
            ((*clock, "output", "0", "1000"), (*clock, "release", "0")),
            ((*clock, "pps", "1"), (*clock, "pps", "0")),
            ((*stamps, ALL), (*stamps, PTP_V2)),
        ),
        after="the port's changes",
    )  # fmt: skip
