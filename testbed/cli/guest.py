# SPDX-License-Identifier: GPL-2.0-only
"""``testbed shell`` and ``testbed exec``: a guest with the card up, by hand."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import errors, progress
from testbed.engines.open import build_options, new_session, prepare_run
from testbed.engines.session import Session
from testbed.engines.shell import run_interactive, run_script, stream_command
from testbed.options import RunOptions
from testbed.report.rundir import RunDirectory


def open_session(options: RunOptions, run_folder: Path | None, *, quiet: bool) -> Session:
    """Prepare everything and return a session that has not been entered yet."""
    console = None if quiet else errors
    options, prepared = prepare_run(options, progress)
    run_dir = RunDirectory.create(run_folder)
    return new_session(options, run_dir.path, prepared, console)


@run_options(without=["lab", "dut"])
def shell(given: Mapping[str, Any], run_dir: RunFolder = None) -> None:
    """Open a prompt in a guest with the card up (Ctrl-] leaves); runs a script from a pipe."""
    options = build_options(given)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    with open_session(options, run_dir, quiet=not interactive) as session:
        if not interactive:
            raise typer.Exit(run_script(session, sys.stdin.buffer.read()))
        run_interactive(session, errors)
        errors.print(Text(f"logs: {session.run_dir}", style="dim"))


@run_options(without=["lab", "dut"])
def execute(
    command: Annotated[list[str], typer.Argument(help="What to run, after --.")],
    given: Mapping[str, Any],
    run_dir: RunFolder = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Run it at the remote endpoint.")
    ] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Give it our standard input.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", help="Kill it after so many seconds.", min=0.1)
    ] = None,
) -> None:
    """Run one command in a guest with the card up and return its exit status."""
    options = build_options(given)
    our_input = sys.stdin.buffer.read() if stdin else None
    with open_session(options, run_dir, quiet=not errors.is_terminal) as session:
        endpoint = session.remote if remote else session.dut
        raise typer.Exit(stream_command(endpoint, command, our_input, timeout))
