# SPDX-License-Identifier: GPL-2.0-only
"""The card or its firmware is reset while a memory provider receives: by zcrx, and by devmem."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.devmem import Console, DevmemSetup, sent_by
from testbed.dut.driver import pci_address, reload_driver, reset_function
from testbed.dut.faults import Faults
from testbed.dut.nic import dedicate_queue, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import ENDLESS, MIB
from testbed.dut.zcrx_queue import bound_queue

pytestmark = pytest.mark.needs(
    Capability.FAULTS, Capability.DEVICE_RESET, Capability.DRIVER_RELOAD, Capability.HEADER_SPLIT
)

PORT = 5870
PACE = 10_000_000  # without pauses simulated time would stand still, and with it whoever sleeps
PART = MIB // 2
RECOVERY_S = 60.0

Flow = Callable[[], None]
"""Takes the next part of the stream, each byte of which is compared."""


@contextmanager
def by_zcrx(dut: Dut, remote: Endpoint, defer: Defer) -> Iterator[tuple[Flow, Flow]]:
    """A stream into an area of io_uring; how its next part is taken, and its end."""
    with (
        bound_queue(dut, remote, defer, PORT) as bound,
        bound.stream(ENDLESS, pace=PACE) as sender,
    ):
        bound.zcrx.receive(1)

        def part() -> None:
            got = bound.zcrx.collect(bytes=PART, timeout=int(RECOVERY_S * 1000))
            assert got.complete

        def end() -> None:
            sender.stop()
            assert bound.zcrx.collect(ends=1).complete
            seen = bound.zcrx.digest(1)
            sent = sender.sent()
            assert (sent.bytes, sent.sha256) == seen

        yield part, end


@contextmanager
def by_devmem(dut: Dut, remote: Endpoint, defer: Defer) -> Iterator[tuple[Flow, Flow]]:
    """A stream into a dmabuf; how its next part is taken, and its end."""
    where = dedicate_queue(dut, remote, defer, port=PORT)
    console, other = Console(dut, "reset"), Console(remote, "reset-sender")
    bench = DevmemSetup(dut, remote, defer, where, console, other)
    try:
        bench.bind()
        sender = bench.start_sending(ENDLESS, pace=PACE)

        def part() -> None:
            assert bench.drain(PART)["linear"] == 0

        def end() -> None:
            remote.run(["kill", "-s", "TERM", str(sender.pid)])
            received = bench.drain(0)
            bench.console.do("close flow")
            sent = sent_by(sender)
            assert (received["stream_bytes"], received["sha256"]) == (sent["bytes"], sent["sha256"])

        yield part, end
    finally:
        console.kill()
        other.kill()


ZCRX = pytest.param(by_zcrx, id="zcrx", marks=pytest.mark.needs(Capability.ZCRX))
DEVMEM = pytest.param(by_devmem, id="devmem", marks=pytest.mark.needs(Capability.DEVMEM))
DEVMEM_UNBOUND = pytest.param(
    by_devmem, id="devmem",
    marks=[pytest.mark.needs(Capability.DEVMEM), pytest.mark.finding("devmem-mapped-after-unbind")],
)  # fmt: skip


def health(dut: Dut) -> tuple[str, int]:
    """Status of the firmware, and how often it has been reset; -1 while that is not told."""
    words = ["devlink", "health", "diagnose", f"pci/{pci_address(dut)}", "reporter", "fw"]
    said = dut.run(words).text
    status, resets = re.search(r"Status: (\w+)", said), re.search(r"Resets: (\d+)", said)
    return status[1] if status else "", int(resets[1]) if resets else -1


def links(dut: Dut) -> int:
    """How often the interface has had a carrier."""
    return int(dut.run(["cat", f"/sys/class/net/{dut.netdev}/carrier_up_count"]).text)


def await_reset(dut: Dut, before: tuple[int, int]) -> None:
    """Wait until the firmware has been reset once and the driver has done with that.

    Until the interface is up again the firmware is not asked how it does: if it is ill and its
    driver has not heard of that, the question has no end (``health-diagnose-deadlock``).
    """
    ups, resets = before
    said = ("not asked", -1)
    deadline = time.monotonic() + RECOVERY_S * dut.patience
    while said != ("healthy", resets + 1):
        if time.monotonic() > deadline:
            pytest.fail(f"the firmware is not back after {RECOVERY_S:.0f} s: {said}")
        pause(dut, 0.5)
        if links(dut) != ups:
            said = health(dut)


def tell(data1: int, data2: int = 0) -> dict[str, Any]:
    """The firmware announces its reset (RESET_NOTIFY)."""
    params = {"event_id": 0x8, "data1": data1, "data2": data2}
    return {"where": "now", "what": {"action": "card", "do": "async_event", "params": params}}


RESTART = {"what": {"action": "card", "do": "fw_restart"}}
DIED = {"where": "now", **RESTART}
"""Its rings are gone before the driver has read that; it rings them once more."""
WHEN_ASKED = {"where": "hwrm.request", "when": {"match": {"cmd": "VER_GET"}}, **RESTART}
"""The driver asks whether the firmware is back."""
FROZEN = [
    {
        "where": "register.read",
        "when": {"match": {"offset": 0x528}},
        "what": {"action": "set", "fields": {"value": 5000}},
        "times": 2,
    },
    {"where": "rx.frame", "what": {"action": "drop"}, "times": 0},
    {
        "where": "dma.write",
        "when": {"match": {"purpose": "stats"}},
        "what": {"action": "drop"},
        "times": 0,
    },
]
"""The heartbeat and all else stand still: the driver resets the firmware (error recovery)."""


@pytest.mark.parametrize("provider", [ZCRX, DEVMEM])
@pytest.mark.parametrize(
    "what",
    [
        pytest.param([tell(0x102), WHEN_ASKED], id="announced"),
        pytest.param([tell(0x302, 0x8001), WHEN_ASKED], id="survived error"),
        pytest.param(
            [tell(0x502), WHEN_ASKED],
            id="activated by another function",
            marks=pytest.mark.finding("remote-reload-unlocked"),
        ),
        pytest.param(
            [tell(0x202, 0x8001), DIED],
            id="fatal error",
            marks=pytest.mark.expect_violation("doorbell_unknown_ring"),
        ),
        pytest.param(FROZEN, id="error recovery"),
    ],
)
def test_firmware_reset(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults, provider: Any, what: list[Any]
) -> None:
    """The binding outlives the reset, and the stream goes on where it was."""
    with provider(dut, remote, defer) as (part, end):
        part()
        bound = netdev_state(dut).providers
        before = links(dut), health(dut)[1]
        with faults.inject(*what):
            await_reset(dut, before)
        assert netdev_state(dut).providers == bound != []
        part()
        end()
    wait_until_free(dut)


@pytest.mark.parametrize("provider", [ZCRX, DEVMEM])
def test_firmware_activated(dut: Dut, remote: Endpoint, defer: Defer, provider: Any) -> None:
    """The administrator has the firmware restarted: the same."""
    with provider(dut, remote, defer) as (part, end):
        part()
        bound = netdev_state(dut).providers
        before = links(dut), health(dut)[1]
        dut.run(["devlink", "dev", "reload", f"pci/{pci_address(dut)}", "action", "fw_activate"])
        await_reset(dut, before)
        assert netdev_state(dut).providers == bound != []
        part()
        end()
    wait_until_free(dut)


@pytest.mark.parametrize("provider", [ZCRX, DEVMEM_UNBOUND])
@pytest.mark.finding("function-reset-unheard")
@pytest.mark.expect_complaint(
    "(?i)hwrm|Resp cmpl|nic open|NETDEV WATCHDOG", of="function-reset-unheard"
)
def test_function_reset(dut: Dut, remote: Endpoint, provider: Any) -> None:
    """The function is reset behind the driver's back (FLR): nothing comes any more.

    The driver bound anew leaves nobody bound to a queue, and carries traffic.
    """
    if Capability.REAL_TIME in dut.capabilities:
        pytest.skip("in real time the close after a function reset takes a quarter of an hour")
    steps: list[object] = []
    with provider(dut, remote, lambda *_, **__: steps.append(None)) as (part, _):
        part()
        reset_function(dut)
        pause(dut, 1.0)
        reload_driver(dut)
        assert netdev_state(dut).providers == []
    wait_until_free(dut)
    remote.run(["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])
    assert ping(remote, dut.ipv4, 2, 0.05, wait_s=3).received
