# SPDX-License-Identifier: GPL-2.0-only
"""MAC and LEDs of the port."""

from __future__ import annotations

from typing import Any

import pytest

from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.phy import Loopback
from devmodel.bnxt.hsi.port import (
    HwrmPortLedCfgInput,
    HwrmPortLedQcapsInput,
    HwrmPortMacCfgInput,
    HwrmPortMacQcapsInput,
    HwrmPortQstatsExtInput,
    HwrmPortQstatsInput,
    LedEnables,
    LedState,
    LedStateCaps,
    MacCfgEnables,
    MacQcapsFlags,
)
from devmodel.bnxt.hsi.port_stats import RxPortStats, RxPortStatsExt
from tests.unit.devmodel.bnxt.cardhost import CardHost

ID_AND_STATE = LedEnables.ID | LedEnables.STATE


def loopback(mode: Loopback) -> HwrmPortMacCfgInput:
    return HwrmPortMacCfgInput(enables=MacCfgEnables.LPBK, lpbk=mode)


def test_mac_loopback_works_without_a_link(host: CardHost) -> None:
    assert host.call(HwrmPortMacQcapsInput()).flags == MacQcapsFlags.REMOTE_LPBK_SUPPORTED
    host.card.set_link(False)
    assert host.call(loopback(Loopback.LOCAL)).lpbk == Loopback.LOCAL
    host.card.port.send([bytes(60)])
    host.card.settle()
    assert host.card.mac.rx.frames == 1
    assert host.call(loopback(Loopback.NONE)).lpbk == Loopback.NONE
    host.card.receive([bytes(60)])
    assert host.card.mac.rx.frames == 1


def test_unknown_mac_loopback_is_refused(host: CardHost) -> None:
    assert host.error(loopback(Loopback.EXTERNAL)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_mac_loopback"}


def test_leds_blink_on_request(host: CardHost) -> None:
    caps = host.call(HwrmPortLedQcapsInput())
    assert (caps.num_leds, caps.led0_id, caps.led1_id) == (2, 0, 1)
    assert caps.led0_group_id
    assert caps.led1_state_caps & (LedStateCaps.ENABLED | LedStateCaps.BLINK_ALT)
    both = ID_AND_STATE | ID_AND_STATE << 6
    state = {"led0_state": LedState.BLINK_ALT, "led1_state": LedState.ON, "led1_id": 1}
    host.call(HwrmPortLedCfgInput(num_leds=2, enables=both, **state))
    assert host.card.state()["leds"] == {0: "BLINK_ALT", 1: "ON"}


@pytest.mark.parametrize(
    "fields",
    [
        {"num_leds": 3, "enables": ID_AND_STATE},
        {"num_leds": 1, "enables": LedEnables.STATE},
        {"num_leds": 1, "enables": ID_AND_STATE, "led0_id": 7},
        {"num_leds": 1, "enables": ID_AND_STATE, "led0_state": 9},
        {"num_leds": 1, "enables": LedEnables.ID | LedEnables.COLOR, "led0_color": 9},
    ],
)
def test_leds_there_are_none_of(host: CardHost, fields: dict[str, Any]) -> None:
    assert host.error(HwrmPortLedCfgInput(**fields)) == Err.INVALID_PARAMS
    assert host.rules == {"hwrm_led"}
    assert set(host.card.state()["leds"].values()) == {"DEFAULT"}


def counters(host: CardHost) -> tuple[RxPortStats, RxPortStatsExt]:
    at, ext = host.allocate(RxPortStats.SIZE), host.allocate(RxPortStatsExt.SIZE)
    host.call(HwrmPortQstatsInput(rx_stat_host_addr=at))
    host.call(HwrmPortQstatsExtInput(rx_stat_host_addr=ext, rx_stat_size=RxPortStatsExt.SIZE))
    return (
        RxPortStats.unpack(host.peek(at, RxPortStats.SIZE)),
        RxPortStatsExt.unpack(host.peek(ext, RxPortStatsExt.SIZE)),
    )


def test_counters_of_odd_frames(host: CardHost) -> None:
    head = b"\2\0\0\0\0\1\2\0\0\0\0\2"
    host.card.receive(
        [
            head + b"\x81\x00\0\1\x88\xa8\0\2\x08\0" + bytes(50),  # two tags
            head + b"\x05\xff" + bytes(1535),  # a length of 1535
            head + b"\0\x40" + bytes(46),  # a length of 64, but 46 bytes
            head + b"\0\x20" + bytes(46),
            head + b"\x08\0" + bytes(9600),
        ]
    )
    stats, extended = counters(host)
    assert (stats.rx_tagged_frames, stats.rx_double_tagged_frames) == (1, 1)
    assert (stats.rx_oor_len_frames, stats.rx_ovrsz_frames) == (2, 1)
    assert stats.rx_stat_discard == extended.rx_filter_miss == 5
