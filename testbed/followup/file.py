# SPDX-License-Identifier: GPL-2.0-only
"""Makes the record of a finding out of a run that showed it, to be completed by a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from shlex import join
from typing import Any

import tomli_w

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.findings.head import Impact, Needs, Status, Trigger
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher, Splat
from testbed.findings.load import FENCE, FOLDER, Finding, load_findings, read_finding
from testbed.findings.splat_report import SplatReport, reports
from testbed.followup import evidence
from testbed.followup.replay import Summary, kernel_logs, read_summary
from testbed.host.terminal import escape
from testbed.report.results import Outcome

SCHEDULE = "schedule.json"
"""In the run directory of a schedule, and in the folder of a finding that it shows."""

TO_FILL = "TO BE FILLED IN"
MOST_SPLATS = 3
LINES_SHOWN = 40
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\+0x\S+|\b\d+\b|(?<=\.c):\S+")
_BUILT_IN = re.compile(r"(?<!\S)/\S*?/(?:source|linux-\d[^/\s]*)/")
"""Where a kernel was compiled, before the name of a source file: ours, and Debian's."""
_IMPACTS = (
    ("use-after-free", Impact.USE_AFTER_FREE), ("out-of-bounds", Impact.MEMORY_CORRUPTION),
    ("leak", Impact.RESOURCE_LEAK), ("unreferenced", Impact.RESOURCE_LEAK),
)  # fmt: skip
_SUBSYSTEMS = (
    ("drivers/net/ethernet/broadcom/bnxt/", "bnxt_en"), ("io_uring/", "io_uring"),
    ("net/core/devmem", "net: devmem"), ("net/core/page_pool", "page_pool"), ("net/", "net"),
    ("drivers/dma-buf/", "dma-buf"), ("kernel/dma/", "dma-mapping"),
)  # fmt: skip


_SAID_OF_THE_CARD = (Splat.DRIVER_ERROR, Splat.HWRM_FAILURE)
"""What the driver says of a card that refuses: beside a complaint of the kernel it is no bug."""


@dataclass(frozen=True)
class Seen:
    """What of a run is to be put on record.

    :ivar failed: the check that failed, as summary.json has it; None of a run without checks.
    :ivar splats: what the kernel said that is not on record.
    """

    run: Path
    summary: Summary
    kernel: GuestKernel
    failed: Mapping[str, Any] | None
    splats: Sequence[SplatReport]


@dataclass(frozen=True)
class Known:
    """What is known of a finding that a run directory does not say.

    :ivar head: keys of the head, in the place of those that are guessed.
    :ivar text: Markdown, before the cause.
    :ivar deterministic: every run shows it.
    """

    head: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    deterministic: bool = False


def look(run: Path, check: str | None = None) -> Seen:
    """What is wrong in run directory ``run``, in the check of that name or the first that failed.

    Raises UsageProblem if nothing is.
    """
    summary = read_summary(run)
    if summary is None or not summary["kernel_release"]:
        raise UsageProblem(f"{run} is no run directory of a kernel that booted")
    failed = [one for one in summary["checks"] if one["outcome"] == Outcome.FAIL]
    names = ", ".join(one["name"] for one in failed)
    if check is not None:
        failed = [one for one in failed if one["name"] == check]
        if not failed:
            raise UsageProblem(f"no check {check!r} failed", remedy=f"failed: {names or 'none'}")
    watcher = KernelLogWatcher()
    for path in kernel_logs(run):
        watcher.feed(path.read_bytes() + b"\n")
    kernel = GuestKernel.of(summary["kernel_release"], watcher.build, stock=_is_stock(summary))
    chosen = max(failed, key=lambda one: bool(one["splats"]), default=None)
    said = reports(watcher.events) if chosen is None else [_report(one) for one in chosen["splats"]]
    on_record = load_findings()
    splats = [one for one in said if not any(known.explains(one) for known in on_record)]
    if chosen is None and not splats:
        raise UsageProblem(f"nothing in {run} is wrong that is not on record")
    graver = [one for one in splats if one.sanitizer not in _SAID_OF_THE_CARD]
    return Seen(run, summary, kernel, chosen, (graver or splats)[:MOST_SPLATS])


def _is_stock(summary: Summary) -> bool:
    """Whether the kernel is of a package, or built of one without patches."""
    provenance = summary["provenance"]
    packaged = ("kernel source version", "kernel packages linux-")
    of_package = any(name.startswith(packaged) for name in provenance)
    return of_package and not provenance.get("kernel patches")


def _report(document: Mapping[str, Any]) -> SplatReport:
    names = {one.name for one in fields(SplatReport)} - {"events"}
    given = {name: value for name, value in document.items() if name in names}
    return SplatReport(**{**given, "trace": tuple(given["trace"])})


def new_path(name: str, folder: Path = FOLDER) -> Path:
    """The file of a finding to be. Raises UsageProblem if the name is taken or is none."""
    path = folder / f"{name}.md"
    if not _NAME.fullmatch(name):
        raise UsageProblem(f"{name!r} is no id", remedy="small letters and digits, - between words")
    if path.exists():
        raise UsageProblem(f"{path} exists", remedy="choose another id")
    return path


def file_finding(
    name: str, seen: Seen, folder: Path = FOLDER, known: Known | None = None
) -> tuple[Finding, list[str]]:
    """Write the record of a new finding, with evidence beside it; what a person has to add.

    Raises UsageProblem if the name is taken or is none, EnvironmentProblem.
    """
    path = new_path(name, folder)
    known = known or Known()
    head, script = _head(name, seen)
    head |= known.head
    head["reproducer"]["deterministic"] = known.deterministic
    try:
        if script:
            file = folder / name / head["reproducer"].get("schedule", "reproduce.sh")
            file.parent.mkdir(exist_ok=True)
            file.write_text(script, encoding="utf-8")
            file.chmod(0o755 if file.suffix == ".sh" else 0o644)
        text = f"{FENCE}\n{_toml(head)}{FENCE}\n{_text(head['title'], seen, known.text)}"
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise EnvironmentProblem(f"{path} cannot be written: {err.strerror}") from err
    finding = read_finding(path)
    evidence.keep(finding, seen.kernel, seen.run)
    return finding, _to_do(finding, seen)


def _head(name: str, seen: Seen) -> tuple[dict[str, Any], str]:
    summary, failed, splats = seen.summary, seen.failed, seen.splats
    where = next((one.location for one in splats if one.location), None)
    file = _BUILT_IN.sub("", where.rpartition(":")[0]) if where else ""
    fits = (title for prefix, title in _SUBSYSTEMS if prefix in file)
    subsystem = next(fits, TO_FILL)
    what = str(failed["title"]) if failed is not None else TO_FILL
    if splats:
        what = f"{splats[0].kind} in {splats[0].function}"
    is_trial = summary["job"] == "faults"
    group = "" if failed is None else str(failed["group"])
    group = group if group.startswith("tests/") else ""
    reproducer: dict[str, Any] = {"engine": summary["engine"], "flavour": seen.kernel.flavour}
    if summary["seed"] is not None:
        reproducer["seed"] = summary["seed"]
    script = _schedule(seen)
    if script:
        reproducer.pop("seed", None)  # the schedule has one
        reproducer["schedule"] = SCHEDULE
        group = "tests/suite/faults"
    elif failed is not None and is_trial:
        reproducer["fault"] = failed["name"]
        group = "tests/suite/faults"
    elif failed is not None and group:
        reproducer["test"] = f"{group}::{re.sub(r' [(](teardown|setup)[)]$', '', failed['name'])}"
    else:
        reproducer["script"] = "reproduce.sh"
        script = _script(seen)
    head: dict[str, Any] = {
        "id": name, "title": f"{subsystem}: {escape(what)}", "status": Status.OPEN.value,
        "first_seen": _day(summary), "needs": _needs(seen).value, "trigger": Trigger.ROOT.value,
        "impact": _impact(splats).value, "subsystem": subsystem, "files": [file or TO_FILL],
        "flavours": [seen.kernel.flavour],
        "tests": [str(Path(group).parent) if group.endswith(".py") else group or "tests/suite"],
    }  # fmt: skip
    if failed is not None and not splats:
        head["failure"] = _failure(str(failed["reason"]))
    if splats:
        head["splat"] = [_splat(one) for one in splats]
    head["reproducer"] = {**reproducer, "deterministic": False}
    if seen.kernel.version is not None and not seen.kernel.stock:
        head["introduced"] = {"version": str(seen.kernel.version)}  # in a tree of somebody's
    elif seen.kernel.version is not None:
        head["checked"] = [
            {
                "kernel": str(seen.kernel.version), "flavour": seen.kernel.flavour,
                "date": head["first_seen"], "runs": 1, "shown": 1,
            }
        ]  # fmt: skip
    return head, script


def _toml(head: Mapping[str, Any]) -> str:
    """As the heads on record are written: a line for each key, then the tables."""
    lines, tables = "", ""
    for key, value in head.items():
        if isinstance(value, list) and isinstance(value[0], dict):
            tables += "".join(f"\n[[{key}]]\n{_toml(one)}" for one in value)
        elif isinstance(value, dict) and key == "reproducer":
            tables += f"\n[{key}]\n{_toml(value)}"
        else:
            lines += f"{key} = {_inline(value)}\n"
    return lines + tables


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_inline(one)}' for key, one in value.items())} }}"
    return tomli_w.dumps({"a": value}).removeprefix("a = ").strip()


def _day(summary: Summary) -> date:
    return date.fromisoformat(str(summary["started_at"])[:10])


def _needs(seen: Seen) -> Needs:
    if seen.summary["job"] != "faults" or seen.failed is None:
        return Needs.NOTHING
    known = load_catalogue().get(str(seen.failed["name"]))
    refused = known is not None and "refused" in known.name
    return Needs.REFUSING_FIRMWARE if refused else Needs.LYING_CARD


def _impact(splats: Sequence[SplatReport]) -> Impact:
    for splat in splats:
        for word, impact in _IMPACTS:
            if word in splat.kind:
                return impact
    if any(one.panicked or one.sanitizer in (Splat.PANIC, Splat.OOPS) for one in splats):
        return Impact.PANIC
    return Impact.WARNING if splats else Impact.WRONG_ANSWER


def _splat(splat: SplatReport) -> dict[str, Any]:
    found: dict[str, Any] = {"sanitizer": str(splat.sanitizer), "title": _pattern(splat.headline)}
    if splat.function:
        found["function"] = splat.function
    return found


def _pattern(text: str) -> str:
    """A regular expression for the text, without the numbers, addresses and folders of one build
    and one run."""
    pieces = _BUILT_IN.split(text.partition(" PID: ")[0])
    parts = [part.strip() for piece in pieces for part in _NUMBERS.split(piece)]
    parts = [re.escape(part).replace("\\ ", " ") for part in parts]
    return ".*".join(part for part in parts if part) or "."


def _failure(text: str) -> str:
    """A regular expression for the first line of a test's failure, with any numbers."""
    line = re.escape(text.strip().partition("\n")[0]).replace("\\ ", " ")
    line = re.sub(r"\b0x[0-9a-f]+\b", r"\\w+", line)
    return re.sub(r"\b\d+\b", r"\\d+", line) or "."


def _schedule(seen: Seen) -> str:
    """The schedule that was run, if it was one."""
    path = seen.run / SCHEDULE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _script(seen: Seen) -> str:
    words = list(seen.summary["command"])
    guest = words[words.index("--") + 1 :] if "--" in words else []
    function = next((one.function for one in seen.splats if one.function), None)
    looked = f"dmesg | grep -q {function}" if function else "false"
    return (
        "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-only\n"
        "# Ends with 0 if the bug is absent, 1 if it has shown, 4 if it cannot tell.\n\n"
        f"{join(guest)}\n{looked} && exit 1\nexit 0\n"
    )


def _text(title: str, seen: Seen, told: str = "") -> str:
    version = seen.kernel.version or seen.kernel.release
    lines = [f"# {title}", "", f"*Seen:* {version}, `{seen.kernel.flavour}`.", ""]
    reason = "" if seen.failed is None else str(seen.failed["reason"])
    if reason:
        lines += ["```", escape(reason), "```", ""]
    for splat in seen.splats:
        trace = " <- ".join(splat.trace[:8])
        lines += ["```", escape(splat.headline), *([f"  {trace}"] if trace else []), "```", ""]
    if told:
        lines += [told, ""]
    return "\n".join([*lines, f"*Cause:* {TO_FILL}", "", f"*Remedy:* {TO_FILL}", ""])


def _to_do(finding: Finding, seen: Seen) -> list[str]:
    left = [f"complete what reads {TO_FILL!r} in {finding.path}; check needs, trigger and impact"]
    shows = finding.reproducer
    if shows.test is not None:
        left.append(f'mark {shows.test} with @pytest.mark.finding("{finding.id}")')
    if shows.fault is not None:
        left.append(f"name the finding in the catalogue's entry {shows.fault}")
    if shows.script is not None:
        left.append(f"make {finding.folder / shows.script} do what shows it, and nothing else")
    return left
