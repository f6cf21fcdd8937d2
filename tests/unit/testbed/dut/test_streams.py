# SPDX-License-Identifier: GPL-2.0-only
"""Streams against endpoints that play both ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from testbed.dut.mismatch import stream_bytes
from testbed.dut.protocols import Completed
from testbed.dut.streams import STREAM_TIMEOUT_S, Traffic, receive_by_zcrx
from testbed.errors import GuestCommandFailed, GuestTimeout

FLOW = {"port": 40000, "bytes": 64, "sha256": "ab"}
ZCRX = {
    "seconds": 1.0, "flows": [FLOW], "copy_bytes": 0, "outstanding": 0, "left_in_refill_ring": 0,
    "completions": 3, "rx_buf_len": 4096, "alloc_failed": False,
}  # fmt: skip
SENT = {"seconds": 1.0, "seed": 1, "flows": [FLOW]}


def completed(argv: Sequence[str], code: int = 0, out: object = "", err: str = "") -> Completed:
    text = out if isinstance(out, str) else json.dumps(out)
    return Completed(tuple(argv), code, text.encode(), err.encode(), 0.1)


class Process:
    """A background command whose end is known beforehand."""

    pid = 17

    def __init__(self, end: Completed, killed: Completed | None = None) -> None:
        self.end = end
        self.killed = killed or end
        self.was_killed = False

    def poll(self) -> int | None:
        return self.end.returncode

    def wait(self, timeout_s: float | None = None) -> Completed:
        return self.end

    def kill(self) -> Completed:
        self.was_killed = True
        return self.killed


class End:
    """An endpoint that answers each program with what the test says."""

    netdev, ipv4, ipv6, driver = "nut0", "192.0.2.1", "2001:db8::1", "bnxt_en"
    capabilities: frozenset[Any] = frozenset()
    patience = 2.0

    def __init__(self, answers: dict[str, Completed | Exception]) -> None:
        self.answers = answers
        self.commands: list[tuple[str, ...]] = []
        self.started: list[Process] = []

    def _answer(self, argv: Sequence[str]) -> Completed:
        self.commands.append(tuple(argv))
        answer = self.answers[argv[0].rsplit("/", 1)[-1]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, argv: Sequence[str], *, check: bool = True, **_: Any) -> Completed:
        answer = self._answer(argv)
        return answer.check() if check else answer

    def start(self, argv: Sequence[str], **_: Any) -> Process:
        process = Process(self._answer(argv))
        self.started.append(process)
        return process

    def put(self, source: object, target: str, *, mode: int = 0o644) -> None:
        raise AssertionError("not used")

    def get(self, source: str) -> bytes:
        raise AssertionError("not used")


def receive(dut: End, remote: End) -> Any:
    return receive_by_zcrx(dut, remote, queue=3, port=5000, total_bytes=64)


def test_equal_stream() -> None:
    stream = receive(
        End({"zcrx_rx": completed(["zcrx_rx"], out=ZCRX)}),
        End({"stream_tx": completed(["stream_tx"], out=SENT)}),
    )
    assert stream.is_equal
    assert stream.every_buffer_returned
    assert (stream.bytes, stream.copied_bytes, stream.difference()) == (64, 0, "")


def test_both_programs_get_the_patience_of_their_end() -> None:
    dut = End({"zcrx_rx": completed(["zcrx_rx"], out=ZCRX)})
    remote = End({"stream_tx": completed(["stream_tx"], out=SENT)})
    receive(dut, remote)
    for (words,) in (dut.commands, remote.commands):
        assert words[words.index("--timeout") + 1] == f"{STREAM_TIMEOUT_S * End.patience:.0f}"


@pytest.mark.parametrize(
    ("received", "output"),
    [
        ([{**FLOW, "sha256": "cd"}], "sent 64 bytes ab, received 64 bytes cd"),
        ([{**FLOW, "bytes": 63}], "received 63 bytes"),
        ([], "port 40000: not received"),
    ],
)
def test_differing_stream_is_described(received: list[Any], output: str) -> None:
    stream = receive(
        End({"zcrx_rx": completed(["zcrx_rx"], out={**ZCRX, "flows": received})}),
        End({"stream_tx": completed(["stream_tx"], out=SENT)}),
    )
    assert not stream.is_equal
    assert output in stream.difference()


def test_difference_is_found_in_the_stream_of_the_seed() -> None:
    other = {**FLOW, "port": 40001, "sha256": "ef"}
    first = {"offset": 8, "bytes": 8, "received": stream_bytes(1, 1, 64)[:8].hex()}
    bad = {**other, "sha256": "cd", "differs": {"flow": 1, "count": 1, "first": [first]}}
    dut = End({"zcrx_rx": completed(["zcrx_rx"], out={**ZCRX, "flows": [FLOW, bad]})})
    remote = End({"stream_tx": completed(["stream_tx"], out={**SENT, "flows": [FLOW, other]})})
    said = receive(dut, remote).difference()
    assert said.startswith("port 40001: sent 64 bytes ef, received 64 bytes cd, ")
    assert said.endswith("bytes 8..15 are those expected at 0: an older buffer (8 bytes back)")
    for (words,) in (dut.commands, remote.commands):
        assert words[words.index("--seed") + 1] == "1"


def test_receiver_that_cannot_bind_is_the_reason() -> None:
    refused = completed(["zcrx_rx"], 3, err="zcrx_rx: queue 3 of nut0 cannot be bound: EINVAL")
    alone = completed(["stream_tx"], 1, err="stream_tx: connect: ECONNREFUSED")
    with pytest.raises(GuestCommandFailed, match="cannot be bound: EINVAL"):
        receive(End({"zcrx_rx": refused}), End({"stream_tx": alone}))


def test_receiver_is_killed_when_the_sender_hangs() -> None:
    dut = End({"zcrx_rx": completed(["zcrx_rx"], out=ZCRX)})
    with pytest.raises(GuestTimeout):
        receive(dut, End({"stream_tx": GuestTimeout("stream_tx did not end")}))
    assert dut.started[0].was_killed


def test_traffic_left_early_kills_both_ends() -> None:
    dut = End({"stream_rx": completed(["stream_rx"], out=SENT)})
    remote = End({"stream_tx": completed(["stream_tx"], out=SENT)})
    with pytest.raises(ZeroDivisionError), Traffic(dut, remote, port=1, flows=1):
        _ = 1 // 0
    assert dut.started[0].was_killed
    assert remote.started[0].was_killed


def test_traffic_stops_on_request() -> None:
    dut = End({"stream_rx": completed(["stream_rx"], out=SENT)})
    remote = End({"stream_tx": completed(["stream_tx"], out=SENT), "kill": completed(["kill"])})
    with Traffic(dut, remote, port=1, flows=1) as traffic:
        assert traffic.stop().is_equal
    assert remote.commands[-1] == ("kill", "-s", "TERM", "17")
    assert not dut.started[0].was_killed
