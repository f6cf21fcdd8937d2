# SPDX-License-Identifier: GPL-2.0-only
"""An XDP program in the driver that sends frames of one ethertype back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.dut.nic import link
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint
from testbed.errors import GuestCommandFailed

_ATTEMPTS = 20


def reflected(dut: Dut, remote: Endpoint, count: int) -> int:
    """Frames that came back of ``count`` sent at once."""
    words = [remote.netdev, str(link(dut)["address"]), str(count), "--wait", "1000"]
    return int(result_of(remote.run([program("frame_burst"), *words]))["returned"])


@contextmanager
def reflecting(dut: Dut, remote: Endpoint) -> Iterator[None]:
    """Such frames go back where they came from, others pass; the driver reopens for it.

    Raises GuestCommandFailed if none comes back.
    """
    running = dut.start([program("xdp_reflect"), dut.netdev])
    try:
        for _ in range(_ATTEMPTS):
            if reflected(dut, remote, 1):
                break
            pause(dut, 0.1)
        else:
            running.kill().check()
            raise GuestCommandFailed("no frame came back from the XDP program")
        yield
    finally:
        running.kill()
