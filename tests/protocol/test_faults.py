# SPDX-License-Identifier: GPL-2.0-only
"""Faults seen through the transports, and armed over the control channel of a card process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devmodel.faults.plan import parse_plan
from devmodel.vhost_user.messages import PcidevOp
from docs.examples import ring_nic
from docs.examples.ring_nic import FAULTS
from tests.protocol import toy as t
from tests.protocol.client import CONFIG
from tests.protocol.conftest import Bench
from tests.protocol.test_process import Card
from tests.protocol.test_vhost_card import Rig


def plan(where: str, what: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    fault = {"id": "a", "where": where, "what": dict(what), **more}
    return {"version": 1, "fault": [fault]}


def connect(bench: Bench) -> int:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    bench.client.set_irqs(0x24, 2, 1, 1, [fd])
    bench.client.write_int(CONFIG, ring_nic.MSIX_OFFSET + 2, 0x8000, 2)
    return fd


def count(fd: int) -> int:
    try:
        return os.eventfd_read(fd)
    except BlockingIOError:
        return 0


def test_interrupts_over_vfio_user(synchronous: Bench) -> None:
    bench = synchronous
    fd = connect(bench)
    engine = bench.toy.faults
    engine.arm(parse_plan(plan("irq.raise", {"action": "drop"}), FAULTS))
    engine.arm(
        parse_plan(plan("irq.raise", {"action": "duplicate", "count": 4}, when={"nth": 2}), FAULTS)
    )
    seen = []
    for _ in range(3):
        bench.client.write_int(0, t.REG_COMMAND, t.COMMAND_INTERRUPT + 1)
        seen.append(count(fd))
    assert seen == [0, 5, 1]
    os.close(fd)


def test_a_late_interrupt_outlasts_the_access_in_synchronous_timing(synchronous: Bench) -> None:
    bench = synchronous
    fd = connect(bench)
    bench.toy.faults.arm(
        parse_plan(plan("irq.raise", {"action": "hold", "after_ns": 5_000_000}), FAULTS)
    )
    bench.client.write_int(0, t.REG_COMMAND, t.COMMAND_LATER + 1)
    assert count(fd) == 0
    bench.clock.advance_to(6_000_000)
    assert count(fd) == 1
    os.close(fd)


def test_configuration_reads_as_removed(bench: Bench) -> None:
    bench.toy.faults.arm(
        parse_plan(plan("config.read", {"action": "set", "fields": {"value": -1}}), FAULTS)
    )
    assert bench.client.read_int(CONFIG, 0) == 0xFFFF_FFFF
    assert bench.client.read_int(CONFIG, 0) == t.DEVICE_AND_VENDOR


def test_configuration_over_vhost_user_reads_as_removed() -> None:
    rig = Rig()
    lie = {"action": "set", "fields": {"value": {"xor": 1}}}
    rig.toy.faults.arm(parse_plan(plan("config.read", lie), FAULTS))
    rig.guest.set_up()
    seen = [rig.access(PcidevOp.CFG_READ, 0, 4) for _ in range(2)]
    rig.guest.close()
    assert seen == [
        one.to_bytes(4, "little") for one in (t.DEVICE_AND_VENDOR + 1, t.DEVICE_AND_VENDOR)
    ]


def test_arming_over_the_control_channel(tmp_path: Path) -> None:
    card = Card(tmp_path)
    try:
        card.client.version()
        lie = plan("config.read", {"action": "set", "fields": {"value": 0}}, times=2)
        handle = card.ask("faults_arm", plan=lie)["result"]["handle"]
        assert card.client.read_int(CONFIG, 0) == 0
        status = card.ask("faults_status")["result"]
        assert (status["armed"], status["injections"]) == (True, 1)
        assert status["kept"][0]["id"] == "a"
        (last,) = card.ask("faults_disarm", handle=handle)["result"]["faults"]
        assert (last["fired"], last["considered"]) == (1, 1)
        assert card.client.read_int(CONFIG, 0) == 0x1750_14E4
        assert card.ask("state")["result"]["faults"]["armed"] is False
        again = card.ask("faults_disarm", handle=handle)["error"]
        assert (again["kind"], again["message"]) == ("bad_params", f"handle {handle} is not armed")
        bad = card.ask("faults_arm", plan=plan("nowhere", {"action": "drop"}))["error"]
        assert bad["kind"] == "bad_params"
        assert "fault[0].where is 'nowhere'; allowed: now, dma.read" in bad["message"]
        assert card.ask("faults_arm")["error"]["message"] == "plan: the plan is no table"
        assert "fault_effect" not in card.trace.read_text()
    finally:
        card.close()
