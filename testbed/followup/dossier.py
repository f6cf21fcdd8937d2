# SPDX-License-Identifier: GPL-2.0-only
"""All that is on record about one finding, for those who write it up: mails and web pages.

Text, reproducer, what the kernel said (out of the logs that are kept as evidence), and the fix.
Nothing here is escaped but the lines of kernel logs, which a guest has written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import tomli_w

from kernels.patches import FIXES, RACES, PatchProblem, load_series
from kernels.version import KernelVersion
from testbed.errors import ConfigProblem, UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.findings.kernel_log import KernelLogWatcher, Splat
from testbed.findings.load import FENCE, Finding
from testbed.findings.splat_report import SplatReport, plain, reports
from testbed.followup import evidence
from testbed.workloads.table import WORKLOADS

FIXES_TAG = "Fixes: "
TRACE_LINES = 100
GRAVITY = (
    Splat.KASAN, Splat.KFENCE, Splat.OOPS, Splat.BUG, Splat.PANIC, Splat.UBSAN, Splat.REFCOUNT,
)  # fmt: skip
"""Which of several complaints tells most; of others, and of equals, the first."""
TAINTING = (Splat.WARNING, Splat.DMA_API, Splat.LOCKDEP, *GRAVITY)

LINES_OF = KernelVersion.parse("7.2.12")
"""The kernel whose lines the texts name (docs/findings/README.md)."""

OURS = "In this testbed"
"""Heading of the part of a text that is for those who have this tree."""

_BANNER = re.compile(r"Linux version (\S+)")
_ADDRESS = re.compile(r"(?<= )\[<[0-9a-f]+>\] ")
_GUESS = re.compile(r"\s+\? \S+\+0x")
_FRAME = re.compile(r"\s+[\w.]+\+0x")


@dataclass(frozen=True)
class Listing:
    """A file, or a plan: `name` says what it is."""

    name: str
    text: str


@dataclass(frozen=True)
class Trace:
    """What the kernel `release` (of that flavour) said when the finding showed, line by line.

    `image_sha256` of what booted, "" where it is not known. `decoded`: places in functions are
    lines of files. `earlier`: what else it had complained of by then, which taints it.
    """

    version: KernelVersion
    flavour: str
    release: str
    lines: tuple[str, ...]
    image_sha256: str = ""
    decoded: bool = False
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dossier:
    """One finding: `text` and `ours` are Markdown, `patches` whole files, `traces` newest first.

    `unread` names evidence that cannot be read, and why.
    """

    finding: Finding
    text: str
    ours: str = ""
    reproducers: tuple[Listing, ...] = ()
    traces: tuple[Trace, ...] = ()
    patches: tuple[Listing, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def fixes(self) -> list[str]:
        """What the patches' Fixes: lines name, as they name it."""
        lines = [line for patch in self.patches for line in patch.text.splitlines()]
        named = [line.removeprefix(FIXES_TAG) for line in lines if line.startswith(FIXES_TAG)]
        return list(dict.fromkeys(named))

    @property
    def kernels(self) -> list[KernelVersion]:
        """Those it was checked on, the newest first."""
        return sorted({one.kernel for one in self.finding.checked}, reverse=True)


def read_dossier(finding: Finding, fixes: Path = FIXES) -> Dossier:
    """What is on record. Raises UsageProblem for a file that is named, but is not there."""
    text, ours = _parts(finding.path.read_text(encoding="utf-8"))
    unread: list[str] = []
    return Dossier(
        finding=finding, text=text, ours=ours, reproducers=tuple(_reproducers(finding)),
        traces=tuple(_traces(finding, unread.append)),
        patches=tuple(_patches(finding, fixes)), unread=tuple(unread),
    )  # fmt: skip


def _parts(file: str) -> tuple[str, str]:
    """The text without its heading, and the part under the heading OURS."""
    text = file.split(f"{FENCE}\n", 2)[2]
    text = re.sub(r"\A\s*# .*\n", "", text)
    match = re.search(rf"^## {OURS}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        return text.strip() + "\n", ""
    rest = text[: match.start()] + text[match.end() :]
    return rest.strip() + "\n", match[1].strip() + "\n"


def _reproducers(finding: Finding) -> list[Listing]:
    found: list[Listing] = []
    named = finding.reproducer
    race = RACES / f"{finding.id}.patch"
    if race.is_file():
        what = "Patch for the kernel, which keeps the window open"
        found.append(Listing(what, race.read_text(encoding="utf-8")))
    for name in (named.script, named.schedule):
        if name is None:
            continue
        path = finding.folder / name
        if not path.is_file():
            raise UsageProblem(f"{finding.path}: the reproducer {path} does not exist")
        found.append(Listing(name, path.read_text(encoding="utf-8")))
    if named.fault is not None:
        fault = load_catalogue().get(named.fault)
        if fault is None:
            raise UsageProblem(f"{finding.path}: the catalogue has no fault {named.fault!r}")
        work = WORKLOADS[fault.workload].purpose
        plan = _without_version(fault.document())
        what = f"Plan for the card: {fault.title}. Meanwhile: {work}"
        found.append(Listing(what, tomli_w.dumps(plan)))
    return found


def _without_version(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "version"}


def _patches(finding: Finding, fixes: Path) -> list[Listing]:
    folder = fixes / finding.id
    if not folder.exists():
        return []
    try:
        series = load_series(folder)
    except PatchProblem as problem:
        raise UsageProblem(str(problem)) from problem
    newest = max((one.kernel for one in finding.checked), default=None)
    wanted = [patch for patch in series.patches if newest is None or patch.wanted_for(newest)]
    return [Listing(patch.name, patch.text) for patch in wanted]


def _traces(finding: Finding, tell: Callable[[str], None]) -> list[Trace]:
    """What the kernels said that showed it, the newest first."""
    found: list[Trace] = []
    for folder in (finding.folder / evidence.FOLDER).glob("*"):
        try:
            trace = _trace(finding, folder)
        except (OSError, ValueError, ConfigProblem) as error:
            tell(f"{folder} cannot be read: {error}")
            continue
        if trace is not None:
            found.append(trace)
    return sorted(found, key=lambda trace: (trace.version, trace.flavour), reverse=True)


def _trace(finding: Finding, folder: Path) -> Trace | None:
    """The complaint that is the finding's; None where the kernel says nothing of it."""
    version = KernelVersion.parse(folder.name)
    text = evidence.read_log(folder)
    watcher = KernelLogWatcher()
    watcher.feed(text + b"\n")
    banner = _BANNER.search(text.decode(errors="replace"))
    all_of_it = reports(watcher.events)
    of_it = [report for report in all_of_it if finding.explains(report)]
    if not of_it:
        return None
    report = min(of_it, key=lambda one: _rank(one.sanitizer))
    lines = [_ADDRESS.sub("", plain(line)) for event in report.events for line in event.excerpt]
    kernel = _kernel(folder / evidence.RUN_FILE)
    return Trace(
        version, folder.name.removeprefix(f"{version}-"), banner[1] if banner else "",
        tuple(_without_guesses(lines)[:TRACE_LINES]), kernel.get("image sha256", ""),
        earlier=tuple(_tainting(all_of_it, report)),
    )  # fmt: skip


def _tainting(said: Sequence[SplatReport], until: SplatReport) -> list[str]:
    """What came before it and taints a kernel, a warning or worse; the first of its kind each."""
    before = takewhile(lambda one: one is not until, said)
    found: dict[str, str] = {}
    for one in before:
        if one.sanitizer in TAINTING:
            found.setdefault(one.signature, plain(one.headline))
    return list(found.values())


def _rank(sanitizer: str) -> int:
    return GRAVITY.index(Splat(sanitizer)) if sanitizer in GRAVITY else len(GRAVITY)


def _without_guesses(lines: Sequence[str]) -> Sequence[str]:
    """Frames that the kernel only guesses are left out where it knows others."""
    guesses = [line for line in lines if _GUESS.match(line)]
    frames = [line for line in lines if _FRAME.match(line)]
    return [line for line in lines if line not in guesses] if frames else lines


def _kernel(run: Path) -> dict[str, str]:
    """What a run's file says of its kernel. Raises ValueError."""
    if not run.is_file():
        return {}
    told = tomllib.loads(run.read_text(encoding="utf-8")).get("kernel", {})
    return {str(name): str(value) for name, value in told.items()}
