# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong with a machine is reported as what it is, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from testbed.engines.qemu.argv import MachineSpec, QemuNic
from testbed.engines.qemu.session import QemuSession
from testbed.errors import ExitCode, LaunchFailure, LostVM, ModelFailure
from testbed.findings.kernel_log import Splat
from testbed.options import Nic
from tests.driver.conftest import CommandLine, Opener
from tests.kills.processes import below, command_line


def within(opened: AbstractContextManager[QemuSession], act: Callable[[QemuSession], None]) -> None:
    """Do ``act`` in a session."""
    with opened as session:
        act(session)


def test_panic_is_a_lost_vm_with_its_reason(testbed: CommandLine) -> None:
    done = testbed.run("exec", "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
    assert done.returncode == ExitCode.LOST_VM
    assert b"Kernel panic - not syncing: sysrq triggered crash" in done.stderr
    assert b"kernel.log" in done.stderr
    assert testbed.wait_clean() == []


def test_guest_that_hangs_is_a_lost_vm(open_session: Opener) -> None:
    stopped_at = []

    def hang(session: QemuSession) -> None:
        assert session.machine.pid is not None
        os.kill(session.machine.pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())
        session.loop.run(session.machine.agent.call("guest-ping", timeout_s=2.0))

    with pytest.raises(LostVM, match="does not answer"):
        within(open_session(nic=Nic.IGB), hang)
    assert time.monotonic() - stopped_at[0] < 15


def test_guest_that_falls_silent_says_what_its_tasks_did(open_session: Opener) -> None:
    logs = []

    def stop_agent(session: QemuSession) -> None:
        logs.append(session.machine.kernel_log_path)
        session.loop.run(session.machine.agent.call("guest-ping"))
        session.dut.start(["sh", "-c", "sleep 0.5; pkill -STOP qemu-ga"])
        time.sleep(2)
        session.loop.run(session.machine.agent.call("guest-ping", timeout_s=2.0))

    with pytest.raises(LostVM, match="does not answer"):
        within(open_session(nic=Nic.IGB), stop_agent)
    text = logs[0].read_text(errors="replace")
    assert "sysrq: Show State" in text
    assert "task:qemu-ga" in text


def test_guest_that_panics_at_boot_is_a_lost_vm(
    open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_init(**fields: Any) -> MachineSpec:
        words = ["rdinit=/nonexistent", "root=/dev/nonexistent"]
        return MachineSpec(**{**fields, "append": words})

    monkeypatch.setattr("testbed.engines.qemu.session.MachineSpec", no_init)
    with pytest.raises(LostVM, match="Kernel panic - not syncing: VFS") as caught:
        within(open_session(nic=Nic.IGB), lambda _session: None)
    assert "nonexistent" in caught.value.log_tail


def test_guest_that_does_not_boot_in_time_is_a_lost_vm(
    open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = property(lambda _session: 0.01)
    monkeypatch.setattr("testbed.engines.qemu.session.QemuSession._boot_silence_s", hasty)
    with pytest.raises(LostVM, match=r"did not boot: its log says nothing for 0\.01 s"):
        within(open_session(nic=Nic.IGB), lambda _session: None)


def test_warning_of_the_kernel_is_seen_while_it_happens(open_session: Opener) -> None:
    with open_session(nic=Nic.IGB) as session:
        assert session.kernel_log.events == []
        line = "<4>BUG: Bad page state in process test pfn:1"
        session.dut.run(["sh", "-c", f"echo '{line}' > /dev/kmsg"])
        deadline = time.monotonic() + 5
        while not session.kernel_log.events and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [event.kind for event in session.kernel_log.events] == [Splat.BUG]


def test_card_killed_under_traffic_is_a_model_failure(open_session: Opener) -> None:
    def kill_card(session: QemuSession) -> None:
        session.remote.start(["ping", "-f", session.dut.ipv4])
        time.sleep(0.5)
        assert session.card.process is not None
        os.kill(session.card.process.program_pid, signal.SIGKILL)
        session.dut.run(["sleep", "30"])

    with pytest.raises(ModelFailure, match="signal 9"):
        within(open_session(), kill_card)


def test_card_that_does_not_quit_is_a_model_failure(open_session: Opener) -> None:
    def stop_card(session: QemuSession) -> None:
        assert session.card.process is not None
        os.kill(session.card.process.program_pid, signal.SIGSTOP)

    with pytest.raises(ModelFailure, match="the card hangs"):
        within(open_session(), stop_card)


def test_guest_that_hangs_with_its_card_is_a_model_failure(open_session: Opener) -> None:
    def stop_both(session: QemuSession) -> None:
        assert session.card.process is not None
        assert session.machine.pid is not None
        os.kill(session.card.process.program_pid, signal.SIGSTOP)
        os.kill(session.machine.pid, signal.SIGSTOP)
        session.loop.run(session.machine.agent.call("guest-ping", timeout_s=2.0))

    with pytest.raises(ModelFailure, match="does not answer"):
        within(open_session(), stop_both)


def test_qemu_killed_is_a_lost_vm(open_session: Opener) -> None:
    def kill_qemu(session: QemuSession) -> None:
        assert session.machine.pid is not None
        os.kill(session.machine.pid, signal.SIGKILL)
        session.dut.run(["sleep", "30"])

    with pytest.raises(LostVM, match="signal 9"):
        within(open_session(), kill_qemu)


def test_killed_server_of_a_share_is_the_environments(open_session: Opener, tmp_path: Path) -> None:
    """The guest would wait for it for ever."""
    shared = tmp_path / "shared"
    shared.mkdir()

    def kill_server(session: QemuSession) -> None:
        servers = [pid for pid in below(os.getpid()) if b"virtiofsd\0" in command_line(pid)]
        os.kill(servers[-1], signal.SIGKILL)
        session.dut.run(["sleep", "30"])

    with pytest.raises(LaunchFailure, match="virtiofsd ended"):
        within(open_session(nic=Nic.IGB, share=str(shared)), kill_server)


def test_device_qemu_does_not_have_is_a_launch_failure(
    open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "testbed.engines.qemu.session.QemuNic", lambda model: QemuNic(model="no-such-nic")
    )
    with pytest.raises(LaunchFailure) as caught:
        within(open_session(nic=Nic.IGB), lambda _session: None)
    lines = "\n".join(caught.value.lines())
    assert "no-such-nic" in lines
    assert "exit code 1" in lines
    assert "qemu.log" in lines


@pytest.mark.parametrize("delay_s", [0.2, 0.6, 2.5, 8.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_end_at_any_stage_leaves_nothing(
    testbed: CommandLine, number: signal.Signals, delay_s: float
) -> None:
    process = testbed.start("exec", "--", "sleep", "600")
    time.sleep(delay_s)
    process.send_signal(number)
    process.communicate(timeout=20)
    if number is signal.SIGINT and delay_s > 2.0:  # before, Python itself may still be starting
        assert process.returncode == 130
    assert testbed.wait_clean() == []


def test_two_runs_at_once(testbed: CommandLine) -> None:
    first = testbed.start("exec", "--nic", "igb", "--", "sleep", "4")
    second = testbed.start("exec", "--nic", "igb", "--", "sleep", "4")
    for process in (first, second):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert testbed.wait_clean() == []


@pytest.mark.usefixtures("artefacts")
def test_what_a_test_leaves_running_is_put_away(tmp_path: Path) -> None:
    with CommandLine(tmp_path) as testbed:
        process = testbed.start("exec", "--", "sleep", "600")
        deadline = time.monotonic() + 60
        while not testbed.left_behind() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert testbed.left_behind()
    assert process.returncode is not None
    assert process.stdout is not None
    assert process.stdout.closed
    assert testbed.wait_clean() == []
