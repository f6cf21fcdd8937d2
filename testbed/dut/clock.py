# SPDX-License-Identifier: GPL-2.0-only
"""The NIC's PTP hardware clock, by the kernel's own interfaces."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint

SECOND = 1_000_000_000
ALL, PTP_V2 = "1", "12"
"""HWTSTAMP_FILTER_*."""
MIRROR = ("socat", "-T", "60", "UDP4-RECVFROM:319,fork", "PIPE")
"""What sends PTP messages back, on the other side."""


@dataclass(frozen=True)
class Stamps:
    """When the NIC sent a message and when it was back, in ns of its clock; 0 without a timestamp
    in time."""

    sent: int
    received: int


def clock_of(dut: Dut) -> str:
    """Its device node. Raises GuestCommandFailed without one."""
    return f"/dev/{dut.run(['ls', f'/sys/class/net/{dut.netdev}/device/ptp']).text}"


def ask_clock(dut: Dut, *words: str) -> int:
    """The time, in ns, once ``phc`` has done that with it. Raises GuestCommandFailed."""
    return int(result_of(dut.run([program("phc"), clock_of(dut), *words]))["time"])


def now(dut: Dut) -> int:
    """What it shows, in ns."""
    return ask_clock(dut, "get")


def put_right(dut: Dut) -> None:
    """The clock shows what the system's shows, at its own pace."""
    ask_clock(dut, "frequency", "0")
    ask_clock(dut, "set", dut.run(["date", "+%s%N"]).text)


def echo(dut: Dut, remote: Endpoint, filter_number: str, limit_s: int) -> Stamps:
    """The timestamps of a PTP message that the remote endpoint sent back, within ``limit_s``.

    Raises GuestCommandFailed.
    """
    mirror = remote.start(MIRROR)
    words = [*stamping(dut, remote, limit_s), "--filter", filter_number]
    try:
        said = result_of(dut.run(words, timeout_s=limit_s + 60))
    finally:
        mirror.kill()
    return Stamps(int(said["sent_ns"]), int(said["received_ns"]))


def stamping(dut: Dut, remote: Endpoint, limit_s: int) -> list[str]:
    """The words of a program that sends PTP messages for so long, or until one has both timestamps;
    the NIC stamps frames while it runs, and after it if it is killed."""
    return [program("ptp_echo"), dut.netdev, remote.ipv4, "--timeout", str(limit_s)]
