# SPDX-License-Identifier: GPL-2.0-only
"""``testbed trace``: what the card told of a run, as text, as JSON or for Perfetto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from testbed.cli.as_json import AsJson, print_json
from testbed.cli.progress import progress
from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.report import perfetto
from testbed.report.kernel_messages import with_kernel
from testbed.report.rundir import LATEST, RUNS
from testbed.report.trace import Filter, Reader, Record, Topic, traces_of

_TOPICS = ", ".join(topic.value for topic in Topic)


def _topics(text: str | None) -> frozenset[Topic]:
    names = [] if text is None else [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(Topic)]
    if unknown:
        raise UsageProblem(f"--only: there is no {unknown[0]!r}", remedy=f"allowed: {_TOPICS}")
    return frozenset(Topic(name) for name in names)


def trace(
    run: Annotated[
        Path | None, typer.Argument(help=f"A run directory or a trace.jsonl.  [{RUNS}/{LATEST}]")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", help=f"Of these alone: {_TOPICS}.")] = None,
    ring: Annotated[
        int | None, typer.Option("--ring", help="Only what names this ring of the card's.")
    ] = None,
    since: Annotated[float, typer.Option("--since", help="Seconds on the card's clock.")] = 0.0,
    until: Annotated[float | None, typer.Option("--until", help="The same, the end.")] = None,
    perfetto_file: Annotated[
        Path | None,
        typer.Option("--perfetto", metavar="FILE", help="Write a file for ui.perfetto.dev."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show HWRM requests, resets, faults, violations and what else the card told of a run.

    With --perfetto, or if --only names it, what the kernel logged is among it. Doorbells, DMA,
    completions and interrupts are too many to be recorded: of a run with --activity the last are.
    """
    wanted = Filter(only=_topics(only), ring=ring, since_s=since, until_s=until)
    root = run or Path.cwd() / RUNS / LATEST
    readers = {_label(file, root): Reader(file) for file in traces_of(root)}
    with_messages = Topic.KERNEL in wanted.only or (perfetto_file is not None and not wanted.only)

    def chosen(reader: Reader) -> Iterator[Record]:
        records = with_kernel(reader) if with_messages else reader.by_time()
        return (record for record in records if wanted.takes(record))

    if perfetto_file is not None:
        text = perfetto.render({name: chosen(one) for name, one in readers.items()})
        try:
            perfetto_file.write_text(text, encoding="utf-8")
        except OSError as err:
            raise EnvironmentProblem(f"{perfetto_file}: {err.strerror}") from err
    elif as_json:
        print_json([
            {"machine": name, "n": record.number, "t_ns": record.t_ns, "kind": record.kind,
             "topic": record.topic.value, **dict(record.fields)}
            for name, one in readers.items() for record in chosen(one)
        ])  # fmt: skip
    else:
        for name, one in readers.items():
            if len(readers) > 1:
                typer.echo(f"# {name}")
            for record in chosen(one):
                typer.echo(record.line())
    skipped = sum(one.skipped for one in readers.values())
    if skipped:
        progress(f"{skipped} lines are no records")


def _label(file: Path, root: Path) -> str:
    """The folder of a machine within its run."""
    inside = file.parent.relative_to(root) if file != root else Path()
    return str(inside) if inside.parts else root.resolve().name
