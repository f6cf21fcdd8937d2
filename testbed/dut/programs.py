# SPDX-License-Identifier: GPL-2.0-only
"""The programs both ends have (images/programs), and the JSON line each prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from testbed.dut.protocols import Completed, Endpoint, Running
from testbed.errors import GuestCommandFailed

STEP_TIMEOUT_S = 60.0


def program(name: str) -> str:
    """How one of our programs is called at either end: it is in the PATH, wherever it lies."""
    return name


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
    return [json.loads(answer) for answer in answers]


def result_of(completed: Completed) -> dict[str, Any]:
    """The JSON object a program printed last. Raises GuestCommandFailed."""
    completed.check()
    lines = completed.text.splitlines()
    try:
        document = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError) as err:
        output = completed.text[-500:]
        raise GuestCommandFailed(f"{completed.argv[0]} printed no result: {output!r}") from err
    if not isinstance(document, dict):
        raise GuestCommandFailed(f"{completed.argv[0]} printed {document!r}, not an object")
    return document
