# SPDX-License-Identifier: GPL-2.0-only
"""``testbed lab``: what a lab.toml describes, and a stand-in for a lab."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from testbed.cli.as_json import AsJson, print_json
from testbed.cli.measured import conclude_command
from testbed.cli.options import REQUIRED, RunFolder, run_options
from testbed.cli.progress import errors, progress
from testbed.cli.seen import telling
from testbed.engines.lab.config import COMMANDS_VARIABLE
from testbed.engines.lab.engine import ENGINE as LAB
from testbed.engines.open import build_options
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.engines.session import Session
from testbed.engines.stand_in import DUT_NAME, StandIn
from testbed.host.console import console as console_of
from testbed.options import RunOptions
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory

POLL_S = 0.5
lab = typer.Typer(help="Machines with a real card, over SSH; see docs/lab.md.")


@lab.command("stand-in")
@run_options("kernel", "accel", "cpus", "memory_mib", "seed")
def stand_in(given: Mapping[str, Any], run_dir: RunFolder = None) -> None:
    """Boot a guest with the emulated card that is reached over SSH only, until Ctrl-C.

    Prints the name of its lab.toml, and at the end a line for each violation, kernel complaint and
    finding: its card sees what no lab can.
    """
    options = build_options({**given, "engine": QEMU.name})

    def serve(directory: RunDirectory, report: RunReport) -> None:
        ready, prepared = QEMU.prepare(options, progress)
        QEMU.describe(ready, report)
        with telling(StandIn(ready, directory.path, prepared, errors), report) as session:
            print(session.lab_file, flush=True)
            words = f"testbed lab check --lab {session.lab_file} --dut {DUT_NAME}"
            progress(f"try: {COMMANDS_VARIABLE}=1 {words}")
            while True:
                time.sleep(POLL_S)
                session.check()

    conclude_command("lab-stand-in", "The machine was served", run_dir, serve)


@lab.command("check")
@run_options("lab", "dut", lab=REQUIRED)
def check(given: Mapping[str, Any], run_dir: RunFolder = None, as_json: AsJson = False) -> None:
    """Log in, save the interface's state, say what tests will find, and put it back."""
    options = RunOptions(engine=LAB.name, **given)
    found: dict[str, Any] = {}

    def look(directory: RunDirectory, report: RunReport) -> None:
        ready, prepared = LAB.prepare(options, progress)
        LAB.describe(ready, report)
        console = console_of()
        with telling(LAB.session(ready, directory.path, prepared, errors), report) as session:
            report.kernel_release = session.kernel_release
            if as_json:
                found.update(_facts(session, prepared.dut.login.host, directory.path))
                return
            console.print(f"{session.dut.netdev} on {prepared.dut.login.host}, Linux", end=" ")
            console.print(session.kernel_release)
            able = session.dut.capabilities
            for capability in sorted(session.dut.offered | able):
                mark = "has" if capability in able else "lacks"
                console.print(f"  {mark:5} {capability.value}")
        console.print("the interfaces are as they were found")

    conclude_command("lab-check", "The machine can be used, and is as it was found", run_dir, look)
    if as_json:  # once it is put back
        print_json(found)


def _facts(session: Session, host: str, folder: Path) -> dict[str, Any]:
    able = session.dut.capabilities
    return {
        "host": host, "interface": session.dut.netdev, "kernel_release": session.kernel_release,
        "run_directory": str(folder),
        "capabilities": {one.value: one in able for one in sorted(session.dut.offered | able)},
    }  # fmt: skip
