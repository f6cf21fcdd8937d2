# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive and send together: a stream goes through the device under test and back."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.dut.nic import ZcrxQueue
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.streams import MIB, START_GRACE_S, local_address, timeout_words

BACK_PORT = 5950


@dataclass(frozen=True)
class Echo:
    """A stream that was received by zcrx and sent on by SEND_ZC, as three programs saw it.

    ``digests``: (bytes, SHA-256) at the sender, in the receiving area, at the last receiver.
    ``copied_bytes`` is ``struct zcrx_stats.copy_bytes`` (None: this kernel has none).
    """

    digests: tuple[tuple[int, str], ...]
    bundles: int
    entries: int
    copied_bytes: int | None
    outstanding: int
    left_in_refill_ring: int | None
    seconds: float


def echo(
    dut: Dut,
    remote: Endpoint,
    where: ZcrxQueue,
    *,
    total_bytes: int,
    area_bytes: int = 16 * MIB,
    budget_bytes: int = 2 * MIB,
    timeout_s: float = 300.0,
) -> Echo:
    """Send ``total_bytes`` from the remote end through ``where`` and back to it.

    Raises GuestCommandFailed, GuestTimeout.
    """
    wait = timeout_words(dut, timeout_s)
    last = remote.start([program("stream_rx"), remote.ipv4, str(BACK_PORT), *wait])
    through = dut.start(
        [
            program("sendzc_echo"), dut.netdev, str(where.queue),
            local_address(dut, where.ip_version), str(where.port), remote.ipv4, str(BACK_PORT),
            "--area", str(area_bytes), "--budget", str(budget_bytes), *wait,
        ]
    )  # fmt: skip
    sender = [
        program("stream_tx"), local_address(dut, where.ip_version), str(where.port),
        "--bytes", str(total_bytes), *wait,
    ]  # fmt: skip
    try:
        sent = remote.run(sender, check=False, timeout_s=timeout_s + START_GRACE_S)
        if sent.returncode:  # why, the end in the middle knows best
            through.kill().check()
            sent.check()
        middle, end = result_of(through.wait(timeout_s)), result_of(last.wait(timeout_s))
    finally:
        for program_there in (through, last):
            if program_there.poll() is None:
                program_there.kill()
    first = result_of(sent)
    (out,), (back,) = first["flows"], end["flows"]
    return Echo(
        digests=(
            (out["bytes"], out["sha256"]),
            (middle["received"], middle["sha256"]),
            (back["bytes"], back["sha256"]),
        ),
        bundles=middle["bundles"],
        entries=middle["entries"],
        copied_bytes=middle["copy_bytes"],
        outstanding=middle["outstanding"],
        left_in_refill_ring=middle["left_in_refill_ring"],
        seconds=middle["seconds"],
    )
