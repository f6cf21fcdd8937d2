# SPDX-License-Identifier: GPL-2.0-only
"""tshark reads every frame in the capture of a run, and finds none that is malformed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.driver.test_wire_truth import frames_in

Tshark = Callable[..., list[str]]
LAYERS = ("frame", "eth", "ethertype", "arp", "ip", "ipv6", "icmp", "icmpv6", "tcp", "udp")
ONLY_LAYERS = (
    "--disable-all-protocols",
    *(word for layer in LAYERS for word in ("--enable-protocol", layer)),
)
"""No further ones: by port numbers tshark takes payload for what it is not."""


def test_every_frame_of_a_run_is_read(tshark: Tshark, main_job: Path) -> None:
    (capture,) = main_job.rglob("wire.pcapng")
    told = ("-T", "fields", "-e", "frame.protocols", "-e", "_ws.malformed")
    frames = [line.split("\t") for line in tshark(capture, *ONLY_LAYERS, *told)]
    assert len(frames) == frames_in(capture).total()
    assert {bad for _, bad in frames} == {""}
    kinds = {protocols.removesuffix(":data") for protocols, _ in frames}
    assert {"eth:ethertype:ip:tcp", "eth:ethertype:arp", "eth:ethertype:ip:icmp"} <= kinds


def test_comments_say_where_frames_go(tshark: Tshark, main_job: Path) -> None:
    (capture,) = main_job.rglob("wire.pcapng")
    comments = tshark(capture, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment")
    kinds = {re.split(r"[ 0-9]*: ", one)[0] for one in comments}
    assert kinds == {"queue", "dropped"}
