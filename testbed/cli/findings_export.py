# SPDX-License-Identifier: GPL-2.0-only
"""``testbed findings export`` and ``page``: findings for those who read them elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kernels.scripts import KernelScripts
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.artifacts.translated import translated
from testbed.cli.progress import progress
from testbed.errors import EnvironmentProblem, ExitCode, UsageProblem
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.followup.decode import decoded
from testbed.followup.dossier import read_dossier
from testbed.followup.export import Format, Letter, letters
from testbed.followup.page import write_pages
from testbed.host.terminal import escape

commands = typer.Typer()
"""Commands of the group ``findings``, which mounts them."""


@commands.command()
def export(
    name: Annotated[str, typer.Argument(metavar="ID", help="As `findings list` shows it.")],
    form: Annotated[
        Format, typer.Option("--format", help="A report with its patch, or the patch for git am.")
    ] = Format.MAIL,
    base: Annotated[
        str | None, typer.Option(help="Kernel whose MAINTAINERS and scripts are asked.  [7.2]")
    ] = None,
    tree: Annotated[Path | None, typer.Option(help="The same, a tree of yours.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write files into this folder, not to standard output.")
    ] = None,
) -> None:
    """Print the mail that the maintainers want; what to do before sending it is told beside it.

    Exit code 1: checkpatch.pl complains of the patch.
    """
    dossier = read_dossier(Findings(load_findings())[name])
    kernels = SourceKernels(report=progress)
    source = kernels.fetch(KernelRequest(base=base, tree=tree))
    with translated():
        scripts = KernelScripts.of(kernels.store, lambda: kernels.archive, source)
        found = letters(decoded(dossier, kernels), scripts, form)
    if not found:
        raise UsageProblem(
            f"{dossier.finding.id} has no patch", remedy=f"put one into kernels/fixes/{name}"
        )
    for letter in found:
        _write(letter, out)
    for line in found[0].notes:
        progress(f"before you send it: {escape(line)}")
    for line in found[0].wrong:
        progress(f"checkpatch: {escape(line)}")
    if found[0].wrong:
        raise typer.Exit(int(ExitCode.TEST_FAILURE))


def _write(letter: Letter, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(letter.text)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / letter.name).write_text(letter.text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{out} cannot be written: {error.strerror}") from error
    progress(str(out / letter.name))


@commands.command()
def page(
    out: Annotated[Path, typer.Option(help="Folder for index.html and a page of each finding.")],
    with_private: Annotated[
        bool, typer.Option("--with-private", help="Also what is not public: not for others.")
    ] = False,
) -> None:
    """Write all findings as static web pages."""
    dossiers = [read_dossier(finding) for finding in load_findings()]
    progress(str(write_pages(out, dossiers, everything=with_private)))
