# SPDX-License-Identifier: GPL-2.0-only
"""Counters as the tools print them."""

from __future__ import annotations

from typing import Any

from testbed.dut.counters import (
    NapiSettings,
    ask_netdev,
    ask_netdev_argv,
    delta,
    ethtool_statistics,
    interrupts,
    netdev_state,
    protocol_counters,
    tcp_counters,
)
from testbed.dut.protocols import Completed

ETHTOOL = """NIC statistics:
     [0]: rx_ucast_packets: 7
     [1]: rx_ucast_packets: 11
     rx_total_discard_pkts: 0
     Rx 64 bytes: 5
"""
SNMP = """Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RetransSegs MaxConn
Tcp: 3 -1
TcpExt: TCPLossProbes
TcpExt: 2
"""
NETDEV = """{"queues":[{"type":"rx","id":3,"napi_id":9,"io_uring":true,"dmabuf":0},
{"type":"rx","id":4,"napi_id":10,"io_uring":false,"dmabuf":7},
{"type":"rx","id":5,"napi_id":11,"io_uring":false,"dmabuf":0}],
"page_pools":[{"id":5,"napi_id":0,"inflight":12,"inflight_bytes":49152,"io_uring":true,
"detached":true}],
"qstats":[{"type":"rx","id":0,"rx_packets":4},{"type":"rx","id":1},{"type":"tx","id":0}]}"""


class End:
    """Prints one text."""

    netdev, ipv4, ipv6 = "nut0", "192.0.2.1", "2001:db8::1"

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, argv: Any, **_: Any) -> Completed:
        return Completed(tuple(argv), 0, self.text.encode(), b"", 0.1)


def test_ethtool_rings_and_totals() -> None:
    assert ethtool_statistics(End(ETHTOOL)) == {  # type: ignore[arg-type]  # only run() is used
        "[0]: rx_ucast_packets": 7,
        "[1]: rx_ucast_packets": 11,
        "rx_total_discard_pkts": 0,
        "Rx 64 bytes": 5,
    }


def test_tcp_counters_of_both_files() -> None:
    found = tcp_counters(End(SNMP))  # type: ignore[arg-type]  # only run() is used
    assert found == {"RetransSegs": 3, "MaxConn": -1, "TCPLossProbes": 2}


def test_protocol_counters_have_the_names_of_nstat() -> None:
    found = protocol_counters(End(SNMP))  # type: ignore[arg-type]  # only run() is used
    assert found == {
        "IpForwarding": 1, "IpDefaultTTL": 64, "TcpRetransSegs": 3, "TcpMaxConn": -1,
        "TcpExtTCPLossProbes": 2,
    }  # fmt: skip


def test_interrupts_are_those_of_the_nic_on_all_cpus() -> None:
    lines = (
        "            CPU0       CPU1",
        "  12:        120          0  SIGIO                                   virtio-uml",
        " 129:        241          1  PCI-MSIX-0000:00:00.0    0  nut0-TxRx-0",
        " 130:          0         30  PCI-MSIX-0000:00:00.0    1  nut0-TxRx-1",
        " 131:          5          0  PCI-MSIX-0000:00:01.0    0  nut01-TxRx-0",
    )
    assert interrupts(End("\n".join(lines))) == 272  # type: ignore[arg-type]  # as above


def test_netdev_state_names_what_is_left() -> None:
    state = netdev_state(End(NETDEV.replace("\n", "")))  # type: ignore[arg-type]  # as above
    assert state.providers == ["rx queue 3", "rx queue 4"]
    assert state.detached_pools == ["page pool 5 with 12 buffers"]
    assert state.per_queue("rx_packets") == {0: 4, 1: 0}
    assert state.total("rx_packets") == 4


def test_new_counters_grow_from_zero() -> None:
    assert delta({1: 5, 2: 7}, {1: 4}) == {1: 1, 2: 7}


def test_everything_is_asked_and_if_wanted_set_first() -> None:
    end = End('{"asked":21,"refused":5}')
    assert ask_netdev(end) == (21, 5)  # type: ignore[arg-type]  # only run() is used
    argv = ask_netdev_argv(end)  # type: ignore[arg-type]
    assert argv[1:] == ["nut0"]
    napi = NapiSettings(defer=2, flush_ns=20_000, threaded=True)
    argv = ask_netdev_argv(end, napi)  # type: ignore[arg-type]
    assert argv[1:] == ["nut0", "2", "20000", "0", "1"]
