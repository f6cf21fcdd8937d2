# SPDX-License-Identifier: GPL-2.0-only
"""The run directory: one folder per run, sorted by time; a report is there whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from testbed.errors import EnvironmentProblem
from testbed.report import html, junit, ktap, summary
from testbed.report.results import RunReport

RUNS = "runs"
LATEST = "latest"
MOST_LISTED = 1000
"""Files that a page links to."""


def now_utc() -> str:
    """The time as ``started_at`` holds it: UTC, ISO 8601, seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class RunDirectory:
    """``path`` holds this run's logs and reports and nothing else.

    A job names it and leaves it to :func:`testbed.report.outcome.conclude` to make it: there is
    none without reports.
    """

    path: Path

    @classmethod
    def named(cls, parent: Path | None = None) -> RunDirectory:
        """``parent``/<time>-<id> (default: ``runs`` in the working directory), not made yet."""
        parent = (parent or Path.cwd() / RUNS).absolute()
        return cls(parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")

    @classmethod
    def create(cls, parent: Path | None = None) -> RunDirectory:
        """Name and make one, for a command without reports. Raises EnvironmentProblem."""
        directory = cls.named(parent)
        directory.make()
        return directory

    def make(self) -> None:
        """Make it, if there is none; ``latest`` beside a new one points to it.

        Raises EnvironmentProblem.
        """
        if self.path.is_dir():
            return
        latest = self.path.with_name(LATEST)
        try:
            self.path.mkdir(parents=True)
            pointer = self.path.with_name(f".{LATEST}-{self.path.name}")
            pointer.symlink_to(self.path.name)
            if latest.is_symlink() or not latest.exists():
                pointer.replace(latest)
            else:
                pointer.unlink()
        except OSError as err:
            with suppress(OSError):
                self.path.rmdir()
            raise EnvironmentProblem(
                f"the run directory {self.path} cannot be made: {err.strerror}",
                remedy="name another place with --run-dir",
            ) from err

    def write(self, name: str, text: str) -> Path:
        """Write one report file, whole or not at all. Raises EnvironmentProblem."""
        target = self.path / name
        partial = self.path / f".{name}.partial"
        try:
            with partial.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(target)
        except OSError as err:
            partial.unlink(missing_ok=True)
            raise EnvironmentProblem(
                f"{target} cannot be written: {err.strerror}",
                remedy="free disk space or name another place with --run-dir",
            ) from err
        return target

    def artifacts(self) -> list[Path]:
        """The files of this run and of folders in it, the page that lists them left out.

        Those of the run itself come first; at most MOST_LISTED, and no links.
        """
        found: list[Path] = []
        for place, folders, names in os.walk(self.path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            paths = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
            found += [
                path
                for path in paths
                if path != self.path / html.FILE_NAME and path.is_file() and not path.is_symlink()
            ]
            if len(found) >= MOST_LISTED:
                break
        return found[:MOST_LISTED]

    def write_reports(self, report: RunReport) -> Path:
        """Write summary.json first (it must exist whatever follows), then the other reports.

        Returns the path of summary.json. Raises EnvironmentProblem.
        """
        written = self.write(summary.FILE_NAME, summary.render(report))
        self.write(ktap.FILE_NAME, ktap.render(report))
        self.write(junit.FILE_NAME, junit.render(report))
        files = [
            (str(entry.relative_to(self.path)), entry.stat().st_size) for entry in self.artifacts()
        ]
        self.write(html.FILE_NAME, html.render(report, files))
        return written
