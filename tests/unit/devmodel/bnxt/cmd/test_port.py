# SPDX-License-Identifier: GPL-2.0-only
"""The PHY as the firmware describes it."""

from __future__ import annotations

import pytest

from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.port import (
    ActiveFec,
    FdrstatOps,
    HwrmPortPhyFdrstatInput,
    HwrmPortPhyQcapsInput,
    HwrmPortPhyQcfgInput,
    PhyQcapsFlags2,
)
from tests.unit.devmodel.bnxt.cardhost import CardHost


@pytest.fixture
def host() -> CardHost:
    return CardHost()


def test_fec_is_active_while_the_link_is_up(host: CardHost) -> None:
    request = HwrmPortPhyQcfgInput()
    up = host.call(request)
    assert up.active_fec_signal_mode == ActiveFec.CLAUSE91
    host.card.set_link(False)
    down = host.call(request)
    assert down.active_fec_signal_mode == ActiveFec.NONE


def test_fec_histogram_counts_time_and_no_errors(host: CardHost) -> None:
    caps = host.call(HwrmPortPhyQcapsInput())
    assert caps.flags2 & PhyQcapsFlags2.FDRSTAT_CMD_SUPPORTED
    request = HwrmPortPhyFdrstatInput(ops=FdrstatOps.COUNTER)
    first = host.call(request)
    host.clock.advance_to(host.clock.now_ns + 1_000_000)
    second = host.call(request)
    bins, earlier = second.accumulated_codewords_err_s, first.accumulated_codewords_err_s
    assert bins[0] - earlier[0] >= 19_531
    assert not any(bins[1:])
    assert sum(bins) == second.accumulated_total_codewords


def test_unknown_fdrstat_operation_is_refused(host: CardHost) -> None:
    error = host.error(HwrmPortPhyFdrstatInput(ops=9))
    assert error == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_fdrstat_op"}
