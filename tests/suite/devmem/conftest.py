# SPDX-License-Identifier: GPL-2.0-only
"""The set-up for device memory TCP: a queue, and a console at either end."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.devmem import Console, DevmemSetup
from testbed.dut.driver import reload_driver
from testbed.dut.nic import dedicate_queue
from testbed.dut.protocols import Dut, Endpoint

PORT, PASSING_PORT = 5800, 5810


@pytest.fixture
def bench(request: pytest.FixtureRequest, dut: Dut, remote: Endpoint, defer: Defer) -> DevmemSetup:
    """A queue with header split and nothing bound yet; afterwards nothing is left bound.

    Its parameter is the IP version, 4 if a test gives none.
    """
    version: int = getattr(request, "param", 4)
    where = dedicate_queue(dut, remote, defer, port=PORT, ip_version=version)
    console = Console(dut, "devmem")
    defer(console.kill)
    sender = Console(remote, "sender")
    defer(sender.kill)
    return DevmemSetup(dut, remote, defer, where, console, sender)


@pytest.fixture
def passing_bench(dut: Dut, remote: Endpoint, defer: Defer) -> DevmemSetup:
    """The same, whose settings need not survive the test: the driver is reloaded after it."""
    steps: list[object] = []

    def forget(*_: object, **__: object) -> None:
        steps.append(None)

    defer(remote.run, ["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])
    defer(reload_driver, dut)
    where = dedicate_queue(dut, remote, forget, port=PASSING_PORT)
    console, sender = Console(dut, "passing"), Console(remote, "passing-sender")
    defer(console.kill)
    defer(sender.kill)
    return DevmemSetup(dut, remote, forget, where, console, sender)
