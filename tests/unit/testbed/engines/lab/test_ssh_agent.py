# SPDX-License-Identifier: GPL-2.0-only
"""Commands on a machine that is this one: what lab_agent says decides, never ssh's exit code."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

import images.lab
from testbed.dut.protocols import Completed
from testbed.engines.lab.ssh_agent import SshAgent, frame
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM, TestbedError

T = TypeVar("T")

SOURCE = Path(images.lab.__file__).with_name("lab") / "lab_agent.c"
COMPILER = shutil.which("gcc")
MANY = 128  # commands at a time, MAX_COMMANDS of lab_agent.c

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no gcc on this host")


class HereInstead:
    """An SshConnection's part that an agent uses: programs run here, or a script instead."""

    name = "here"

    def __init__(self, folder: Path, script: str | None = None) -> None:
        self.folder = folder
        self.script = script
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, argv: Sequence[str]) -> asyncio.subprocess.Process:
        words = argv if self.script is None else ["sh", "-c", self.script]
        self.process = await asyncio.create_subprocess_exec(
            *words, start_new_session=True, stdin=-1, stdout=-1, stderr=-1
        )
        return self.process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as on a lab machine, with lab_agent in it."""
    folder = tmp_path_factory.mktemp("lab")
    program = folder / "bin" / "lab_agent"
    program.parent.mkdir()
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([str(COMPILER), *flags, "-o", str(program), str(SOURCE)], check=True)
    return folder


async def unguarded(work: Awaitable[object]) -> object:
    return await work


def lose(said: str) -> TestbedError:
    return LostVM(said)


def with_agent(
    folder: Path, work: Callable[[SshAgent, HereInstead], Awaitable[T]], script: str | None = None
) -> T:
    """Do ``work`` with an agent, and end it."""

    async def all_of_it() -> T:
        here = HereInstead(folder, script)
        agent = SshAgent(here, str(folder), unguarded, lose)  # type: ignore[arg-type]
        try:
            return await work(agent, here)
        finally:
            await agent.close()

    return asyncio.run(all_of_it())


def run(
    folder: Path, argv: Sequence[str], timeout_s: float = 30, script: str | None = None, **more: Any
) -> Completed:
    async def work(agent: SshAgent, _: HereInstead) -> Completed:
        return await agent.wait(await agent.start(argv, **more), timeout_s)

    return with_agent(folder, work, script)


def test_streams_and_status_are_apart(folder: Path) -> None:
    done = run(folder, ["sh", "-c", "cat; echo error >&2; exit 7"], input=b"given")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"given", b"error\n")


def test_a_signal_is_negative(folder: Path) -> None:
    assert run(folder, ["sh", "-c", "kill -KILL $$"]).returncode == -9


def test_what_looks_like_a_frame_is_output(folder: Path) -> None:
    text = frame("X", 1, b"0")
    assert run(folder, ["cat"], input=text).stdout == text


def test_environment_and_place(folder: Path, tmp_path: Path) -> None:
    words = ["sh", "-c", "echo $GIVEN; echo $TESTBED_LAB; echo ${PATH%%:*}; pwd"]
    done = run(folder, words, env={"GIVEN": "a = b"}, cwd=str(tmp_path))
    assert done.text.split("\n")[:4] == ["a = b", str(folder), f"{folder}/bin", str(tmp_path)]


def test_no_such_program_is_127(folder: Path) -> None:
    done = run(folder, ["no-such-program"])
    assert done.returncode == 127
    assert b"no-such-program" in done.stderr


def test_who_holds_the_output_open_holds_nobody_up(folder: Path) -> None:
    began = time.monotonic()
    done = run(folder, ["sh", "-c", "sleep 5 & echo there"])
    assert done.stdout == b"there\n"
    assert time.monotonic() - began < 4


def test_many_at_once_and_then_again(folder: Path) -> None:
    """As many as there is room for; one more is refused, and later there is room again."""

    async def work(agent: SshAgent, _: HereInstead) -> tuple[set[int], int]:
        running = [await agent.start(["sleep", "60"]) for _ in range(MANY)]
        with pytest.raises(GuestCommandFailed, match="cannot start true on here: too many"):
            await agent.start(["true"])
        codes = {(await agent.kill(one)).returncode for one in running}
        return codes, (await agent.wait(await agent.start(["true"]), 30)).returncode

    assert with_agent(folder, work) == ({-9}, 0)


def test_a_kill_takes_the_whole_group(folder: Path, tmp_path: Path) -> None:
    async def work(agent: SshAgent, _: HereInstead) -> int:
        script = 'sleep 60 & echo $! >"$1"; wait'
        command = await agent.start(["sh", "-c", script, "sh", str(tmp_path / "pid")])
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
        return (await agent.kill(command)).returncode

    assert with_agent(folder, work) == -9
    assert_ends(int((tmp_path / "pid").read_text()))


def assert_ends(pid: int) -> None:
    """The process is gone, or only waits to be collected by whoever inherited it."""
    deadline = time.monotonic() + 10
    status = Path(f"/proc/{pid}/status")
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < deadline, f"{pid} lives"
        time.sleep(0.01)


@pytest.mark.parametrize("_turn", range(20))
def test_a_broken_connection_takes_commands_with_it(folder: Path, _turn: int) -> None:
    """Also one that has only just begun, and leads no group yet."""

    async def work(agent: SshAgent, here: HereInstead) -> int:
        command = await agent.start(["sleep", "60"])
        assert here.process is not None
        assert here.process.stdin is not None
        here.process.stdin.close()
        with pytest.raises(LostVM, match="sleep was cut off: lab_agent: end of input"):
            await agent.wait(command, 30)
        return command.pid

    assert_ends(with_agent(folder, work))


def test_an_agent_that_dies_is_no_result(folder: Path) -> None:
    async def work(agent: SshAgent, here: HereInstead) -> None:
        command = await agent.start(["sleep", "1"])
        assert here.process is not None
        here.process.kill()
        with pytest.raises(LostVM, match="was cut off"):
            await agent.wait(command, 30)

    with_agent(folder, work)


def test_no_connection_is_no_result(folder: Path) -> None:
    with pytest.raises(LostVM, match="true was cut off: broken"):
        run(folder, ["true"], script="echo broken >&2; exit 255")


def test_no_word_at_all_but_an_error(folder: Path) -> None:
    with pytest.raises(GuestCommandFailed, match="cannot start true on here: lab_agent: not found"):
        run(folder, ["true"], script="echo 'lab_agent: not found' >&2; exit 127")


def test_nonsense_is_no_result(folder: Path) -> None:
    with pytest.raises(LostVM, match="sent a malformed frame"):
        run(folder, ["true"], script="printf 'S 00000001 ffffffff\\n'; exec sleep 60")


def test_time_out_kills(folder: Path) -> None:
    with pytest.raises(GuestTimeout, match="was killed"):
        run(folder, ["sleep", "60"], timeout_s=0.3)


def test_files_go_both_ways(folder: Path, tmp_path: Path) -> None:
    async def there_and_back(agent: SshAgent, _: HereInstead) -> bytes:
        await agent.put(b"\0data" * 100_000, str(tmp_path / "file"))
        return await agent.get(str(tmp_path / "file"))

    assert with_agent(folder, there_and_back) == b"\0data" * 100_000
