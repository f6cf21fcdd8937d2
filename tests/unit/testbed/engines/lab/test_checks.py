# SPDX-License-Identifier: GPL-2.0-only
"""What is refused before a machine is touched, and what permissions take away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.dut.protocols import Capability
from testbed.engines.lab.checks import (
    CARD_ONLY,
    card_facts,
    offered,
    refuse_own_way,
    refuse_wrong_machine,
)
from testbed.engines.lab.config import Disturb, LabDut, Remote
from testbed.errors import EnvironmentProblem, UsageProblem

DUT = LabDut(
    name="alpha", host="alpha", interface="ens1", pci_address="0000:c1:00.0", ipv4="192.0.2.1",
    ipv6="2001:db8::1",
    remote=Remote(interface="ens1", ipv4="192.0.2.2", ipv6="2001:db8::2", namespace="peer"),
    disturb=frozenset({Disturb.LINK}),
)  # fmt: skip
FACTS = {"driver": ["bnxt_en"], "address": ["0000:c1:00.0"], "user": ["0"], "xdp": ["0"]}


@pytest.mark.parametrize("over", [["ens1"], ["br0", "ens1"], ["bond0.7", "bond0", "ens2", "ens1"]])
def test_interface_below_ssh_is_refused(over: list[str]) -> None:
    with pytest.raises(UsageProblem, match="SSH itself runs over ens1"):
        refuse_own_way("alpha", "ens1", {"ssh": over})


def test_another_interface_is_not() -> None:
    refuse_own_way("alpha", "ens1", {"ssh": ["br0", "eno1"]})


def test_a_way_nobody_can_tell_is_refused() -> None:
    with pytest.raises(EnvironmentProblem, match="cannot tell"):
        refuse_own_way("alpha", "ens1", {})


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("driver", "ice", "the driver of ens1 is ice, lab.toml says bnxt_en"),
        ("driver", "", "the driver of ens1 is nowhere"),
        ("address", "0000:c1:00.1", "PCI address of ens1 is 0000:c1:00.1"),
        ("user", "1000", "not as root"),
        ("xdp", "1", "XDP program"),
    ],
)
def test_wrong_machine_is_refused(key: str, value: str, complaint: str) -> None:
    refuse_wrong_machine(DUT, FACTS)
    with pytest.raises((UsageProblem, EnvironmentProblem), match=complaint):
        refuse_wrong_machine(DUT, {**FACTS, key: [value]})


def test_what_is_offered_depends_on_permissions() -> None:
    able = offered(DUT)
    assert Capability.LINK_CYCLE in able
    assert able.isdisjoint({Capability.DRIVER_RELOAD, Capability.DEVICE_RESET, Capability.SYSCTLS})
    assert able.isdisjoint(CARD_ONLY)
    assert Capability.ZCRX in able


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        (
            "driver: bnxt_en\nversion: 6.12.0\nfirmware-version: 232.0.1/pkg 232.1\nbus-info: x\n",
            {"driver": "bnxt_en", "driver version": "6.12.0", "firmware": "232.0.1/pkg 232.1"},
        ),
        ("driver: bnxt_en\nfirmware-version: \n", {"driver": "bnxt_en"}),
        ("", {}),
    ],
)
def test_report_names_driver_and_firmware(said: str, facts: dict[str, str]) -> None:
    end: Any = SimpleNamespace(netdev="ens1", run=lambda *_, **__: SimpleNamespace(text=said))
    assert card_facts(end) == facts
