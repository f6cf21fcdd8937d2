# SPDX-License-Identifier: GPL-2.0-only
"""Faults seen through the transports, and armed over the control channel of a card process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devmodel.faults.plan import parse_plan
from devmodel.vhost_user.messages import PcidevOp
from docs.examples.ring_nic import FAULTS
from tests.protocol import toy as t
from tests.protocol.client import CONFIG
from tests.protocol.conftest import Bench, fired
from tests.protocol.test_process import Card
from tests.protocol.test_vhost_card import Rig


def plan(where: str, what: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    fault = {"id": "a", "where": where, "what": dict(what), **more}
    return {"version": 1, "fault": [fault]}


def arm(toy: t.Toy, where: str, what: Mapping[str, Any], **more: Any) -> None:
    toy.faults.arm(parse_plan(plan(where, what, **more), FAULTS))


def test_interrupts_over_vfio_user(synchronous: Bench, eventfds: list[int]) -> None:
    bench = synchronous
    fd = eventfds[1]
    bench.connect([fd], 1)
    bench.enable_msix()
    arm(bench.toy, "irq.raise", {"action": "drop"})
    arm(bench.toy, "irq.raise", {"action": "duplicate", "count": 4}, when={"nth": 2})
    seen = []
    for _ in range(3):
        bench.interrupt(1)
        seen.append(fired(fd))
    assert seen == [0, 5, 1]


def test_a_late_interrupt_outlasts_the_access_in_synchronous_timing(
    synchronous: Bench, eventfds: list[int]
) -> None:
    bench = synchronous
    fd = eventfds[1]
    bench.connect([fd], 1)
    bench.enable_msix()
    arm(bench.toy, "irq.raise", {"action": "hold", "after_ns": 5_000_000})
    bench.client.write_int(0, t.REG_COMMAND, t.COMMAND_LATER + 1)
    assert fired(fd) == 0
    bench.clock.advance_to(6_000_000)
    assert fired(fd) == 1


def test_configuration_reads_as_removed(bench: Bench) -> None:
    arm(bench.toy, "config.read", {"action": "set", "fields": {"value": -1}})
    assert bench.client.read_int(CONFIG, 0) == 0xFFFF_FFFF
    assert bench.client.read_int(CONFIG, 0) == t.DEVICE_AND_VENDOR


def test_configuration_over_vhost_user_reads_as_removed() -> None:
    rig = Rig()
    arm(rig.toy, "config.read", {"action": "set", "fields": {"value": {"xor": 1}}})
    rig.guest.set_up()
    seen = [rig.access(PcidevOp.CFG_READ, 0, 4) for _ in range(2)]
    rig.guest.close()
    wrong, right = t.DEVICE_AND_VENDOR + 1, t.DEVICE_AND_VENDOR
    assert seen == [wrong.to_bytes(4, "little"), right.to_bytes(4, "little")]


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
