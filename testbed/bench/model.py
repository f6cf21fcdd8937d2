# SPDX-License-Identifier: GPL-2.0-only
"""The card alone: the programs of tests/bench in processes of their own, and what they print."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from testbed import ROOT
from testbed.errors import GuestCommandFailed, UsageProblem
from testbed.host.child import run_python
from testbed.host.load import LoadSeen

LIMIT_S = 1800.0
PROGRAMS = ROOT / "tests" / "bench"


@dataclass(frozen=True)
class Part:
    """A program that prints one JSON object: what was measured -> microseconds, or several by name.

    ``requires``: a Python package that it imports and that is none of ours.
    """

    title: str
    words: tuple[str, ...]
    requires: str = ""


PARTS = {
    "latency": Part("of the card's process, from request to answer", ("tests.bench.latency",)),
    "receive": Part("of a received frame, without transport", ("tests.bench.rx_path",), "scapy"),
    "oracle": Part("of a frame, without and with the oracle", ("tests.bench.rx_path", "--oracle"),
                   "scapy"),
}  # fmt: skip

Measured = Mapping[str, Mapping[str, Any]]
"""Part -> what it printed."""


def missing() -> dict[str, str]:
    """Parts that cannot be measured here, and the package that they lack.

    Raises UsageProblem where there is no tests/bench: in an installed testbed.
    """
    if not PROGRAMS.is_dir():
        raise UsageProblem(
            "bench model needs a clone of the testbed, with its tests", remedy="git clone it"
        )
    lacks = {name: part.requires for name, part in PARTS.items() if part.requires}
    return {name: one for name, one in lacks.items() if importlib.util.find_spec(one) is None}


def measure(left_out: Mapping[str, str], folder: Path, say: Callable[[str], None]) -> Measured:
    """Every part that is not left out, one after the other; their logs are in ``folder``.

    Raises GuestCommandFailed for a part that ends with an error, EnvironmentProblem.
    """
    found = {}
    for name, part in PARTS.items():
        if name in left_out:
            continue
        log = folder / f"{name}.log"
        done = run_python(["-m", *part.words, "--json"], log, LIMIT_S)
        if done.returncode:
            raise GuestCommandFailed(f"{part.words[0]}: {done.reason}", log_path=log)
        found[name] = json.loads(done.last_line)
        say(f"{name} is measured")
    return found


def table(found: Measured) -> Table:
    """For a terminal."""
    shown = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("microseconds")
    shown.add_column("", justify="right")
    for part, values in found.items():
        shown.add_row(PARTS[part].title, "", style="bold")
        for name, value in values.items():
            several = value.items() if isinstance(value, dict) else (("", value),)
            shown.add_row(name, ", ".join(f"{word} {one:.2f}".strip() for word, one in several))
    return shown


def document(
    found: Measured, left_out: Mapping[str, str], load: LoadSeen, commit: str | None
) -> dict[str, Any]:
    """For programs; microseconds."""
    return {
        "commit": commit, "load": load.document(), "parts": dict(found),
        "left_out": dict(left_out),
    }  # fmt: skip
