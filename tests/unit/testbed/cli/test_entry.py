# SPDX-License-Identifier: GPL-2.0-only
"""A signal while the program still starts is one line and its exit code."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from testbed import ROOT

PROGRAM = """
import builtins, os, sys
import_module = builtins.__import__
def disturbed(name, *more, **named):
    if name == "typer":
        os.kill(os.getpid(), {number})
    return import_module(name, *more, **named)
builtins.__import__ = disturbed
from testbed.cli.entry import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_during_the_imports(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(number=int(number)), "doctor"], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (
        128 + number, "", f"interrupted by {number.name}\n",
    )  # fmt: skip
