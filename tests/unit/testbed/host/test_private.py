# SPDX-License-Identifier: GPL-2.0-only
"""Nothing outlives a run: private folder, reaper, jail and process ladder, with real processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from images.jail.user import draw_uid
from testbed.errors import EnvironmentProblem, LaunchFailure
from testbed.host.loop import BackgroundLoop
from testbed.host.private import KILLED_LATE, LOCK_NAME, PREFIX, UNFINISHED_S, PrivateFolder, sweep
from testbed.host.process import CappedLog, Process, spawn
from testbed.host.reaper import start_time
from testbed.host.starter import watch

ROOT = Path(__file__).parents[4]
PROGRAMS = [Path("/bin"), Path("/usr/bin")]
"""What a test's program needs besides libraries."""


@pytest.fixture(autouse=True)
def _own_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


RUNNER = textwrap.dedent(
    """
    import asyncio, sys, time
    from pathlib import Path
    from testbed.host.private import PrivateFolder
    from images.jail.user import draw_uid
    from testbed.host.process import spawn
    from testbed.host.loop import BackgroundLoop
    loop = BackgroundLoop()
    with PrivateFolder() as private:
        process = loop.run(spawn("sleep", ["/bin/sleep", "60"], private=private,
                                 log_path=Path(sys.argv[1]), uid=draw_uid(),
                                 read=[Path('/bin'), Path('/usr/bin')]))
        print(private.path, process.pid, flush=True)
        try:
            time.sleep(60)
        finally:
            loop.run(process.stop(0))
    """
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_death_of_the_runner_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path / "log")], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
    )  # fmt: skip
    assert runner.stdout is not None
    folder_text, pid_text = runner.stdout.readline().split()
    folder, pid = Path(folder_text), int(pid_text)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert start_time(pid) is not None
    runner.send_signal(number)
    runner.wait(10)
    runner.stdout.close()
    assert wait_until(lambda: start_time(pid) is None)
    assert wait_until(lambda: not folder.exists())


def test_sweep_takes_dead_folders_only(tmp_path: Path) -> None:
    dead = tmp_path / f"{PREFIX}dead"
    dead.mkdir()
    (dead / LOCK_NAME).touch()
    (dead / "socket").touch()
    unfinished = tmp_path / f"{PREFIX}unfinished"
    unfinished.mkdir()
    with PrivateFolder() as living:
        assert not dead.exists()  # a new run sweeps
        assert sweep(tmp_path) == []
        assert living.path.exists()
    assert not living.path.exists()
    assert unfinished.exists()


def test_sweep_takes_what_was_never_finished_once_it_is_old(tmp_path: Path) -> None:
    for name, age_s in (("new", 5), ("old", 2 * UNFINISHED_S)):
        folder = tmp_path / f"{PREFIX}{name}"
        folder.mkdir()
        os.utime(folder, (time.time() - age_s,) * 2)
    assert sweep(tmp_path) == [tmp_path / f"{PREFIX}old"]


def test_death_of_the_reaper_is_noticed_when_it_happens() -> None:
    async def body() -> None:
        with PrivateFolder() as private:
            noticed = asyncio.create_task(private.reaper_lost())
            await asyncio.sleep(0.05)
            assert not noticed.done()
            private._reaper.kill()
            with pytest.raises(EnvironmentProblem, match="clean-up process"):
                raise await asyncio.wait_for(noticed, 5.0)
            with pytest.raises(EnvironmentProblem, match="clean-up process"):
                private.watch_group(1)
            private.group_gone(1)  # the runner has done it: that is no error
        assert not private.path.exists()

    asyncio.run(body())


@pytest.mark.parametrize("killed", [True, False])
def test_reaper_killed_before_the_end_is_told(
    capsys: pytest.CaptureFixture[str], killed: bool
) -> None:
    """Nothing else comes of it: what it would have done is done."""
    folder = PrivateFolder()
    if killed:
        os.kill(folder._reaper.pid, signal.SIGKILL)
    folder.close()
    assert not folder.path.exists()
    assert capsys.readouterr().err == (f"{KILLED_LATE}\n" if killed else "")


def test_nothing_is_started_that_no_reaper_would_end(tmp_path: Path) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())  # another test may have left Python's own helpers

    async def body() -> None:
        with PrivateFolder() as private:
            private._reaper.kill()
            private._reaper.wait()
            with pytest.raises(EnvironmentProblem, match="clean-up process"):
                await spawn(
                    "test", ["/bin/sleep", "1000"], private=private, log_path=tmp_path / "log",
                    uid=draw_uid(),
                )  # fmt: skip
            assert set(children.read_text().split()) <= before

    asyncio.run(body())


def test_pipe_that_outlives_its_program_is_not_left_open(tmp_path: Path) -> None:
    """A busy host may take long to end what else holds it."""

    async def start_and_stop(private: PrivateFolder) -> None:
        reader, writer = os.pipe()
        started = subprocess.Popen(
            ["/bin/sh", "-c", "setsid sleep 3 & exit 0"], stdin=subprocess.DEVNULL, stdout=writer,
            stderr=writer, start_new_session=True,
        )  # fmt: skip
        os.close(writer)
        child = await watch(started.pid, reader)
        started.returncode = 0  # it is not this one that waits
        process = Process("test", ["/bin/sh"], child, CappedLog(tmp_path / "log"), private)
        await process.ended
        await process.stop(0)

    loop = BackgroundLoop()
    with PrivateFolder() as private, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loop.run(start_and_stop(private))
        loop.close()
        gc.collect()
    assert [str(one.message) for one in said] == []


def test_reaper_that_is_stopped_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.host.private.REAPER_PATIENCE_S", 0.2)
    with PrivateFolder() as private:
        private._reaper.send_signal(signal.SIGSTOP)
    assert not private.path.exists()


def run_process(
    tmp_path: Path, argv: list[str], soft_s: float = 0.0, wait_s: float = 5.0
) -> tuple[Process, str]:  # fmt: skip
    async def body() -> tuple[Process, str]:
        with PrivateFolder() as private:
            process = await spawn(
                "test", argv, private=private, log_path=tmp_path / "log", uid=draw_uid(),
                read=PROGRAMS,
            )  # fmt: skip
            await asyncio.wait({process.ended}, timeout=wait_s)
            await process.stop(soft_s)
            return process, (tmp_path / "log").read_text()

    return asyncio.run(body())


def test_process_has_no_network_and_no_privileges(tmp_path: Path) -> None:
    script = "cat /proc/net/dev; grep -E '^(Uid|NoNewPrivs|CapEff)' /proc/self/status; ulimit -c"
    process, log = run_process(tmp_path, ["/bin/sh", "-c", script])
    assert process.returncode == 0
    interfaces = [line.split(":")[0].strip() for line in log.splitlines() if "0 " in line]
    assert "eth0" not in interfaces
    assert "NoNewPrivs:\t1" in log
    assert "CapEff:\t0000000000000000" in log
    if os.getuid() == 0:
        assert "Uid:\t0" not in log


def test_process_that_ignores_requests_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; while :; do sleep 1; done"
    process, _ = run_process(tmp_path, ["/bin/sh", "-c", script], wait_s=0.3)
    assert process.returncode == -signal.SIGKILL
    assert start_time(process.pid) is None


def test_program_reaches_no_other_process(tmp_path: Path) -> None:
    """It sees two processes, the jail's and itself, and cannot signal the runner by its number."""
    script = f"echo $$ $(ls -d /proc/[0-9]*); kill -0 {os.getpid()} || echo out of reach"
    process, log = run_process(tmp_path, ["/bin/bash", "-c", script])
    assert process.returncode == 0
    seen = log.splitlines()[0].split()
    assert seen[:3] == ["2", "/proc/1", "/proc/2"]
    assert "out of reach" in log


@pytest.mark.parametrize(
    ("script", "returncode"),
    [("exit 7", 7), ("kill -ABRT $$", -signal.SIGABRT), ("kill -KILL $$", -signal.SIGKILL)],
)
def test_end_of_a_program_is_its_own(tmp_path: Path, script: str, returncode: int) -> None:
    process, _ = run_process(tmp_path, ["/bin/sh", "-c", script])
    assert process.returncode == returncode


@pytest.mark.parametrize("victim", ["jail", "program"])
def test_all_that_a_program_started_ends_with_it(tmp_path: Path, victim: str) -> None:
    """Whichever is killed: a child that left the process group goes as well."""

    async def body() -> None:
        with PrivateFolder() as private:
            process = await spawn(
                "test", ["/bin/bash", "-c", "setsid sleep 1000 & exec sleep 2000"], private=private,
                log_path=tmp_path / "log", uid=draw_uid(), read=PROGRAMS,
            )  # fmt: skip
            while len(names := below(process.pid)) < 3:
                await asyncio.sleep(0.02)
            assert process.program_pid in names
            os.kill(process.pid if victim == "jail" else process.program_pid, signal.SIGKILL)
            await process.ended
            assert process.returncode == -signal.SIGKILL
            assert wait_until(lambda: all(start_time(pid) is None for pid in names))
            await process.stop(0)

    asyncio.run(body())


def below(pid: int) -> list[int]:
    """All descendants."""
    listed = subprocess.run(["ps", "-eo", "ppid=,pid="], capture_output=True, check=True, text=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for above, child in pairs if above == parent]
    return found[1:]


def test_program_that_cannot_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(LaunchFailure, match="cannot run /nonexistent/program") as caught:
        run_process(tmp_path, ["/nonexistent/program"])
    assert caught.value.returncode == 126
    lines = "\n".join(caught.value.lines())
    assert "exit code 126" in lines
    assert "/nonexistent/program" in lines


def test_log_is_capped_and_its_end_is_kept(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", cap_bytes=1000)
    for number in range(1000):
        log.feed(f"line {number}\n".encode())
    log.close()
    assert (tmp_path / "log").stat().st_size < 1100
    assert "more bytes dropped" in (tmp_path / "log").read_text()
    assert log.tail(1) == "line 999"


def test_full_disk_loses_the_file_but_not_the_last_words() -> None:
    log = CappedLog(Path("/dev/full"))
    log.feed(b"the reason\n")
    log.close()
    assert log.tail() == "the reason"


def test_name_too_long_for_a_socket_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(EnvironmentProblem, match="too long"):
        PrivateFolder()
