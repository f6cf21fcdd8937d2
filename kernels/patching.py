# SPDX-License-Identifier: GPL-2.0-only
"""Applying a series beside a source tree, with an account of every patch, file and hunk.

Only the files a series touches are copied; the tree itself is never written. GNU patch does the
work, without fuzz: a hunk whose context has changed is not applied on a guess.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from images.buildroot import BuildRoot
from images.command import shortage
from images.inside import Inside, leaves, parent
from kernels.patches import Patch, PatchProblem, PatchSeries
from kernels.version import KernelVersion

_OPTIONS = ["-p1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch", "-r", "-"]

_PATCHING = re.compile(r"(?:checking|patching) (?:file|symbolic link) '?(?P<file>[^' ]+)'?")
_FAILED = re.compile(r"Hunk #(?P<hunk>\d+) (?:FAILED|NOT MERGED) at (?P<line>\d+)")
_IGNORED = re.compile(r"(?P<count>\d+) out of (?P<total>\d+) hunks? (?:ignored|FAILED)")
_MISSING = re.compile(r"can't find file to patch")
_REVERSED = re.compile(r"Reversed \(or previously applied\) patch detected")
_TARGET = re.compile(r"^\|?\+\+\+ [^/\s]*/(?P<file>\S+)", re.MULTILINE)


class PatchOutcome(StrEnum):
    """What became of a patch."""

    APPLIED = "applied"
    NOT_FOR_THIS_KERNEL = "not for this kernel"
    ALREADY_THERE = "already there"
    FAILED = "does not apply"

    @property
    def failed(self) -> bool:
        """Whether a patch meant for this kernel is missing from it."""
        return self is PatchOutcome.FAILED


PATCHES = "patches"
"""In the provenance of a build: what became of each patch, by the lines of PatchAccount."""

_PLACE = "/work"
_DEADLINE_S = 600.0
# $@: options; standard input: the diff. Prints a PatchOutcome, then what GNU patch said. Once
# without writing: a patch that fails in its last file must not leave the others changed.
_SCRIPT = f"""
cat > /tmp/diff
attempt() {{ patch "$@" < /tmp/diff > /tmp/said 2>&1; }}
if attempt "$@" --dry-run && attempt "$@"; then echo "{PatchOutcome.APPLIED}"
elif cp /tmp/said /tmp/why; attempt "$@" --reverse --dry-run; then
    echo "{PatchOutcome.ALREADY_THERE}"
else echo "{PatchOutcome.FAILED}"; cat /tmp/why; fi
"""


@dataclass(frozen=True)
class PatchAccount:
    """What became of one patch; `hunks` says where it did not apply, one line per hunk or file."""

    patch: Patch
    outcome: PatchOutcome
    hunks: Sequence[str] = ()

    def lines(self) -> list[str]:
        """For people: the patch, and indented below it each hunk that did not apply."""
        head = f"{self.outcome}: {self.patch.name} {self.patch.title}"
        if self.outcome is PatchOutcome.NOT_FOR_THIS_KERNEL and self.patch.reason:
            head += f" ({self.patch.reason})"
        return [head, *(f"  {hunk}" for hunk in self.hunks)]


@dataclass(frozen=True)
class Applied:
    """`overlay`: name below the tree -> patched file, or None where it was deleted."""

    overlay: dict[str, Path | None]
    accounts: Sequence[PatchAccount]

    @property
    def failed(self) -> list[PatchAccount]:
        """Those that were for this kernel and did not apply."""
        return [account for account in self.accounts if account.outcome.failed]


def apply_series(
    all_series: Sequence[PatchSeries],
    tree: Path,
    version: KernelVersion,
    work: Path,
    root: BuildRoot,
) -> Applied:
    """Apply what is for `version`, each patch whole or not at all, into the empty folder `work`.

    A patch that fails is left out, and those after it are still tried. `root` has GNU
    patch. Raises PatchProblem for patches that reach out of the tree, EnvironmentProblem.
    """
    accounts = []
    touched: dict[str, None] = {}
    for series in all_series:
        for patch in series.patches:
            if not patch.wanted_for(version):
                accounts.append(PatchAccount(patch, PatchOutcome.NOT_FOR_THIS_KERNEL))
                continue
            for name in patch.files:
                _check_name(patch, name)
                if name not in touched:
                    _bring(patch, name, tree, work)
            account = _apply(patch, work, root)
            accounts.append(account)
            touched.update(dict.fromkeys(patch.files))
    overlay: dict[str, Path | None] = {}
    made, there = Inside(work), Inside(tree)
    for name in touched:
        if made.is_file_or_link(name):
            overlay[name] = work / name
        elif there.is_file_or_link(name):
            overlay[name] = None
    return Applied(overlay, accounts)


def _check_name(patch: Patch, name: str) -> None:
    if not name or leaves(name):
        raise PatchProblem(f"{patch.name} names a file outside the kernel's tree: {name!r}")


def _bring(patch: Patch, name: str, tree: Path, work: Path) -> None:
    """Copy a file or link into the working folder. Raises PatchProblem where a link leads on."""
    if not Inside(tree).is_file_or_link(name):
        return
    _make_folder(patch, parent(name), work)
    shutil.copyfile(tree / name, work / name, follow_symlinks=False)


def _make_folder(patch: Patch, name: str, work: Path) -> None:
    if not name:
        return
    _make_folder(patch, parent(name), work)
    mode = Inside(work).mode(name)
    if not mode:
        (work / name).mkdir()
    elif not stat.S_ISDIR(mode):
        raise PatchProblem(f"{patch.name} names a file in {name!r}, which is no folder")


def _apply(patch: Patch, work: Path, root: BuildRoot) -> PatchAccount:
    argv = ["sh", "-c", _SCRIPT, "sh", *_OPTIONS]
    said = root.run(
        argv, write={_PLACE: work}, folder=_PLACE, input=patch.diff.encode(),
        deadline_s=_DEADLINE_S,
    )  # fmt: skip
    verdict, _, output = said.partition("\n")
    outcome = PatchOutcome(verdict)
    own = "\n".join(line for line in output.splitlines() if line.startswith("patch: "))
    if problem := shortage(1, own, work, "patch"):
        raise problem
    return PatchAccount(patch, outcome, read_account(output) if outcome.failed else ())


def read_account(output: str) -> list[str]:
    """Which hunks of which files GNU patch could not place, from what it printed."""
    found = []
    file = ""
    named = False
    for line in output.splitlines():
        if match := _TARGET.match(line):
            file = match["file"]
        if match := _PATCHING.match(line):
            file, named = match["file"], False
        elif match := _FAILED.match(line):
            found.append(f"{file}: hunk {match['hunk']} fails at line {match['line']}")
            named = True
        elif _MISSING.match(line):
            found.append("")  # the name comes on the next lines
        elif _REVERSED.match(line):
            found.append(f"{file}: is there already, or reversed")
            named = True
        elif match := _IGNORED.match(line):
            if not named:
                found.append(f"{file}: {match['count']} of {match['total']} hunks do not apply")
            named = False
        if found and not found[-1] and _TARGET.match(line):
            found[-1] = f"{file}: this kernel has no such file"
            named = True
    return found or [line for line in output.splitlines() if line][-3:]


@contextlib.contextmanager
def empty_folder(place: Path) -> Iterator[Path]:
    """An empty folder while it lasts; what a killed process has left there is gone first."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
