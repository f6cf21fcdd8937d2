# SPDX-License-Identifier: GPL-2.0-only
"""An XDP program in the driver that sends frames of one ethertype back, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from testbed.dut.nic import link
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint
from testbed.errors import GuestCommandFailed

FRAME_BYTES = 64
_ATTEMPTS = 20


@dataclass(frozen=True)
class Reflections:
    """Frames that came back, ``whole`` or with fewer bytes than they had."""

    whole: int
    short: int


def reflections(
    dut: Dut, remote: Endpoint, count: int, *, frame_bytes: int = FRAME_BYTES
) -> Reflections:
    """What comes back of ``count`` frames sent at once, of ``frame_bytes`` each without its FCS."""
    words = [remote.netdev, str(link(dut)["address"]), str(count), "--wait", "1000"]
    words += ["--bytes", str(frame_bytes)]
    back = result_of(remote.run([program("frame_burst"), *words]))
    return Reflections(int(back["returned"]), int(back["short"]))


def reflected(dut: Dut, remote: Endpoint, count: int, *, frame_bytes: int = FRAME_BYTES) -> int:
    """How many of them come back whole."""
    return reflections(dut, remote, count, frame_bytes=frame_bytes).whole


@contextmanager
def reflecting(
    dut: Dut, remote: Endpoint, *, frags: bool = False, redirected: bool = False
) -> Iterator[None]:
    """Such frames go back where they came from, others pass; the driver reopens for it.

    ``frags``: of several buffers, too, for an MTU beyond that of a page. ``redirected``: by
    XDP_REDIRECT to the NIC itself (ndo_xdp_xmit()) instead of XDP_TX.
    Raises GuestCommandFailed if none comes back.
    """
    words = ["--frags"] * frags + ["--transmit"] * redirected
    running = dut.start([program("xdp_reflect"), dut.netdev, *words])
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


@contextmanager
def redirecting(dut: Dut) -> Iterator[None]:
    """Such frames, of several buffers, too, are redirected to an interface that is not there.

    Raises GuestCommandFailed if the program is not attached.
    """
    with _attached(dut, "--frags", "--redirect"):
        yield


@contextmanager
def cutting(dut: Dut, kept: int) -> Iterator[None]:
    """Frames of more than 200 bytes are passed as if they had ended after ``kept``.

    Raises GuestCommandFailed if the program is not attached.
    """
    with _attached(dut, "--cut", str(kept)):
        yield


@contextmanager
def _attached(dut: Dut, *words: str) -> Iterator[None]:
    running = dut.start([program("xdp_reflect"), dut.netdev, *words])
    try:
        for _ in range(_ATTEMPTS):
            if link(dut).get("xdp"):
                break
            pause(dut, 0.1)
        else:
            running.kill().check()
            raise GuestCommandFailed("the XDP program was not attached")
        yield
    finally:
        running.kill()
