# SPDX-License-Identifier: GPL-2.0-only
"""What a run directory shows of one failure, for the site: logs, trace and capture.

Guests wrote most of it. Sizes are bounded, no link is followed, and text is escaped.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import UsageProblem
from testbed.host.terminal import escape
from testbed.report import perfetto
from testbed.report.kernel_messages import KERNEL_LOG, with_kernel
from testbed.report.limits import shorten_line
from testbed.report.rundir import LATEST
from testbed.report.trace import FILE_NAME as TRACE
from testbed.report.trace import Reader, Record, Topic

TIMELINE = "timeline.perfetto.json"
BEFORE, AFTER = 40, 60
"""Lines of a log around what is looked for."""

RECORDS = 60
"""Of the trace, in front of the first violation, or of the end."""

MOST_LOG_BYTES = 16 << 20
MOST_TRACE_BYTES = 64 << 20
MOST_FILES = 2000
_TOLD = frozenset(Topic) - {Topic.CONFIG, Topic.OTHER}


@dataclass(frozen=True)
class Excerpt:
    """Lines of a log, of which number ``found`` (from 0) is what was looked for."""

    lines: tuple[str, ...]
    found: int | None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Of one failure: what its process printed of it, kernel log, trace. ``files`` are (name, path
    from the site) of what there is to look at."""

    output: Excerpt
    log: Excerpt
    trace: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def log_around(file: Path, words: Sequence[str]) -> Excerpt:
    """The lines around the first of ``words`` that the log has; without any, its end."""
    try:
        with file.open("rb") as stream:
            text = stream.read(MOST_LOG_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return Excerpt((), None)
    lines = text.splitlines()
    for word in filter(None, words):
        number = next((n for n, line in enumerate(lines) if word in escape(line)), None)
        if number is not None:
            first = max(0, number - BEFORE)
            return Excerpt(_shown(lines[first : number + AFTER]), number - first)
    return Excerpt(_shown(lines[-AFTER:]), None)


def _shown(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(shorten_line(escape(line)) for line in lines)


def trace_around(file: Path) -> tuple[str, ...]:
    """Records up to the first violation and some after it; without one, the last."""
    kept: deque[Record] = deque(maxlen=RECORDS)
    after = 0
    with suppress(UsageProblem, OSError):
        if file.stat().st_size > MOST_TRACE_BYTES:
            return (f"[{file.name} is too long to be shown]",)
        for record in Reader(file):
            if record.topic not in _TOLD or record.is_activity:
                continue
            kept.append(record)
            after += bool(after) or record.topic is Topic.VIOLATION
            if after > RECORDS // 3:
                break
    return tuple(record.line() for record in kept)


def real_run(folder: Path) -> Path:
    """The run directory of an attempt's: what its `latest` points to, if that is beside it."""
    latest = folder / LATEST
    if latest.is_symlink():
        target = folder / latest.readlink()
        return target if target.parent == folder else folder
    return latest


def link_run(run: Path, target: Path) -> bool:
    """Have all files of a run directory in ``target``, as hard links where the file system has
    them. False if there is no such run any more. Raises OSError."""
    if not run.is_dir():
        return False
    count = 0
    for place, folders, names in os.walk(run):
        folders[:] = sorted(name for name in folders if not Path(place, name).is_symlink())
        there = target / Path(place).relative_to(run)
        there.mkdir(parents=True, exist_ok=True)
        for name in sorted(names):
            path = Path(place, name)
            if path.is_symlink() or not path.is_file() or count >= MOST_FILES:
                continue
            count += 1
            try:
                os.link(path, there / name)
            except OSError:
                shutil.copyfile(path, there / name)
    return True


def evidence_of(
    run: Path, machine: str, words: Sequence[str], output: Excerpt, site: Path, linked: Path
) -> Evidence:
    """Of a failure on ``machine``, a folder of ``run``, which is ``linked`` below ``site``.

    ``words`` are looked for in the kernel log, ``output`` is what was printed.
    The timeline is written beside the trace. Raises OSError.
    """
    folder = run / machine if machine and ".." not in Path(machine).parts else run
    if not folder.is_dir():
        folder = run
    there = linked / folder.relative_to(run)
    trace = folder / TRACE
    if trace.is_file() and trace.stat().st_size <= MOST_TRACE_BYTES:
        with suppress(UsageProblem):
            text = perfetto.render({machine or "card": with_kernel(Reader(trace))})
            (there / TIMELINE).write_text(text, encoding="utf-8")
    files = [
        (escape(path.name), str(path.relative_to(site)))
        for path in sorted(there.iterdir())
        if path.is_file()
    ]
    if there != linked:
        files += [(escape(path.name), str(path.relative_to(site)))
                  for path in sorted(linked.glob("summary.*"))]  # fmt: skip
    return Evidence(
        output=output, log=log_around(folder / KERNEL_LOG, words), trace=trace_around(trace),
        files=tuple(files),
    )  # fmt: skip
