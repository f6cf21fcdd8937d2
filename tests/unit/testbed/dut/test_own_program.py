# SPDX-License-Identifier: GPL-2.0-only
"""What makes a queue ready for a program of the user's, and what the program is told."""

from __future__ import annotations

from typing import cast

import pytest

from testbed.dut import own_program
from testbed.dut.nic import ZcrxQueue
from testbed.dut.own_program import facts, ready_queue
from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6, Capability, Dut
from testbed.errors import UsageProblem


class End:
    def __init__(self, netdev: str, ipv4: str, ipv6: str, *capabilities: Capability) -> None:
        self.netdev, self.ipv4, self.ipv6 = netdev, ipv4, ipv6
        self.capabilities = frozenset(capabilities)


REMOTE = cast(Dut, End("peer0", REMOTE_V4, REMOTE_V6))


def ends(*capabilities: Capability) -> Dut:
    return cast(Dut, End("nut0", LOCAL_V4, LOCAL_V6, *capabilities))


def test_facts_are_those_of_the_kernels_driver_tests_and_the_queue() -> None:
    told = facts(
        ends(), REMOTE, ZcrxQueue(3, 8000, 4), netns="peer", nsenter="/run/busybox nsenter"
    )
    assert told == {
        "NETIF": "nut0", "LOCAL_V4": "192.0.2.1", "LOCAL_V6": "2001:db8::1",
        "REMOTE_V4": "192.0.2.2", "REMOTE_V6": "2001:db8::2", "REMOTE_TYPE": "netns",
        "REMOTE_ARGS": "peer", "REMOTE_RUN": "/run/busybox nsenter --net=/run/netns/peer",
        "ZCRX_QUEUE": "3", "ZCRX_PORT": "8000",
    }  # fmt: skip


def test_nic_or_kernel_without_any_of_it_is_told_so() -> None:
    with pytest.raises(UsageProblem, match="neither device memory TCP nor zero-copy receive"):
        ready_queue(ends(Capability.NTUPLE), REMOTE, 8000)


@pytest.mark.parametrize("has_rules", [True, False])
def test_rules_of_both_ip_versions_where_there_are_rules(
    monkeypatch: pytest.MonkeyPatch, has_rules: bool
) -> None:
    rules: list[tuple[str, str, int]] = []
    monkeypatch.setattr(
        own_program, "dedicate_queue",
        lambda _dut, _remote, _defer, *, port: ZcrxQueue(3, port, 4),
    )  # fmt: skip
    monkeypatch.setattr(
        own_program, "add_rule",
        lambda _dut, _defer, _word, port, *, flow_type, action: rules.append(
            (flow_type, port, action)
        ),
    )  # fmt: skip
    dut = ends(Capability.ZCRX, *([Capability.NTUPLE] if has_rules else []))
    assert ready_queue(dut, REMOTE, 9000) == ZcrxQueue(3, 9000, 4)
    assert rules == ([("tcp6", "9000", 3)] if has_rules else [])
