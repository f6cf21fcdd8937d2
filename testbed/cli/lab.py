# SPDX-License-Identifier: GPL-2.0-only
"""``testbed lab``: what a lab.toml describes, and a stand-in for a lab."""

from __future__ import annotations

import time

import typer
from rich.console import Console
from rich.text import Text

from testbed.cli import options as opt
from testbed.engines.lab.engine import ENGINE as LAB
from testbed.engines.open import build_options
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.engines.stand_in import DUT_NAME, StandIn
from testbed.options import RunOptions
from testbed.report.rundir import RunDirectory

POLL_S = 0.5
lab = typer.Typer(help="Machines with a real card, over SSH; see docs/lab.md.")
errors = Console(stderr=True)


def _say(text: str) -> None:
    errors.print(Text(text, style="dim"))


@lab.command("stand-in")
def stand_in(
    kernel: opt.Kernel = None,
    accel: opt.AccelChoice = None,
    cpus: opt.Cpus = None,
    memory: opt.Memory = None,
    seed: opt.Seed = None,
    run_dir: opt.RunFolder = None,
) -> None:
    """Boot a guest with the emulated card that is reached over SSH only, until Ctrl-C.

    Prints the name of its lab.toml.
    """
    options = build_options(
        {
            "engine": QEMU.name,
            "kernel": kernel,
            "accel": accel,
            "cpus": cpus,
            "memory_mib": memory,
            "seed": seed,
        }
    )
    options, prepared = QEMU.prepare(options, _say)
    directory = RunDirectory.create(run_dir)
    with StandIn(options, directory.path, prepared, errors) as session:
        print(session.lab_file, flush=True)
        _say(f"try: testbed lab check --lab {session.lab_file} --dut {DUT_NAME}")
        while True:
            time.sleep(POLL_S)
            session.check()


@lab.command("check")
def check(lab: opt.LabFile, dut: opt.DutName = None, run_dir: opt.RunFolder = None) -> None:
    """Log in, save the interface's state, say what tests will find, and put it back."""
    options = RunOptions(engine=LAB.name, lab=lab, dut=dut)
    options, prepared = LAB.prepare(options, _say)
    directory = RunDirectory.create(run_dir)
    console = Console()
    with LAB.session(options, directory.path, prepared, errors) as session:
        console.print(f"{session.dut.netdev} on {prepared.dut.login.host}, Linux", end=" ")
        console.print(session.kernel_release)
        able = session.dut.capabilities
        for capability in sorted(session.dut.offered | able):
            mark = "has" if capability in able else "lacks"
            console.print(f"  {mark:5} {capability.value}")
    console.print("the interfaces are as they were found")
