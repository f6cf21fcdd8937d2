# SPDX-License-Identifier: GPL-2.0-only
"""What a verdict carries, whose fault it is, and that the oracle can be left out."""

from __future__ import annotations

import pytest

from devmodel.bnxt.hsi.func import HwrmFuncDrvRgtrInput, HwrmFuncDrvUnrgtrInput
from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hsi.vnic import (
    HwrmVnicFreeInput,
    HwrmVnicRssCfgInput,
    HwrmVnicRssCosLbCtxAllocInput,
)
from devmodel.bnxt.make import make_card
from devmodel.bnxt.oracle_rules import RULES
from devmodel.clock import Clock
from devmodel.config import ConfigError
from devmodel.net.port import ScriptedWire
from devmodel.oracle.rules import Culprit
from devmodel.oracle.verdicts import EXPLAINED_PER_RULE
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue


def test_doorbell_past_the_producer_is_a_verdict(host: CardHost, queue: OpenQueue) -> None:
    host.doorbell(DbType.CQ, queue.rx_cq, 7)
    (found,) = host.trace.violations
    assert (found["rule"], found["culprit"]) == ("doorbell_past_producer", "driver")
    assert found["cause"] == RULES["doorbell_past_producer"].cause
    assert found["events"][-1].endswith("doorbell type=CQ ring=5 index=7")
    assert any("RING_ALLOC" in event for event in found["events"])


def test_what_an_injected_fault_did_is_its_own(host: CardHost, queue: OpenQueue) -> None:
    host.trace.cause = "ahead"
    host.doorbell(DbType.CQ, queue.rx_cq, 7)
    assert host.trace.caused_counts == {"doorbell_past_producer": 1}
    assert not host.rules


def test_only_the_first_verdicts_of_a_rule_are_explained(host: CardHost, queue: OpenQueue) -> None:
    for _ in range(EXPLAINED_PER_RULE + 1):
        host.doorbell(DbType.CQ, queue.rx_cq, 7)
    *explained, last = host.trace.violations
    assert all("events" in one for one in explained)
    assert "events" not in last
    assert last["culprit"] == "driver"


def test_close_in_order_leaves_nothing(host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
    host.call(HwrmVnicFreeInput(vnic_id=vnic_id))
    host.close_queue(queue)
    assert not host.rules


def test_vnic_left_after_close(host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
    host.close_queue(queue)
    found = next(v for v in host.trace.violations if v["rule"] == "fw_left_after_close")
    assert found["left"] == {"vnics": 1}
    assert found["vnics"] == [vnic_id]


def test_left_after_unregister(host: CardHost) -> None:
    host.call(HwrmFuncDrvRgtrInput())
    host.stat_ctx()
    host.call(HwrmFuncDrvUnrgtrInput())
    (found,) = host.trace.violations
    assert (found["rule"], found["left"]) == ("fw_left_after_unregister", {"stat_ctxs": 1})


def test_ring_freed_while_a_vnic_spreads_to_it(
    host: CardHost, queue: OpenQueue, vnic_id: int
) -> None:
    ctx = host.call(HwrmVnicRssCosLbCtxAllocInput()).rss_cos_lb_ctx_id
    table = host.rss_table([(queue.rx, queue.rx_cq)])
    host.call(HwrmVnicRssCfgInput(vnic_id=vnic_id, rss_ctx_idx=ctx, ring_grp_tbl_addr=table))
    assert not host.rules
    host.free_ring(RingType.RX, queue.rx)
    (found,) = host.trace.violations
    assert (found["rule"], found["vnic"], found["id"]) == (
        "ring_free_in_rss_table",
        vnic_id,
        queue.rx,
    )


def test_id_freed_twice_is_explained(host: CardHost, vnic_id: int) -> None:
    host.call(HwrmVnicFreeInput(vnic_id=vnic_id))
    assert host.error(HwrmVnicFreeInput(vnic_id=vnic_id))
    (found,) = host.trace.violations
    assert (found["rule"], found["kind"]) == ("hwrm_unknown_id", "VNIC")
    assert "freed twice" in found["cause"]
    assert any("VNIC_FREE" in event for event in found["events"])


def test_reset_takes_everything_from_the_oracle(host: CardHost, queue: OpenQueue) -> None:
    oracle = host.card.oracle
    assert oracle is not None
    host.card.firmware.reset()
    host.card.dma.write(host.response_at, b"?")
    oracle.settle()
    assert host.rules == {"write_never_posted"}
    assert not oracle.live


def test_answers_of_commands_are_writes_the_driver_asked_for(
    host: CardHost, queue: OpenQueue
) -> None:
    assert host.card.oracle is not None
    host.card.oracle.settle()
    assert not host.rules
    host.card.dma.write(host.response_at, b"?")
    host.card.oracle.settle()
    assert host.rules == {"write_never_posted"}


def test_every_rule_says_something() -> None:
    assert all(rule.cause for rule in RULES.values())
    assert {rule.culprit for rule in RULES.values()} == {
        Culprit.DRIVER, Culprit.CARD_MODEL, Culprit.UNKNOWN,
    }  # fmt: skip


@pytest.mark.parametrize(("value", "is_on"), [("on", True), ("off", False)])
def test_option(value: str, is_on: bool) -> None:
    trace = Trace()
    card = make_card(Clock(1), trace, ScriptedWire(), {"oracle": value})
    assert (card.dma.writes is not None, trace.explain is not None) == (is_on, is_on)


def test_bad_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: on, off"):
        make_card(Clock(1), Trace(), ScriptedWire(), {"oracle": "maybe"})
