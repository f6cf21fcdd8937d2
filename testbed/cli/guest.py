# SPDX-License-Identifier: GPL-2.0-only
"""``testbed shell`` and ``testbed exec``: a guest with the card up, by hand."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from testbed.artifacts.copies import Copy, copies_of
from testbed.artifacts.prepare import Artifacts
from testbed.cli.options import RunFolder, Strict, run_options
from testbed.cli.own import (
    Module,
    OwnProgram,
    Push,
    Root,
    With,
    Zcrx,
    ZcrxPort,
    with_program,
)
from testbed.cli.progress import errors, progress, tell_end
from testbed.cli.seen import tell_seen
from testbed.dut.own_program import PORT
from testbed.engines.open import build_options
from testbed.engines.session import Session
from testbed.engines.shell import run_interactive, run_script, stream_command
from testbed.job.by_hand import HandRequest, Work, run_by_hand


def _by_hand(
    given: Mapping[str, Any], job: str, words: Sequence[str], work: Work, *,
    runs: Path | None, strict: bool, quiet: bool,
) -> int:  # fmt: skip
    request = HandRequest(
        job=job, options=build_options(given), command=["testbed", *sys.argv[1:]], words=words,
        runs=runs, strict=strict, console=None if quiet else errors,
    )  # fmt: skip
    report, directory = run_by_hand(request, work, progress)
    tell_seen(report.seen, directory.path, quiet=quiet)
    tell_end(report)
    return report.exit_code


def _copies(words: Sequence[str] | None) -> list[Copy]:
    artifacts = Artifacts(report=progress)
    return copies_of(words or [], lambda: artifacts.build_root)


@run_options(without=["lab", "dut"])
def shell(
    given: Mapping[str, Any], run_dir: RunFolder = None, push: Push = None, with_: With = None,
    root: Root = None, module: Module = None, zcrx: Zcrx = False, zcrx_port: ZcrxPort = PORT,
    strict: Strict = False,
) -> None:  # fmt: skip
    """Open a prompt in a guest with the card up (Ctrl-] leaves); runs a script from a pipe.

    A line at the end for each violation, kernel complaint and finding. The status of the script, or
    of the shell at the prompt, is ours.
    """
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    program = OwnProgram(_copies(push), zcrx_port if zcrx else None)

    def prompt(session: Session) -> int:
        return run_interactive(session, errors, program.ready(session, session.dut))

    def script(session: Session) -> int:
        text = sys.stdin.buffer.read()
        return run_script(session, text, program.ready(session, session.dut))

    raise typer.Exit(
        _by_hand(
            with_program(given, with_, root, module), "shell",
            ["a prompt" if interactive else "a script"], prompt if interactive else script,
            runs=run_dir, strict=strict, quiet=not interactive,
        )
    )  # fmt: skip


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
    push: Push = None,
    with_: With = None,
    root: Root = None,
    module: Module = None,
    zcrx: Zcrx = False,
    zcrx_port: ZcrxPort = PORT,
    strict: Strict = False,
) -> None:
    """Run one command in a guest with the card up and return its exit status.

    A line at the end, on standard error, for each violation, kernel complaint and finding.
    """
    our_input = sys.stdin.buffer.read() if stdin else None
    program = OwnProgram(_copies(push), zcrx_port if zcrx else None)

    def run(session: Session) -> int:
        endpoint = session.remote if remote else session.dut
        place = program.ready(session, endpoint)
        return stream_command(endpoint, command, our_input, timeout, place)

    raise typer.Exit(
        _by_hand(
            with_program(given, with_, root, module), "exec", command, run, runs=run_dir,
            strict=strict, quiet=not errors.is_terminal,
        )
    )  # fmt: skip
