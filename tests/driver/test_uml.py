# SPDX-License-Identifier: GPL-2.0-only
"""The UML engine: one seed is one run, every end has its verdict, the host is out of reach."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.dut.protocols import Capability
from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.prepare import UmlPrepared
from testbed.engines.uml.session import UmlSession
from testbed.errors import (
    EnvironmentProblem,
    GuestCommandFailed,
    GuestTimeout,
    LostVM,
    ModelFailure,
)
from testbed.options import RunOptions
from testbed.repeat.repeat import one_run, repeat
from testbed.workloads.table import SCENARIOS

SEED = 3
DOWN = ["ip", "link", "set", "dev", "nut0", "down"]  # without a card: minutes of guest time
REOPEN = """
ip link set dev "$(ls /sys/bus/pci/devices/$1/net)" name nut0
ip addr add $2/24 dev nut0
ip link set dev nut0 up
"""
Opener = Callable[..., AbstractContextManager[UmlSession]]


@pytest.fixture(scope="session")
def prepared() -> tuple[RunOptions, UmlPrepared]:
    options = RunOptions(engine="uml", cpus=1, seed=SEED, memory_mib=512, watchdog_s=5)
    return UML.prepare(options, lambda _text: None)


@pytest.fixture
def open_uml(prepared: tuple[RunOptions, UmlPrepared], tmp_path: Path) -> Opener:
    options, artefacts = prepared
    return lambda **changes: UmlSession(replace(options, **changes), tmp_path, artefacts)


def pull(session: UmlSession) -> None:
    """Surprise removal, and the time the guest takes to notice."""
    session.card.unplug()  # of which UML's own driver complains
    session.dut.run(DOWN, check=False, timeout_s=3600)
    session.dut.run(["sleep", "3600"], timeout_s=4000)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_one_seed_is_one_run(
    prepared: tuple[RunOptions, UmlPrepared], tmp_path: Path, name: str
) -> None:
    """Two fresh guests: the same accesses, frames and interrupts, byte for byte."""
    options, artefacts = prepared
    assert one_run(options, artefacts, name, tmp_path) == one_run(
        options, artefacts, name, tmp_path
    )


def test_another_seed_is_another_run(
    prepared: tuple[RunOptions, UmlPrepared], tmp_path: Path
) -> None:
    options, artefacts = prepared
    other = replace(options, seed=SEED + 1)
    hashes = {one_run(o, artefacts, "ping", tmp_path) for o in (options, other)}
    assert len(hashes) == 2


def test_two_guests_at_once_are_the_same_run(
    prepared: tuple[RunOptions, UmlPrepared], tmp_path: Path
) -> None:
    options, artefacts = prepared
    *_, account = repeat(options, artefacts, "ping", tmp_path, runs=4, workers=2)
    assert account.runs == 4, account.failures
    assert len(account.hashes) == 1


def test_guest_has_what_is_claimed(open_uml: Opener) -> None:
    with open_uml() as session:
        assert Capability.ZCRX in session.dut.capabilities
        assert Capability.NTUPLE not in session.dut.capabilities
        assert session.dut.driver == "bnxt_en"
        session.remote.run(["ping", "-c", "1", session.dut.ipv4])
        with pytest.raises(GuestCommandFailed, match="returned 127"):
            session.dut.run(["no-such-program"])
        session.dut.put(b"\0" * 300_000 + b"end", "/tmp/file", mode=0o600)
        assert session.dut.get("/tmp/file") == b"\0" * 300_000 + b"end"
        assert session.dut.run(["cat"], input=b"given").stdout == b"given"


def test_time_out_of_guest_time_comes_at_once(open_uml: Opener) -> None:
    with open_uml() as session:
        began = time.monotonic()
        with pytest.raises(GuestTimeout):
            session.dut.run(["sleep", "1000"], timeout_s=600)
        assert time.monotonic() - began < 30


def test_host_is_out_of_reach(open_uml: Opener) -> None:
    """Own user, no network, no other process, no host files, no new privileges."""
    with open_uml() as session:
        pid = session.machine.pid
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"NoNewPrivs:\s1", status)
        for kind in ("net", "pid", "ipc", "mnt"):
            theirs = Path(f"/proc/{pid}/ns/{kind}").readlink()
            assert theirs != Path(f"/proc/self/ns/{kind}").readlink(), kind
        if os.getuid() == 0:
            uids = re.search(r"Uid:\s(\d+)\s(\d+)\s(\d+)", status)
            assert uids is not None
            assert set(uids.groups()) & {"0"} == set()
        assert "hostfs" not in session.dut.run(["cat", "/proc/filesystems"]).text


def test_panic_is_a_lost_vm_with_its_reason(open_uml: Opener) -> None:
    def panic(session: UmlSession) -> None:
        session.dut.run(["sysctl", "-qw", "kernel.panic_on_warn=1"])
        pull(session)

    with pytest.raises(LostVM, match="Kernel panic - not syncing"), open_uml() as session:
        panic(session)


def test_spinning_guest_is_lost_with_a_backtrace(open_uml: Opener, tmp_path: Path) -> None:
    with pytest.raises(LostVM, match="the guest hangs: nothing for 5 s"), open_uml() as session:
        session.dut.run(["sh", "-c", "while :; do :; done"])
    assert (tmp_path / "backtrace.txt").read_text().strip()


def test_killed_guest_is_a_lost_vm(open_uml: Opener) -> None:
    def kill(session: UmlSession) -> None:
        pid = session.machine.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        session.dut.run(["sleep", "1"])

    with pytest.raises(LostVM, match="signal 9"), open_uml() as session:
        kill(session)


def test_killed_reaper_ends_the_session_at_once_also_after_a_restart(open_uml: Opener) -> None:
    with open_uml() as session:
        session.restart()
        session.dut.run(["true"])
        session.private._reaper.kill()
        with pytest.raises(EnvironmentProblem, match="clean-up process"):
            session.dut.run(["sh", "-c", "while :; do :; done"], timeout_s=None)
    assert not session.private.path.exists()


def test_dead_card_is_the_models_failure(open_uml: Opener) -> None:
    def kill(session: UmlSession) -> None:
        assert session.card.process is not None
        os.kill(session.card.process.program_pid, signal.SIGKILL)
        session.dut.run(["sleep", "1"])

    with pytest.raises(ModelFailure, match="the card died"), open_uml() as session:
        kill(session)


def test_pulled_card_leaves_a_working_guest(open_uml: Opener) -> None:
    """Surprise removal: interface and PCI device go, the kernel stays."""
    with open_uml() as session:
        pull(session)
        gone = session.dut.run(["test", "!", "-e", "/sys/class/net/nut0"], check=False)
        assert gone.returncode == 0
        assert session.dut.run(["ls", "/sys/bus/pci/devices"]).text == ""


def test_card_can_be_plugged_in_again(open_uml: Opener) -> None:
    """Hot re-plug in the same guest: the driver binds to a card as after power-on."""
    with open_uml() as session:
        session.remote.run(["ping", "-c", "1", session.dut.ipv4])
        pull(session)
        assert session.dut.run(["ls", "/sys/bus/pci/devices"]).text == ""
        session.plug_card()
        session.dut.run(["sleep", "1"])
        assert session.dut.run(["ls", "/sys/bus/pci/devices"]).text == session.dut.pci_address
        session.dut.run(["sh", "-euc", REOPEN, "sh", session.dut.pci_address, session.dut.ipv4])
        session.remote.run(["ping", "-c", "3", session.dut.ipv4], timeout_s=30)
        state = session.card.state()
        assert state["violations"]["counts"] == {}
