# SPDX-License-Identifier: GPL-2.0-only
"""A signal while the program still starts is one line and its exit code; at its end, nothing."""

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


BLOCKED = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [{number}])
os.kill(os.getpid(), {number})
from testbed.cli.entry import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", [PROGRAM, BLOCKED], ids=["imports", "blocked by ./tb"])
def test_signal_before_there_is_a_command(number: signal.Signals, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program.format(number=int(number)), "doctor"], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (
        128 + number, "", f"interrupted by {number.name}\n",
    )  # fmt: skip


AT_THE_END = """
import os, sys
from testbed.cli.entry import main
class Last:
    def __del__(self, kill=os.kill, me=os.getpid()):
        kill(me, {number})
sys.argv[1:] = ["kernels", "--help"]
sys.last = Last()  # goes after Python has taken its signal handlers back
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_while_python_itself_ends_changes_nothing(number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END.format(number=int(number))], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
