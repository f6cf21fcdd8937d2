# SPDX-License-Identifier: GPL-2.0-only
"""UDP that is handed over as one large message and goes out in segments (UDP_SEGMENT)."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.dut.defer import Defer
from testbed.dut.nic import ethtool_json, set_feature
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.streams import START_GRACE_S, timeout_words

FEATURE = "tx-udp-segmentation"
LEAST_RING = 420
"""Entries of a transmit ring with which bnxt_en offers it where the card cannot, twice
BNXT_SW_USO_MAX_DESCS. While the feature is on, smaller rings are refused."""
MESSAGES = 64


@dataclass(frozen=True)
class Segments:
    """What both ends say of the same messages.

    :ivar sent: segments, and their bytes; ``received``: the same. Any of them may be lost.
    :ivar refused: messages that the sender's kernel did not take.
    :ivar kept: messages sent from the program's own pages (MSG_ZEROCOPY) that did not come back.
    :ivar wrong: received segments with bytes that nobody sent.
    """

    sent: tuple[int, int]
    received: tuple[int, int]
    refused: int
    kept: int
    wrong: int


def leave_to_kernel(dut: Dut, defer: Defer) -> bool:
    """Have the kernel cut, so that the driver takes small rings; whether the driver did until now.
    Raises GuestCommandFailed."""
    if not ethtool_json(dut, "-k")[FEATURE]["active"]:
        return False
    set_feature(dut, FEATURE, "off", defer)
    return True


def send_segments(
    sender: Endpoint, receiver: Endpoint, *, port: int, messages: int = MESSAGES, seed: int = 1,
    ipv6: bool = False, timeout_s: float = 60.0,
) -> Segments:  # fmt: skip
    """Messages of up to 64 segments, of sizes that ``seed`` draws.

    Raises GuestCommandFailed, GuestTimeout.
    """
    to = [receiver.ipv6 if ipv6 else receiver.ipv4, str(port), "--seed", str(seed)]
    to += timeout_words(sender, timeout_s)
    reader = receiver.start([program("udp_segments"), "receive", *to])
    argv = [program("udp_segments"), "send", *to, "--messages", str(messages)]
    try:
        sent = result_of(sender.run(argv, timeout_s=timeout_s + START_GRACE_S))
        came = result_of(reader.wait(timeout_s + START_GRACE_S))
    finally:
        if reader.poll() is None:
            reader.kill()
    return Segments(
        sent=(sent["segments"], sent["bytes"]), received=(came["segments"], came["bytes"]),
        refused=sent["refused"], kept=sent["kept"], wrong=came["wrong"],
    )  # fmt: skip
