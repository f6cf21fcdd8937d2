# SPDX-License-Identifier: GPL-2.0-only
"""The programs both ends have (images/programs), and the JSON line each prints."""

from __future__ import annotations

import json
from typing import Any

from testbed.dut.protocols import Completed
from testbed.errors import GuestCommandFailed


def program(name: str) -> str:
    """How one of our programs is called at either end: it is in the PATH, wherever it lies."""
    return name


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
