# SPDX-License-Identifier: GPL-2.0-only
"""Jailed programs by a process that forks them: whose they are, what they have, how they end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from images.jail import host
from images.jail.ready import REQUEST_BYTES
from images.jail.spec import JailSpec
from images.jail.start import enter_words
from images.jail.user import draw_uid
from testbed.host import starter
from testbed.host.reaper import start_time
from testbed.host.starter import Started

T = TypeVar("T")
BOTH = "print('out', flush=True); print('err', file=sys.stderr)"


def words(script: str, parent: int | None = None) -> list[str]:
    python = host.python()
    spec = JailSpec(
        filter="program", parent=parent or os.getpid(), uid=draw_uid(), **host.surroundings(python)
    )  # fmt: skip
    return enter_words(spec, [str(python[0]), "-I", "-S", "-c", f"import os, sys; {script}"], 2)


async def program(script: str, fds: Sequence[int] = (), **more: Any) -> Started:
    return await starter.start(words(script), env={"GIVEN": "here"}, fds=fds, **more)


def line_of(reader: int) -> str:
    return f"print(os.read({reader}, 99).decode().strip())"


async def told(started: Started) -> tuple[str, int]:
    """What it wrote, and how it ended."""
    output = await started.output.read()
    code = await started.wait()
    started.let_go()
    return output.decode(), code


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def starter_pid() -> int:
    found = starter._starters._starter
    assert found is not None
    return found.pid


def test_what_it_says_and_how_it_ends_is_known() -> None:
    async def body() -> list[tuple[str, int]]:
        scripts = (
            f"{BOTH}; sys.exit(3)", "os.kill(os.getpid(), 15)",
            "print('GIVEN' in os.environ, 'HOME' in os.environ)",
        )  # fmt: skip
        return [await told(await program(script)) for script in scripts]

    both, killed, environment = run(body())
    assert both == ("out\nerr\n", 3)
    assert killed == ("", -signal.SIGTERM)
    assert environment == ("True False\n", 0)


def test_it_has_the_descriptors_it_was_given_at_their_numbers_and_no_others() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"through the pipe\n")
    os.close(writer)
    other = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(other, True)

    async def body() -> tuple[str, int]:
        script = f"{line_of(reader)}; print(*os.listdir('/proc/self/fd'))"
        return await told(await program(script, [reader]))

    text, code = run(body())
    assert code == 0
    content, _, numbers = text.partition("\n")
    assert content == "through the pipe"
    given = {int(number) for number in numbers.split()}
    assert {0, 1, 2, reader} <= given
    assert other not in given
    assert len(given) == 5, "one is that of the folder"
    for fd in (reader, other):
        os.close(fd)


def test_standard_output_may_go_elsewhere(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        assert run(told_of(BOTH, stdout=file.fileno())) == ("err\n", 0)
    assert (tmp_path / "out").read_bytes() == b"out\n"


async def told_of(script: str, **more: Any) -> tuple[str, int]:
    return await told(await program(script, **more))


def test_it_outlives_the_thread_that_started_the_first() -> None:
    """A jailed program ends with its parent, which for the kernel is a thread."""
    starter.close()
    first = threading.Thread(target=lambda: run(told_of("sys.exit(0)")))
    first.start()
    first.join()
    reader, writer = os.pipe()

    async def body() -> tuple[str, int]:
        started = await program(line_of(reader), [reader])
        os.write(writer, b"still here\n")
        return await told(started)

    assert run(body()) == ("still here\n", 0)
    os.close(reader)
    os.close(writer)


def test_a_thread_that_ends_takes_none_with_it_that_another_waits_for() -> None:
    starter.close()
    reader, writer = os.pipe()
    begun, go_on = threading.Event(), threading.Event()

    async def body() -> tuple[str, int]:
        started = await program(line_of(reader), [reader])
        begun.set()
        await asyncio.to_thread(go_on.wait, 20)
        os.write(writer, b"still here\n")
        return await told(started)

    first = threading.Thread(target=lambda: (run(told_of("sys.exit(0)")), begun.wait(20)))
    first.start()
    found: list[tuple[str, int]] = []
    second = threading.Thread(target=lambda: found.append(run(body())))
    second.start()
    first.join()
    go_on.set()
    second.join()
    assert found == [("still here\n", 0)]
    os.close(reader)
    os.close(writer)


def test_one_that_was_killed_is_replaced() -> None:
    run(told_of("sys.exit(0)"))
    killed = starter_pid()
    os.kill(killed, signal.SIGKILL)
    while start_time(killed) is not None:
        time.sleep(0.01)
    assert run(told_of("sys.exit(5)")) == ("", 5)
    assert starter_pid() != killed


def test_one_that_is_killed_while_it_is_asked_is_told() -> None:
    """Whether the program runs nobody knows then."""
    run(told_of("sys.exit(0)"))
    os.kill(starter_pid(), signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (starter_pid(), signal.SIGKILL))
    killer.start()
    with pytest.raises(OSError, match=r"killed|reset"):
        run(told_of("sys.exit(0)"))
    killer.join()
    assert run(told_of("sys.exit(5)")) == ("", 5)


def test_an_end_that_somebody_else_was_told_is_an_end() -> None:
    async def body() -> int:
        started = await program("sys.exit(3)")
        os.waitpid(started.pid, 0)  # the loop has had no turn since it began
        return (await told(started))[1]

    assert run(body()) == starter.UNKNOWN_CODE


def test_a_child_of_ours_has_one_of_its_own() -> None:
    run(told_of("sys.exit(0)"))
    mine = starter_pid()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        code, theirs = pool.apply(_in_a_child)
    assert code == 7
    assert theirs != mine
    assert run(told_of("sys.exit(0)")) == ("", 0)


def _in_a_child() -> tuple[int, int]:
    return run(told_of("sys.exit(7)"))[1], starter_pid()


def test_more_words_than_a_message_holds_are_refused() -> None:
    with pytest.raises(OSError, match="too long"):
        run(told_of("x" * REQUEST_BYTES))
    assert run(told_of("sys.exit(0)")) == ("", 0)


def test_what_cannot_enter_says_so() -> None:
    """The jail's own words, on its report."""

    async def body() -> tuple[str, int]:
        return await told(await starter.start(words("print('free')", parent=1), env={}, fds=[]))

    text, code = run(body())
    assert "free" not in text
    assert "the runner is gone" in text
    assert code == 126


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, so that it starts nothing behind our back, and who asks next gets another."""
    starter.close()
    monkeypatch.setattr(starter, "ANSWER_S", 0.3)
    assert run(_ended_well()) == 0
    silent = starter_pid()
    os.kill(silent, signal.SIGSTOP)
    with pytest.raises(ConnectionResetError, match="did not answer"):
        run(program("pass"))
    monkeypatch.undo()
    assert run(_ended_well()) == 0
    assert starter_pid() != silent


async def _ended_well() -> int:
    return (await told(await program("pass")))[1]
