# SPDX-License-Identifier: GPL-2.0-only
"""The programs both ends have (images/programs), and the JSON line each prints.

An end is not trusted: what a program of ours prints there may be anything. What does not fit fails
the test, and is never a surprise in the runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from testbed.dut.protocols import Completed, Endpoint, Running
from testbed.errors import GuestCommandFailed
from testbed.host.answer import Kinds, Objects, parse

T = TypeVar("T")

STEP_TIMEOUT_S = 60.0
_LISTS = ("flows", "queues", "page_pools", "qstats", "pool_stats", "orphans", "runs")
_NUMBERS = (
    *("port", "bytes", "copy_bytes", "outstanding", "left_in_refill_ring", "seconds", "offset"),
    *("id", "napi_id", "inflight", "rx_buf_len", "returned", "restarts", "bundles", "token"),
    *("segments", "refused", "kept", "wrong"),
)
PRINTED: Kinds = {
    **dict.fromkeys(_LISTS, Objects),
    **dict.fromkeys(_NUMBERS, (float, type(None))),
    **dict.fromkeys(
        ("queue", "packets", "requeues", "qlen", "time", "sent_ns", "received_ns"), float
    ),
    **dict.fromkeys(("sha256", "parent"), str),
}
"""What our programs, and those of iproute2 and ethtool, print under these names."""


def program(name: str) -> str:
    """How one of our programs is called at either end: it is in the PATH, wherever it lies."""
    return name


def objects(completed: Completed) -> list[dict[str, Any]]:
    """The objects that `ip -json`, `tc -json` or `ethtool --json` printed.

    Raises GuestCommandFailed.
    """
    completed.check()
    return _parsed(completed.argv[0], completed.text, Objects)


def only_object(completed: Completed) -> dict[str, Any]:
    """The same, if it is one alone. Raises GuestCommandFailed."""
    found = objects(completed)
    if len(found) != 1:
        raise GuestCommandFailed(f"{completed.argv[0]} printed {len(found)} objects, not one")
    return found[0]


def ask_console(
    end: Endpoint, name: str, place: str, running: Running, steps: Sequence[str]
) -> list[dict[str, Any]]:
    """Have the console ``name`` that is ``running`` at ``place`` take steps in one go; its answers.

    Raises GuestCommandFailed if it is gone, or ended because a step makes no sense.
    """
    lines = "".join(f"{step}\n" for step in steps).encode()
    words = [program(name), "--ask", place]
    done = end.run(words, input=lines, check=False, timeout_s=STEP_TIMEOUT_S)
    answers = done.text.splitlines()
    if done.returncode or len(answers) != len(steps):
        output = running.kill().error_text.strip() or done.error_text.strip()
        raise GuestCommandFailed(f"{'; '.join(steps)}: {output}")
    return [_parsed(name, answer, dict) for answer in answers]


def result_of(completed: Completed) -> dict[str, Any]:
    """The JSON object a program printed last. Raises GuestCommandFailed, also for what it lacks."""
    completed.check()
    lines = completed.text.splitlines()
    return _parsed(completed.argv[0], lines[-1] if lines else "", dict)


def lines_of(name: str, text: str) -> list[dict[str, Any]]:
    """The JSON objects that the program ``name`` printed, one a line. Raises GuestCommandFailed."""
    return [_parsed(name, line, dict) for line in text.splitlines()]


def _parsed(name: str, text: str, kind: type[T]) -> T:
    return parse(
        text, kind, lambda wrong: GuestCommandFailed(f"{name} printed no result: {wrong}"), PRINTED
    )
