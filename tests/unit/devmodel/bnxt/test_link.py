# SPDX-License-Identifier: GPL-2.0-only
"""The link over time: training, loss, loopback."""

from __future__ import annotations

import dataclasses

import pytest

from devmodel.bnxt.hsi.phy import FecCfg, Loopback, PauseBits
from devmodel.bnxt.link import TRAINING_NS, Link
from devmodel.bnxt.module import ModuleKind
from devmodel.bnxt.phy import Fec, Mode, Partner, PhySettings
from devmodel.clock import Clock, Timing


class Port:
    """A link and what it reported."""

    def __init__(self, timing: Timing = Timing.ASYNCHRONOUS, kind: ModuleKind = ModuleKind.DAC):
        self.clock = Clock(1, timing)
        self.news: list[bool] = []
        self.link = Link(self.clock, Partner(), kind, self.news.append)

    def wait(self, elapsed_ns: int) -> None:
        self.clock.advance_to(self.clock.now_ns + elapsed_ns)


@pytest.fixture
def port() -> Port:
    return Port()


def test_a_reset_of_the_phy_takes_the_link_down_for_a_while(port: Port) -> None:
    port.link.train(queries=1)
    assert (port.link.up, port.news) == (False, [False])
    port.wait(TRAINING_NS - 1)
    assert not port.link.up
    port.wait(1)
    assert (port.link.up, port.news, port.link.down_events) == (True, [False, True], 1)


@pytest.mark.parametrize("queries", [1, 2])
def test_with_simulated_time_queries_stand_for_time(queries: int) -> None:
    port = Port(Timing.SYNCHRONOUS)
    port.link.train(queries=queries)
    for _ in range(queries):
        port.clock.settle()
        assert not port.link.up
        port.link.queried()
    port.clock.settle()
    assert port.link.up


def test_with_simulated_time_a_link_that_was_down_comes_at_once() -> None:
    port = Port(Timing.SYNCHRONOUS)
    port.link.force_down(True)
    port.link.train(queries=2)
    port.clock.settle()
    assert (port.link.up, port.news) == (True, [False, True])


def test_without_a_partner_that_agrees_there_is_no_link(port: Port) -> None:
    port.link.set_partner(Partner(speed=Mode.NRZ_25G))
    port.wait(TRAINING_NS)
    assert (port.link.up, port.news, port.link.state()) == (False, [False], None)
    port.link.configure(dataclasses.replace(PhySettings(), forced=Mode.NRZ_25G))
    port.link.train(queries=1)
    port.wait(TRAINING_NS)
    assert port.link.state() == {"mode": "25G", "fec": "CLAUSE91", "pause": ""}


def test_a_partner_that_changes_nothing_disturbs_nobody(port: Port) -> None:
    port.link.set_partner(Partner(advertise=(Mode.NRZ_25G,)))
    assert (port.link.up, port.news) == (True, [])


def test_forced_pause_needs_no_training(port: Port) -> None:
    port.link.configure(dataclasses.replace(PhySettings(), force_pause=PauseBits.RX))
    assert port.link.state() == {"mode": "100G", "fec": "CLAUSE91", "pause": "RX"}
    assert port.news == []


def test_the_cable_is_pulled_while_the_link_is_trained(port: Port) -> None:
    port.link.train(queries=1)
    port.link.set_wire(False)
    port.wait(2 * TRAINING_NS)
    assert not port.link.up
    port.link.set_wire(True)
    assert port.link.up


def test_local_loopback_needs_no_cable(port: Port) -> None:
    port.link.set_wire(False)
    port.link.configure(dataclasses.replace(PhySettings(), loopback=Loopback.LOCAL))
    assert port.link.up
    port.link.configure(PhySettings())
    assert not port.link.up


def test_codewords_come_while_there_is_a_link_with_rs(port: Port) -> None:
    port.wait(1_000_000)
    assert port.link.codewords == 19_531
    port.link.set_wire(False)
    port.wait(1_000_000)
    assert port.link.codewords == 19_531
    port.link.configure(dataclasses.replace(PhySettings(), fec=FecCfg(0)))
    port.link.set_partner(Partner(fec=Fec.NONE))
    port.link.set_wire(True)
    port.wait(1_000_000)
    assert port.link.up
    assert port.link.codewords == 19_531


def test_a_reset_brings_the_defaults_back(port: Port) -> None:
    port.link.configure(dataclasses.replace(PhySettings(), forced=Mode.NRZ_25G))
    port.link.train(queries=1)
    port.wait(TRAINING_NS)
    port.link.reset()
    assert (port.link.up, port.link.settings, port.link.down_events) == (True, PhySettings(), 0)


def test_no_module_no_link() -> None:
    assert not Port(kind=ModuleKind.NONE).link.up
