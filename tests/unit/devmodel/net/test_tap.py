# SPDX-License-Identifier: GPL-2.0-only
"""A tap as the wire; a datagram socket stands for one, which keeps frames apart as well."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devmodel.net import tap
from devmodel.net.tap import TapWire, open_tap


@pytest.fixture
def ends() -> Iterator[tuple[TapWire, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.settimeout(5)
    wire = TapWire(ours.detach())
    with theirs:
        yield wire, theirs
        if not wire.closed:
            wire.close()


def test_each_write_is_a_frame(ends: tuple[TapWire, socket.socket]) -> None:
    wire, host = ends
    wire.send([b"a" * 60, b"b" * 1514])
    assert [host.recv(4096), host.recv(4096)] == [b"a" * 60, b"b" * 1514]
    host.send(b"c" * 60)
    host.send(b"d" * 9000)
    assert wire.receive() == [b"c" * 60, b"d" * 9000]
    assert wire.receive() == []
    assert dict(wire.counters) == {
        "tx_frames": 2, "tx_bytes": 1574, "rx_frames": 2, "rx_bytes": 9060,
    }  # fmt: skip


def test_what_the_host_does_not_take_is_counted(ends: tuple[TapWire, socket.socket]) -> None:
    wire, _ = ends
    wire.send([b"x" * 1000] * 10_000)
    assert wire.counters["drop_tx_tap"] > 0
    assert wire.counters["drop_tx_tap"] + wire.counters["tx_frames"] == 10_000


def test_more_than_one_turns_worth_is_announced(
    ends: tuple[TapWire, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "_FRAMES", 2)
    wire, host = ends
    for frame in (b"1", b"2", b"3"):
        host.send(frame)
    assert wire.receive() == [b"1", b"2"]
    assert wire.has_input
    assert wire.receive() == [b"3"]
    assert not wire.has_input


def test_an_interface_that_is_gone_closes_the_wire(ends: tuple[TapWire, socket.socket]) -> None:
    wire, _ = ends
    os.close(wire.fileno())
    assert wire.receive() == []
    assert wire.closed


@pytest.mark.parametrize("name", ["", "x" * 16, "a/b", "a\n", "ä" * 8])
def test_what_is_no_name_of_an_interface(name: str) -> None:
    with pytest.raises(ValueError, match="no name of an interface"):
        open_tap(name)


def test_a_name_goes_to_the_kernel_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(tap, "DEVICE", "/dev/null")
    monkeypatch.setattr(fcntl, "ioctl", lambda fd, number, data: asked.append((number, data)))
    os.close(open_tap("card0"))
    assert asked == [(0x400454CA, b"card0".ljust(16, b"\0") + b"\x02\x10" + bytes(22))]


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path(tap.DEVICE).exists(), reason="root makes taps, of /dev/net/tun"
)
def test_a_real_one() -> None:
    try:
        fd = open_tap("card-test0")
    except OSError as e:
        pytest.skip(f"this host gives no tap: {e}")
    wire = TapWire(fd)
    assert wire.receive() == []
    wire.send([bytes(60)])
    assert wire.counters["drop_tx_tap"] == 1, "it is down"
    assert not wire.closed
    wire.close()
