# SPDX-License-Identifier: GPL-2.0-only
"""The NIC's PTP clock and its timestamps, by the kernel's own interfaces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testbed.dut.clock import (
    ALL,
    MIRROR,
    PTP_V2,
    SECOND,
    ask_clock,
    clock_of,
    echo,
    now,
    put_right,
    stamping,
)
from testbed.dut.defer import Defer
from testbed.dut.driver import activate_firmware, await_carrier
from testbed.dut.faults import BUSY, Faults, refusing
from testbed.dut.kmemleak import look_for_leaks
from testbed.dut.nic import ethtool, set_link
from testbed.dut.pause import pause
from testbed.dut.programs import program
from testbed.dut.protocols import Capability, Dut, Endpoint

SLOW = 60 * SECOND
"""How long a few commands may take on any host."""
YEAR_2001 = 1_000_000_000 * SECOND
EXTERNAL_PIN, OUTPUT_PIN = 1, 2
TOLERANCE_S = 20
REFUSALS, REFUSED_S = 1000, 0.2
"""More than come of asking once a jiffy; a second, and the driver gives up and says so."""
OLD_S = 2.2
"""So long the driver may use upper bits that it read while a fault was armed: it reads them once a
second, and uses what it read before (bnxt_ptp.c:137 bnxt_ptp_get_current_time())."""
TWO_SENT_S = 0.5
"""A message is sent each 300 ms; two of the four places that there are for them."""
AUX_WORK_S = 2.5
"""The driver looks after timestamps once a second at least."""
PERIOD_S = 4.0
"""No driver that has only one period has this one."""
SLACK_S = 60
"""For a program to end whose time is over."""
pytestmark = pytest.mark.needs(Capability.HARDWARE_CLOCK)


def test_the_driver_offers_it(dut: Dut) -> None:
    """``ethtool -T``: hardware timestamps both ways, of PTP messages and of all packets."""
    said = ethtool(dut, "-T", dut.netdev).split()
    assert {"hardware-transmit", "hardware-receive", "hardware-raw-clock"} <= set(said)
    assert {"ptpv2-l4-event", "ptpv2-l2-event"} <= set(said)


@pytest.mark.parametrize("filter_number", [PTP_V2, ALL])
def test_messages_are_stamped_both_ways(dut: Dut, remote: Endpoint, filter_number: str) -> None:
    """A message is stamped as it goes and as it comes back, by the clock that can be read."""
    pause(dut, OLD_S)
    before = now(dut)
    pause(dut, 0.01)
    stamps = echo(dut, remote, filter_number, int(TOLERANCE_S * dut.patience))
    pause(dut, 0.01)
    assert before < stamps.sent <= stamps.received < now(dut)
    if Capability.REAL_TIME in dut.capabilities:
        assert stamps.sent < stamps.received


@pytest.mark.needs(Capability.FAULTS, Capability.CARD_STATE)
@pytest.mark.finding("tx-timestamp-asked-without-end")
def test_a_timestamp_that_is_refused_is_asked_for_in_time(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer, card_state: Any
) -> None:
    """The firmware refuses at once instead of waiting: the driver leaves it a moment."""
    if Capability.REAL_TIME in dut.capabilities:
        pytest.skip("in real time a refusal takes as long as the driver is to wait")
    defer(dut.run, [*stamping(dut, remote, 0), "--filter", PTP_V2])
    refuse = refusing("PORT_TS_QUERY", BUSY, times=REFUSALS)
    before = card_state()["card"]["hwrm_requests"]
    with faults.inject(refuse):
        running = dut.start([*stamping(dut, remote, 20), "--filter", PTP_V2])
        pause(dut, REFUSED_S)
    running.kill()
    asked = card_state()["card"]["hwrm_requests"] - before
    assert asked < REFUSALS, "a timestamp is asked for as fast as the firmware answers"


@pytest.mark.needs(Capability.FAULTS, Capability.SANITIZERS, Capability.LINK_CYCLE)
@pytest.mark.finding("tx-timestamps-kept")
def test_timestamps_that_are_waited_for_are_let_go(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer
) -> None:
    """The interface closes while packets wait for their timestamps: the driver knows nothing of
    them any more, also when their places are taken by packets whose completions are lost."""
    defer(dut.run, [*stamping(dut, remote, 0), "--filter", PTP_V2])
    words = [*stamping(dut, remote, 20), "--filter", PTP_V2]
    silent = {
        "where": "hwrm.answer", "when": {"match": {"cmd": "PORT_TS_QUERY"}}, "times": 0,
        "what": {"action": "drop"},
    }  # fmt: skip
    lost = {
        "where": "cqe.write", "when": {"match": {"type": "TX_L2"}}, "times": 0,
        "what": {"action": "drop"},
    }  # fmt: skip
    with faults.inject(silent):
        first = dut.start(words)
        defer(first.kill)
        pause(dut, TWO_SENT_S)
        set_link(dut, "down")
        first.kill()
        set_link(dut, "up")
    second = dut.start(words)
    defer(second.kill)
    pause(dut, TWO_SENT_S)
    with faults.inject(lost):
        pause(dut, AUX_WORK_S)
        second.kill()
        set_link(dut, "down")
    set_link(dut, "up")
    await_carrier(dut, up=True)
    look_for_leaks(dut)


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("refused-filter-ends-timestamps")
@pytest.mark.expect_complaint("hwrm req_type 0x21 ", "configure HW packet timestamp filters$")
def test_a_filter_that_is_refused_changes_nothing(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer
) -> None:
    """Whoever had asked for timestamps of all packets goes on having them."""
    defer(dut.run, [*stamping(dut, remote, 0), "--filter", PTP_V2])
    limit_s = int(TOLERANCE_S * dut.patience)
    asked = dut.start([*stamping(dut, remote, limit_s), "--filter", ALL])
    defer(asked.kill)
    pause(dut, 0.5)
    refuse = refusing("PORT_MAC_CFG")
    with faults.inject(refuse):
        words = ["tcpdump", "-j", "adapter_unsynced", "-c", "1", "-i", dut.netdev, "udp port 9"]
        assert dut.run(words, check=False).returncode, "nobody has refused it"
    mirror = remote.start(MIRROR)
    defer(mirror.kill)
    said = json.loads(asked.wait(limit_s + SLACK_S).check().text)
    assert said["sent_ns"], "sent messages have no timestamps any more"
    assert said["received_ns"], "received packets have no timestamps any more"


def test_it_is_set_and_stepped(dut: Dut, defer: Defer) -> None:
    """Also beyond the 48 bits that its registers show."""
    defer(put_right, dut)
    for time_ns in (YEAR_2001, YEAR_2001 + (1 << 49)):
        ask_clock(dut, "set", str(time_ns))
        assert time_ns < now(dut) < time_ns + SLOW
    ask_clock(dut, "step", str(-(1 << 49)))
    assert YEAR_2001 < now(dut) < YEAR_2001 + SLOW
    ask_clock(dut, "step", str(1000 * SECOND))
    assert YEAR_2001 + 1000 * SECOND < now(dut) < YEAR_2001 + 1000 * SECOND + SLOW


def test_its_frequency_is_adjusted(dut: Dut, defer: Defer) -> None:
    """The most that it can be, and no more; it goes on running."""
    defer(put_right, dut)
    before = now(dut)
    for ppb in ("31000000", "-31000000"):
        ask_clock(dut, "frequency", ppb)
    assert before < now(dut) < before + SLOW
    refused = dut.run([program("phc"), clock_of(dut), "frequency", "31100000"], check=False)
    assert "ERANGE" in refused.error_text


def test_its_seconds_are_told(dut: Dut, defer: Defer) -> None:
    """PPS: the kernel has an event for each second of the clock."""
    defer(ask_clock, dut, "pps", "0")
    ask_clock(dut, "pps", "1")
    pause(dut, 2.5)
    sources = dut.run(["sh", "-c", "cat /sys/class/pps/pps*/assert"]).text.split()
    times = [float(source.partition("#")[0]) for source in sources]
    assert any(time > 0 and abs(time - round(time)) < 1e-6 for time in times)


@pytest.mark.needs(Capability.FAULTS)
def test_a_pulse_from_outside_has_a_time(dut: Dut, faults: Faults, defer: Defer) -> None:
    """An edge at an input pin is an event with the time of the clock."""
    defer(ask_clock, dut, "release", str(EXTERNAL_PIN))
    before = now(dut)
    wait_ms = str(int(TOLERANCE_S * 1000 * dut.patience))
    words = ["edges", str(EXTERNAL_PIN), "1", wait_ms]
    waiting = dut.start([program("phc"), clock_of(dut), *words])
    pulse = {"action": "card", "do": "pulse", "params": {"pin": EXTERNAL_PIN}}
    while waiting.poll() is None:
        with faults.inject({"where": "now", "what": pulse}):
            pause(dut, 0.2)
    (edge,) = json.loads(waiting.wait().check().text)["edges"]
    assert before < edge < now(dut)


@pytest.mark.needs(Capability.CARD_STATE)
def test_a_pin_sends_pulses(dut: Dut, defer: Defer, card_state: Any) -> None:
    """One a second, as long as it is an output."""
    defer(ask_clock, dut, "release", str(OUTPUT_PIN))
    before = card_state()["card"]["pps_pulses_sent"]
    ask_clock(dut, "output", str(OUTPUT_PIN), "1000")
    pause(dut, 3.0)
    assert card_state()["card"]["pps_pulses_sent"] > before


@pytest.mark.needs(Capability.CARD_STATE, Capability.DEVICE_RESET)
@pytest.mark.finding("pps-output-ends-in-reset")
def test_a_pin_sends_pulses_behind_a_reset_of_the_firmware(
    dut: Dut, defer: Defer, card_state: Any
) -> None:
    """The driver sets its pins again, and what they send."""
    defer(ask_clock, dut, "release", str(OUTPUT_PIN))
    ask_clock(dut, "output", str(OUTPUT_PIN), "1000")
    activate_firmware(dut)
    before = card_state()["card"]["pps_pulses_sent"]
    pause(dut, 3.0)
    sent = card_state()["card"]["pps_pulses_sent"] - before
    assert sent, "the pin is an output, and sends no pulses any more"


@pytest.mark.needs(Capability.CARD_STATE)
@pytest.mark.finding("perout-period-ignored")
def test_a_pin_sends_pulses_as_often_as_asked(dut: Dut, defer: Defer, card_state: Any) -> None:
    """Or the driver refuses."""
    defer(ask_clock, dut, "release", str(OUTPUT_PIN))
    words = ["output", str(OUTPUT_PIN), str(int(PERIOD_S * 1000))]
    asked = dut.run([program("phc"), clock_of(dut), *words], check=False)
    before = card_state()["card"]["pps_pulses_sent"]
    pause(dut, 2.5 * PERIOD_S)
    sent = card_state()["card"]["pps_pulses_sent"] - before
    refused = asked.returncode and "PTP_PEROUT_REQUEST2" in asked.error_text
    assert refused or not asked.returncode, asked.error_text
    assert refused or sent <= 3, f"{sent} pulses are sent where three are the most"
