# SPDX-License-Identifier: GPL-2.0-only
"""The capture of the wire agrees, packet for packet, with every counter the kernel has."""

from __future__ import annotations

import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

from testbed.dut.counters import delta, ethtool_statistics, settled_state
from testbed.dut.defer import DeferStack
from testbed.dut.nic import link, set_channels
from testbed.engines.session import Session
from testbed.options import Peer

ENHANCED_PACKET_BLOCK = 6
EPB_FLAGS = 2
INBOUND, OUTBOUND = 1, 2
SECONDS = 4
QUIET_TRIES = 10
FLOWS = 8
SAVED = 500
"""Packets that came in trains, at least: four seconds carry thousands of frames."""


def frames_in(capture: Path) -> Counter[int]:
    """Frames of a pcapng file by direction (draft-ietf-opsawg-pcapng, ``epb_flags``)."""
    data = memoryview(capture.read_bytes())
    counts: Counter[int] = Counter()
    position = 0
    while position + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, position)
        if kind == ENHANCED_PACKET_BLOCK:
            (captured,) = struct.unpack_from("<I", data, position + 20)
            options = position + 28 + (captured + 3 & ~3)
            code, size = struct.unpack_from("<HH", data, options)
            assert (code, size) == (EPB_FLAGS, 4)
            counts[struct.unpack_from("<I", data, options + 4)[0] & 3] += 1
        position += length
    assert position == len(data), "the file ends within a block"
    return counts


def everything_counted(session: Session) -> dict[str, int]:
    """Frames each way by each counter there is, all at a moment when none passed."""
    for _ in range(QUIET_TRIES):
        before = session.card.state()["wire"]
        counted = count_once(session)
        if session.card.state()["wire"] == before:
            return counted
    raise AssertionError(f"the wire was never quiet in {QUIET_TRIES} tries")


def count_once(session: Session) -> dict[str, int]:
    """Frames each way by each counter there is, one after the other."""
    queues = settled_state(session.dut)
    rings = ethtool_statistics(session.dut)
    local, far = link(session.dut)["stats64"], link(session.remote)["stats64"]
    wire = session.card.state()["wire"]  # also brings the capture to its file
    capture = frames_in(session.card.pcap_path)

    def per_ring(way: str) -> int:
        kinds = [f"{way}_{cast}_packets" for cast in ("ucast", "mcast", "bcast")]
        return sum(n for name, n in rings.items() if name.startswith("[") and name[5:] in kinds)

    return {
        "rx capture": capture[INBOUND], "rx wire": wire["rx_frames"], "rx rings": per_ring("rx"),
        "rx queues": queues.total("rx_packets"), "rx netdev": local["rx"]["packets"],
        "rx remote": far["tx"]["packets"],
        "tx capture": capture[OUTBOUND], "tx wire": wire["tx_frames"], "tx rings": per_ring("tx"),
        "tx queues": queues.total("tx_packets"), "tx netdev": local["tx"]["packets"],
        "tx remote": far["rx"]["packets"],
    }  # fmt: skip


def exchange(session: Session) -> dict[str, Any]:
    """iperf3 both ways over eight flows."""
    server = session.dut.start(["iperf3", "-s", "-1"])
    wait = "until ss -Hltn sport = :5201 | grep -q .; do sleep 0.05; done"
    session.dut.run(["sh", "-c", wait], timeout_s=20)
    client = ["iperf3", "-c", session.dut.ipv4, "-J", "-t", str(SECONDS), "-P", str(FLOWS)]
    done = session.remote.run([*client, "--bidir", "-b", "20M"], timeout_s=SECONDS + 60)
    server.wait(20)
    answer: dict[str, Any] = json.loads(done.text)
    return answer


def grown_by_traffic(session: Session) -> dict[str, int]:
    """How much each counter grew over an exchange."""
    set_channels(session.dut, FLOWS, DeferStack())
    before = everything_counted(session)
    assert "error" not in exchange(session)
    return delta(everything_counted(session), before)


def test_capture_and_counters_agree(open_session: Any) -> None:
    with open_session(memory_mib=1024, peer=Peer.STREAM) as session:
        grown = grown_by_traffic(session)
    for way in ("rx", "tx"):
        counts = {name: n for name, n in grown.items() if name.startswith(way)}
        assert len(set(counts.values())) == 1, grown
        assert counts[f"{way} capture"] > 1000


def test_they_agree_where_packets_pass_whole(open_session: Any) -> None:
    """All count frames, though the peer has given and been given fewer packets than that."""
    with open_session(memory_mib=1024) as session:
        grown = grown_by_traffic(session)
    for way in ("rx", "tx"):
        counts = {name: n for name, n in grown.items() if name.startswith(way)}
        packets = counts.pop(f"{way} remote")
        assert len(set(counts.values())) == 1, grown
        # how long trains are is a matter of the host's load; that there are some is not
        assert counts[f"{way} capture"] > packets + SAVED, grown
