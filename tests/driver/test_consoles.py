# SPDX-License-Identifier: GPL-2.0-only
"""The consoles of the suite say which bytes came instead of those that were expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.dut import devmem, zcrx
from testbed.dut.programs import program
from testbed.engines.session import Session
from testbed.engines.uml.engine import ENGINE as UML
from testbed.errors import GuestCommandFailed
from testbed.options import RunOptions

PORT, SEED, PART = 5000, 5, 4096
TOO_EARLY = (
    "data differs: first difference at 0, 4096 bytes: "
    "bytes 0..4095 are those expected at 4096: 4096 bytes too early"
)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    options = RunOptions(engine="uml", cpus=1, seed=1, memory_mib=512)
    options, prepared = UML.prepare(options, lambda _text: None)
    with UML.session(options, tmp_path_factory.mktemp("guest"), prepared, None) as session:
        yield session


def sender_of(guest: Session, total_bytes: int) -> list[str]:
    words = [program("stream_tx"), guest.dut.ipv4, str(PORT), "--seed", str(SEED)]
    return [*words, "--bytes", str(total_bytes)]


def test_zcrx_console(guest: Session) -> None:
    """What should have come first is thrown away: the rest is told apart, and whose bytes it is."""
    with (
        zcrx.console(guest.dut) as console,
        zcrx.sending(
            guest.remote, console, guest.dut.ipv4, PORT, 2 * PART, seed=SEED
        ) as sender,
    ):  # fmt: skip
        console.step("read", socket=1, bytes=PART)
        assert console.digest()[0] == PART
        console.step("expect", socket=1, seed=SEED)
        console.step("read", socket=1, bytes=PART)
        with pytest.raises(GuestCommandFailed) as failed:
            console.digest()
        assert failed.value.message == TOO_EARLY
        sender.sent()


def test_devmem_console(guest: Session, tmp_path: Path) -> None:
    console = devmem.Console(guest.dut, tmp_path.name)
    start = sender_of(guest, 2 * PART)
    sender = console.accept("flow", guest.dut.ipv4, PORT, lambda: guest.remote.start(start))
    console.expect("flow", SEED, 2 * PART)
    drain = f"drain flow {PART} {devmem.WAIT_MS} return"
    assert console.do(drain)["bytes"] == PART
    console.do(f"expect flow {SEED}")
    with pytest.raises(GuestCommandFailed) as failed:
        console.do(drain)
    assert failed.value.message == f"{drain}: {TOO_EARLY}"
    sender.kill()
    console.kill()


def test_what_is_sent_besides_is_not_compared(guest: Session, tmp_path: Path) -> None:
    console, other = devmem.Console(guest.dut, tmp_path.name), devmem.Console(guest.remote, "other")
    connect = f"connect flow {guest.dut.ipv4} {PORT}"
    console.accept("flow", guest.dut.ipv4, PORT, lambda: other.do(connect))
    for seed in (1, 2):
        console.expect("flow", seed, PART)
        other.do(f"send flow {PART} {seed}")
    assert console.do(f"drain flow {2 * PART} {devmem.WAIT_MS} return")["bytes"] == 2 * PART
    console.kill()
    other.kill()
