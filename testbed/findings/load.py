# SPDX-License-Identifier: GPL-2.0-only
"""The files of `docs/findings/`: one bug of the kernel each, with a head in TOML.

::

    +++
    id = "zcrx-dma-segment"            # the file's name without .md
    title = "..."
    status = "open"                    # open, reported or fixed
    first_seen = 2026-11-20
    kernels = ["7.2.12"]               # versions it was seen on
    flavours = ["uml-san"]             # kernels that show it: a flavour, or "debian"
    replay = "./tb run --engine uml --flavour uml-san --seed 1"
    failure = "did not recover"        # regex: how a test that is marked with it fails (optional)
    provoked = true                    # only a misbehaving card shows it (optional)
    lasting = true                     # the kernel is not what it was before (optional)
    violations = ["mapping_leaked"]    # what the card says of it to a marked test (optional)

    [[splat]]                          # what the kernel's log says of it (optional)
    sanitizer = "DMA-API"
    function = "io_zcrx_create_area"   # optional
    title = "mapping sg segment"       # regex, searched in the headline

    [[replayed]]                       # how often `replay` was run on one kernel, and showed it
    kernel = "uml-san"                 # a flavour, or "debian"
    runs = 20
    shown = 20
    event_hashes = 1                   # different ones; in simulated time only
    +++
    # Text for people
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from testbed import ROOT
from testbed.errors import ConfigProblem
from testbed.findings.kernel_log import Splat
from testbed.findings.splat_report import SplatReport

FOLDER = ROOT / "docs/findings"
INDEX = "README.md"
DEBIAN = "debian"
FENCE = "+++"

_RELEASE = re.compile(r"(\d+(?:\.\d+)*(?:-rc\d+)?)(?:-testbed-([\w-]+))?")
_KEYS = {
    "id", "title", "status", "first_seen", "kernels", "flavours", "replay", "failure", "provoked",
    "lasting", "splat", "violations", "replayed",
}  # fmt: skip


class Status(StrEnum):
    """How far it has got: on file, told to the maintainers, mended in a later kernel."""

    OPEN = "open"
    REPORTED = "reported"
    FIXED = "fixed"


@dataclass(frozen=True)
class SplatPattern:
    """What a complaint of the kernel has to look like to be the one on file."""

    sanitizer: str
    title: re.Pattern[str]
    function: str | None = None

    def matches(self, report: SplatReport) -> bool:
        """Whether ``report`` is this complaint."""
        return (
            self.sanitizer == report.sanitizer
            and self.function in (None, report.function)
            and self.title.search(report.headline) is not None
        )


@dataclass(frozen=True)
class Replayed:
    """Runs of a finding's replay on one kernel: how many, in how many it showed.

    ``event_hashes``: how many different event hashes they had, 0 where time is not simulated.
    """

    kernel: str
    runs: int
    shown: int
    event_hashes: int = 0


@dataclass(frozen=True)
class Finding:
    """One bug of the kernel on file. ``failure``: how a test that is marked with it fails.

    ``provoked``: only a misbehaving card shows it. It explains nothing in a run that does not ask
    for it: there the same complaint means that the card's model is at fault. ``violations``: rules
    of the card, which knows no functions, so they explain only what a marked test sees.
    ``lasting``: where it has shown, the kernel is of no use to another test.
    """

    id: str
    title: str
    status: Status
    first_seen: datetime.date
    kernels: tuple[str, ...]
    flavours: tuple[str, ...]
    replay: str
    splats: tuple[SplatPattern, ...]
    failure: re.Pattern[str] | None
    path: Path
    provoked: bool = False
    lasting: bool = False
    violations: tuple[str, ...] = ()
    replayed: tuple[Replayed, ...] = ()

    def is_in(self, release: str) -> bool:
        """Whether the kernel with that `uname -r` has it, as far as is known."""
        return kernel_of(release)[0] in self.kernels

    def shows_on(self, release: str) -> bool:
        """Whether that very kernel is known to show it."""
        return self.is_in(release) and kernel_of(release)[1] in self.flavours

    def explains(self, report: SplatReport) -> bool:
        """Whether ``report`` looks like it, on whatever kernel."""
        return any(splat.matches(report) for splat in self.splats)


def kernel_of(release: str) -> tuple[str, str]:
    """Version and flavour of a `uname -r`: 7.2.12-testbed-uml-san, 7.2.12+deb13-amd64."""
    match = _RELEASE.match(release)
    if match is None:
        return release, DEBIAN
    return match[1], match[2] or DEBIAN


def load_findings(folder: Path = FOLDER) -> tuple[Finding, ...]:
    """All findings on file, by id. Raises ConfigProblem."""
    files = sorted(path for path in folder.glob("*.md") if path.name != INDEX)
    return tuple(read_finding(path) for path in files)


def read_finding(path: Path) -> Finding:
    """One file. Raises ConfigProblem, which names file, key and what is allowed."""
    head = _head(path)
    unknown = sorted(head.keys() - _KEYS)
    if unknown:
        raise ConfigProblem(path, unknown[0], "unknown key", allowed=sorted(_KEYS))
    name = _text(path, head, "id")
    if name != path.stem:
        raise ConfigProblem(path, "id", f"{name!r} is not the file's name, {path.stem!r}")
    splats = tuple(_splat(path, table) for table in _tables(path, head, "splat"))
    failure = _regex(path, "failure", head["failure"]) if "failure" in head else None
    violations = _words(path, head, "violations") if "violations" in head else ()
    if not splats and failure is None and not violations:
        raise ConfigProblem(
            path, "splat", "neither a [[splat]], a failure nor violations tell how it shows"
        )
    return Finding(
        id=name,
        title=_text(path, head, "title"),
        replay=_text(path, head, "replay"),
        kernels=_words(path, head, "kernels"),
        flavours=_words(path, head, "flavours"),
        status=_status(path, head),
        first_seen=_date(path, head),
        splats=splats,
        failure=failure,
        path=path,
        provoked=_flag(path, head, "provoked"),
        lasting=_flag(path, head, "lasting"),
        violations=violations,
        replayed=tuple(_replayed(path, table) for table in _tables(path, head, "replayed")),
    )


def _head(path: Path) -> Mapping[str, Any]:
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0] != FENCE or FENCE not in lines[1:]:
        raise ConfigProblem(path, FENCE, f"the file has to begin with a head between two {FENCE}")
    try:
        return tomllib.loads("\n".join(lines[1 : lines.index(FENCE, 1)]))
    except tomllib.TOMLDecodeError as err:
        raise ConfigProblem(path, FENCE, f"the head is no TOML: {err}") from err


def _text(path: Path, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigProblem(path, key, f"{value!r} is no text" if key in table else "is missing")
    return value


def _flag(path: Path, table: Mapping[str, Any], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConfigProblem(path, key, f"{value!r} is not allowed", allowed=["true", "false"])
    return value


def _words(path: Path, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ConfigProblem(path, key, f"{value!r} is no list of texts")
    return tuple(value)


def _status(path: Path, head: Mapping[str, Any]) -> Status:
    try:
        return Status(head.get("status", ""))
    except ValueError as err:
        allowed = [status.value for status in Status]
        problem = f"{head.get('status')!r} is not allowed"
        raise ConfigProblem(path, "status", problem, allowed=allowed) from err


def _date(path: Path, head: Mapping[str, Any]) -> datetime.date:
    value = head.get("first_seen")
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise ConfigProblem(path, "first_seen", f"{value!r} is no date, such as 2026-11-20")
    return value


def _tables(path: Path, head: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = head.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigProblem(path, key, f"has to be tables, [[{key}]]")
    return value


def _only(path: Path, name: str, table: Mapping[str, Any], allowed: Sequence[str]) -> None:
    unknown = sorted(table.keys() - set(allowed))
    if unknown:
        raise ConfigProblem(path, f"{name}.{unknown[0]}", "unknown key", allowed=allowed)


def _replayed(path: Path, table: Mapping[str, Any]) -> Replayed:
    counts = ("runs", "shown", "event_hashes")
    _only(path, "replayed", table, ["kernel", *counts])
    runs, shown, event_hashes = (_count(path, table, key) for key in counts)
    if not shown <= runs or event_hashes > runs:
        raise ConfigProblem(path, "replayed.runs", f"{runs} is less than was counted in them")
    return Replayed(_text(path, table, "kernel"), runs, shown, event_hashes)


def _count(path: Path, table: Mapping[str, Any], key: str) -> int:
    value = table.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigProblem(path, f"replayed.{key}", f"{value!r} is no count")
    return value


def _splat(path: Path, table: Mapping[str, Any]) -> SplatPattern:
    _only(path, "splat", table, ["sanitizer", "function", "title"])
    sanitizer = _text(path, table, "sanitizer")
    kinds = [kind.value for kind in Splat]
    if sanitizer not in kinds:
        problem = f"{sanitizer!r} is not allowed"
        raise ConfigProblem(path, "splat.sanitizer", problem, allowed=kinds)
    function = _text(path, table, "function") if "function" in table else None
    title = _regex(path, "splat.title", table.get("title"))
    return SplatPattern(sanitizer, title, function)


def _regex(path: Path, key: str, value: object) -> re.Pattern[str]:
    if not isinstance(value, str) or not value:
        raise ConfigProblem(path, key, f"{value!r} is no regular expression")
    try:
        return re.compile(value)
    except re.error as err:
        raise ConfigProblem(path, key, f"{value!r} is no regular expression: {err}") from err
