# SPDX-License-Identifier: GPL-2.0-only
"""What is said of bytes that came instead of others; the receiver's part is in test_programs.py."""

from __future__ import annotations

import pytest

from testbed.dut.mismatch import Differences, Run, describe, stream_bytes

SENT = [65536, 65536, 32768]


def one(offset: int, length: int, received: bytes) -> Differences:
    return Differences(1, (Run(offset, length, received[:64]),))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            one(8192, 4096, stream_bytes(1, 1, 65536)[4096:]),
            "first difference at 8192, 4096 bytes: bytes 8192..12287 are those expected at 4096: "
            "an older buffer (4096 bytes back)",
        ),
        (
            one(10001, 55535, stream_bytes(1, 1, 65536)[12000:]),
            "bytes 10001..65535 are those expected at 12000: 1999 bytes too early",
        ),
        (
            one(0, 4096, stream_bytes(1, 2, 65536)[512:]),
            "bytes 0..4095 are those expected at 512 of flow 2: another flow's buffer",
        ),
        (one(4096, 4096, bytes(64)), "begin with 64 times 0x00: never written, or poison"),
        (one(4096, 9, bytes([0x6B] * 9)), "begin with 9 times 0x6b: never written, or poison"),
        (one(7, 2, b"\x01\x02" + bytes(62)), "bytes 7..8 came as 0102"),
        (
            one(4096, 4096, stream_bytes(2, 1, 64)),
            "bytes 4096..8191 are expected nowhere in the 3 flows of seed 1",
        ),
    ],
)
def test_where_the_bytes_belong(found: Differences, said: str) -> None:
    assert describe(found, 1, 1, SENT).endswith(said)


@pytest.mark.parametrize(
    ("offsets", "count", "said"),
    [
        ((0, 4096, 8192, 12288), 9, "9 such places, one every 4096 bytes: "),
        ((0, 4096, 8193), 3, "3 such places, at 0, 4096, 8193: "),
        ((0, 4096), 2, "2 such places, at 0, 4096: "),
    ],
)
def test_period_is_named_where_there_is_one(
    offsets: tuple[int, ...], count: int, said: str
) -> None:
    runs = tuple(Run(offset, 64, bytes(64)) for offset in offsets)
    assert f"first difference at 0, 64 bytes, {said}" in describe(
        Differences(count, runs), 1, 0, SENT
    )


def test_search_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.dut.mismatch.SEARCHED_BYTES", 8192)
    found = one(0, 4096, stream_bytes(1, 1, 65536)[12000:])
    assert describe(found, 1, 1, SENT).endswith(
        "expected nowhere in the first 8192 bytes of the 3 flows of seed 1"
    )


def test_flow_without_differences_says_nothing() -> None:
    assert Differences.of({"port": 1, "bytes": 64}) is None


def test_a_difference_without_a_place_is_left_to_the_hashes() -> None:
    assert Differences.of({"differs": {"flow": 0, "count": 3, "first": []}}) is None
    assert Differences.of({}) is None
