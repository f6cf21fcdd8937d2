# SPDX-License-Identifier: GPL-2.0-only
"""All findings as static pages: a grid of findings and kernels, and a page for each.

What is not public (`testbed.findings.head.Disclosure`) has neither text, reproducer, logs nor patch
on them: these are taken out before a template sees anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from kernels.version import KernelVersion
from testbed.errors import EnvironmentProblem
from testbed.findings.head import Checked, Disclosure, Needs, Status
from testbed.followup.dossier import Dossier
from testbed.followup.markdown import as_html
from testbed.followup.words import (
    IMPACT,
    NEEDS,
    TRIGGER,
    configuration,
    count,
    fixed_on,
    machine,
    newest_first,
    severity,
)
from testbed.report.pages import templates

INDEX = "index.html"
OVER = (Status.FIXED, Status.WONTFIX, Status.LIMITATION, Status.DUPLICATE)
"""Nothing is to be done about these any more: they come last."""


@dataclass(frozen=True)
class Cell:
    """A finding on a kernel: the flavour that shows it best, in figures; `detail` has all."""

    state: str
    text: str
    detail: str


NOT_TRIED = Cell("untried", "·", "not tried")


@dataclass(frozen=True)
class Group:
    """Findings that need the same, the gravest first."""

    title: str
    dossiers: tuple[Dossier, ...]

    @property
    def kernels(self) -> list[KernelVersion]:
        """Those that any of them was tried on, the newest first."""
        return sorted({version for one in self.dossiers for version in one.kernels}, reverse=True)


def page_name(identifier: str) -> str:
    """The page of a finding, beside the index."""
    return f"{identifier}.html"


def published(dossier: Dossier) -> Dossier:
    """What everybody may read of it."""
    if dossier.finding.disclosure is Disclosure.PUBLIC:
        return dossier
    return replace(dossier, text="", ours="", reproducers=(), traces=(), patches=())


def cell(dossier: Dossier, kernel: KernelVersion) -> Cell:
    """What is known of it on that kernel."""
    tried = [one for one in dossier.finding.checked if one.kernel == kernel]
    if not tried:
        return NOT_TRIED
    best = max(tried, key=lambda one: (one.shown / one.runs, one.runs))
    detail = "; ".join(f"{one.flavour}: {count(one)}" for one in tried)
    return Cell(_state(best), f"{best.shown}/{best.runs}", detail)


def _state(checked: Checked) -> str:
    if checked.every_time:
        return "shown"
    return "sometimes" if checked.shown else "gone"


def groups(dossiers: Sequence[Dossier]) -> list[Group]:
    """By what it takes to show them; what is over comes last."""
    ordered = sorted(dossiers, key=lambda one: severity(one.finding))
    found = []
    for needs in Needs:
        of_it = [
            one for one in ordered if one.finding.needs is needs and one.finding.status not in OVER
        ]
        found.append(Group(f"It takes {NEEDS[needs]}", tuple(of_it)))
    over = [one for one in ordered if one.finding.status in OVER]
    found.append(Group("Nothing left to do", tuple(over)))
    return [group for group in found if group.dossiers]


def write_pages(folder: Path, dossiers: Sequence[Dossier], *, everything: bool = False) -> Path:
    """Write index and pages into `folder`; returns the index.

    `everything`: also what is not public. Raises EnvironmentProblem.
    """
    shown = [one if everything else published(one) for one in dossiers]
    environment = templates("testbed.followup")
    environment.filters |= {
        "html": lambda text: Markup(as_html(text)),
        "page": page_name, "configuration": configuration, "machine": machine, "count": count,
        "marked": marked,
    }  # fmt: skip
    words = {"impacts": IMPACT, "needs": NEEDS, "triggers": TRIGGER, "everything": everything}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for dossier in shown:
            page = environment.get_template("finding.html.j2").render(
                dossier=dossier, finding=dossier.finding,
                private=dossier.finding.disclosure is Disclosure.PRIVATE,
                checked=newest_first(dossier.finding), fixed_on=fixed_on(dossier.finding), **words,
            )  # fmt: skip
            (folder / page_name(dossier.finding.id)).write_text(page, encoding="utf-8")
        index = environment.get_template("index.html.j2").render(
            groups=groups(shown), cell=cell, figures=figures(shown),
            private=Disclosure.PRIVATE, **words,
        )  # fmt: skip
        (folder / INDEX).write_text(index, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be written: {error.strerror}") from error
    return folder / INDEX


def figures(dossiers: Sequence[Dossier]) -> list[tuple[str, int, str]]:
    """What the top of the index counts: label, number, and what that means."""
    open_ones = [one for one in dossiers if one.finding.status not in OVER]
    honest = [one for one in open_ones if one.finding.needs is Needs.NOTHING]
    mended = [one for one in open_ones if one.patches]
    private = [one for one in open_ones if one.finding.disclosure is Disclosure.PRIVATE]
    return [
        ("not fixed", len(open_ones), f"of {len(dossiers)} on record"),
        ("need nothing", len(honest), "card and firmware do what they should"),
        ("have a patch", len(mended), "of ours, on these pages"),
        ("not public", len(private), "details once they are reported"),
    ]


def marked(patch: str) -> Iterator[tuple[str, str]]:
    """The lines of a patch, each with how it is shown: added, removed, place, file, or as it is.

    What stands before the first diff is a message, whatever its lines begin with.
    """
    in_diff = False
    for line in patch.splitlines():
        in_diff = in_diff or line.startswith(("diff ", "--- a/"))
        yield (_kind(line) if in_diff else ""), line


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "file"
    if line.startswith("@@"):
        return "place"
    return {"+": "added", "-": "removed"}.get(line[:1], "")
