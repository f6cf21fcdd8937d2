# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: where they come from, which kernels they are for, and what of them applied.

A series is a folder (*.patch in order of name, or as a quilt `series` file says), an mbox, one
patch file, or the text of a mailing-list thread saved from an archive. In a folder,
`versions.toml` may say which kernels a patch is for, as [from, to):

    ["0003-old-api.patch"]
    versions = [["6.15", "7.1"], ["7.2", ""]]
    reason = "io_zcrx_ifq was renamed in 7.1"

The fix of a finding may be one patch of a series of ours: then the `series` file of its folder in
`FIXES` names the patch with the folder it is in, and before it those it builds on:

    hardening/0008-bnxt_en-Compare-the-length.patch
"""

from __future__ import annotations

import email.policy
import mailbox
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from images.inside import Inside
from kernels.version import KernelVersion

OURS = Path(__file__).parent / "series"
"""PatchSeries of our own, one folder each, which may be named without its path."""

FIXES = Path(__file__).parent / "fixes"
"""Fixes of findings, a folder for each finding of that id; named without their path, too."""

RACES = Path(__file__).parent / "races"
"""Patches that keep the window of a race open: no fixes, and not to be named without their path."""

ALL_FIXES = "fixes"
"""The name of all of them together: the kernel that has no finding with a fix."""

VERSIONS = "versions.toml"
SUFFIXES = (".patch", ".diff")

_OF_EVERYTHING = re.compile(r"include/|arch/\w+/include/")
_TAG = re.compile(r"\[(?P<inside>[^]]*\bPATCH\b[^]]*)\] *(?P<title>.*)")
_NUMBER = re.compile(r"\b(\d+)/(\d+)\b")
_REVISION = re.compile(r"\bv(\d+)\b")
_HUNK = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")
_FILE = re.compile(r"(?:---|\+\+\+) (?P<name>\S+)")
_RENAME = re.compile(r"(?:rename|copy) (?:from|to) (?P<name>\S+)")
_HEADING = re.compile(r"(?:\* |Subject: *)?(?P<re>(?:Re|RE|Fwd): *)?(?P<subject>\[.*\bPATCH\b.*)")
_EXTENDED = (
    "index ", "old mode ", "new mode ", "deleted file ", "new file ", "similarity ", "rename ",
    "copy ", "dissimilarity ",
)  # fmt: skip


class PatchProblem(Exception):
    """A series that cannot be read, or does not apply where it must."""


@dataclass(frozen=True)
class Patch:
    """One patch: `diff` is nothing but its diffs, `ranges` the kernels it is for (all if empty).

    `text` is the whole file, with its message, of a patch that is a file of its own.
    """

    name: str
    title: str
    diff: str
    ranges: Sequence[tuple[KernelVersion, KernelVersion | None]] = ()
    reason: str = ""
    text: str = ""

    def wanted_for(self, version: KernelVersion) -> bool:
        """Whether a range [from, to) holds the version; without a `to` it has no end.

        The release candidates of 7.1 are in it from 7.1 on, and not up to 7.1.
        """
        return not self.ranges or any(
            version.is_since(first) and (end is None or not version.is_since(end))
            for first, end in self.ranges
        )

    @property
    def files(self) -> list[str]:
        """The names, below the top folder, that the diffs mention."""
        found = []
        for line in self.diff.splitlines():
            if match := _FILE.match(line):
                name = match["name"]
                if name != "/dev/null":
                    found.append(name.partition("/")[2])
            elif match := _RENAME.match(line):
                found.append(match["name"])
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class PatchSeries:
    """Patches in order, and what else was found where they come from but is not part of them."""

    origin: str
    patches: Sequence[Patch]
    set_aside: Sequence[str] = field(default_factory=list)


def mended_by(series: Sequence[PatchSeries], findings: Iterable[str]) -> frozenset[str]:
    """Those of ``findings`` of which ``series`` has our whole fix. Raises PatchProblem."""
    diffs = {patch.diff for one in series for patch in one.patches}
    return frozenset(
        name
        for name in findings
        if {one.diff for one in load_series(FIXES / name).patches} <= diffs
    )


def changes(series: Sequence[PatchSeries]) -> bool | str:
    """Which builds of a source share their objects: a header of everything compiles everything.

    False without patches, ``"headers"`` if one changes such a header, else True.
    """
    files = (name for one in series for patch in one.patches for name in patch.files)
    return "headers" if any(_OF_EVERYTHING.match(name) for name in files) else bool(series)


def is_ours(path: Path) -> bool:
    """Whether that names patches of ours: no file or folder there is called so."""
    if path.exists() or path.name != str(path):
        return False
    return str(path) == ALL_FIXES or any((top / path).is_dir() for top in (OURS, FIXES))


def load_series(path: Path) -> PatchSeries:
    """Read a series; what it is, its content says. Raises PatchProblem.

    A name that is no file or folder may be one of `OURS` or `FIXES`, or `ALL_FIXES`.
    """
    if is_ours(path):
        if str(path) == ALL_FIXES:
            return _all_fixes()
        path = next(top / path for top in (OURS, FIXES) if (top / path).is_dir())
    try:
        if path.is_dir():
            return _folder(path)
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise PatchProblem(f"patches {path} cannot be read: {error}") from error
    if text.startswith("From "):
        series = _mbox(path)
    elif path.suffix in SUFFIXES or text.startswith(("diff ", "--- ", "Subject:")):
        series = PatchSeries(str(path), [_single(path.name, text)])
    else:
        series = _thread(path, text)
    if not any(patch.diff for patch in series.patches):
        raise PatchProblem(f"{path} holds no patch")
    return series


def extract_diffs(text: str) -> str:
    """The unified diffs in a text, each hunk by its own line counts, all else left out."""
    kept: list[str] = []
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        line = lines[position]
        if line.startswith("diff --git "):
            kept.append(line)
            position += 1
            while position < len(lines) and lines[position].startswith(_EXTENDED):
                kept.append(lines[position])
                position += 1
        elif _starts_file(lines, position):
            kept += lines[position : position + 2]
            position += 2
            while position < len(lines) and (match := _HUNK.match(lines[position])):
                end = _hunk_end(lines, position + 1, match)
                kept += lines[position:end]
                position = end
        else:
            position += 1
    return "".join(line + "\n" for line in kept)


def _starts_file(lines: Sequence[str], position: int) -> bool:
    following = lines[position + 1 : position + 3]
    return (
        lines[position].startswith("--- ")
        and len(following) == 2
        and following[0].startswith("+++ ")
        and _HUNK.match(following[1]) is not None
    )


def _hunk_end(lines: Sequence[str], start: int, header: re.Match[str]) -> int:
    old, new = int(header["old"] or 1), int(header["new"] or 1)
    position = start
    while position < len(lines) and (old > 0 or new > 0):
        mark = lines[position][:1]
        if mark in (" ", "", "-"):  # an archive may strip the blank of an empty context line
            old -= 1
        if mark in (" ", "", "+"):
            new -= 1
        if mark not in (" ", "", "-", "+", "\\"):
            raise PatchProblem(f"a hunk ends too early, before: {lines[position]!r}")
        position += 1
    if old > 0 or new > 0:
        raise PatchProblem(f"the text ends within the hunk {header[0]}")
    if position < len(lines) and lines[position].startswith("\\"):
        position += 1
    return position


def _single(name: str, text: str) -> Patch:
    match = re.search(r"^Subject: *(.*(?:\n[ \t].*)*)", text, re.MULTILINE)
    title = " ".join(match[1].split()) if match else name
    tag = _TAG.match(title)
    return Patch(name, tag["title"] if tag else title, extract_diffs(text), text=text)


def _names(path: Path, inside: Inside) -> list[str]:
    if inside.is_file("series"):
        lines = [line.partition("#")[0].split() for line in inside.read_text("series").splitlines()]
        names = [words[0] for words in lines if words]
    else:
        names = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
    if not names:
        raise PatchProblem(f"{path} holds neither *.patch files nor a file called series")
    return names


def _folder(path: Path) -> PatchSeries:
    inside = Inside(path)
    patches = [_of_folder(path, inside, name) for name in _names(path, inside)]
    set_aside = [f"{patch.name}: no diff in it" for patch in patches if not patch.diff]
    return PatchSeries(
        str(path), _ranged(path, [patch for patch in patches if patch.diff]), set_aside
    )


def _all_fixes() -> PatchSeries:
    """Each patch once; a series that a fix has part of comes whole and in its order."""
    found: dict[str, Patch] = {}
    for folder in sorted(FIXES.iterdir()):
        for name in _names(folder, Inside(folder)):
            group, _, _ = name.rpartition("/")
            patches = _folder(OURS / group).patches if group else _folder(folder).patches
            found.update({patch.title: patch for patch in patches if patch.title not in found})
    return PatchSeries(ALL_FIXES, list(found.values()))


def _of_folder(path: Path, inside: Inside, name: str) -> Patch:
    """A patch of the folder; of a series of ours, where the folder is that of a fix."""
    if "/" in name and path.resolve().parent == FIXES:
        return _single(name.rpartition("/")[2], Inside(OURS).read_text(name))
    return _single(name, inside.read_text(name))


def _ranged(path: Path, patches: list[Patch]) -> list[Patch]:
    file, inside = path / VERSIONS, Inside(path)
    if not inside.is_file(VERSIONS):
        return patches
    try:
        table = tomllib.loads(inside.read_text(VERSIONS))
        ranges = {
            name: [
                (KernelVersion.parse(first), KernelVersion.parse(end) if end else None)
                for first, end in found["versions"]
            ]
            for name, found in table.items()
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PatchProblem(f"{file}: {error}; expected versions = [[from, to], ...]") from error
    if unknown := sorted(ranges.keys() - {patch.name for patch in patches}):
        raise PatchProblem(f"{file} names patches that are not there: {', '.join(unknown)}")
    return [
        replace(patch, ranges=ranges[patch.name], reason=str(table[patch.name].get("reason", "")))
        if patch.name in ranges
        else patch
        for patch in patches
    ]


@dataclass(frozen=True)
class _Message:
    subject: str
    body: str
    reply: bool


def _mbox(path: Path) -> PatchSeries:
    parser = BytesParser(policy=email.policy.default)
    found = []
    box = mailbox.mbox(path, create=False)
    for key in box.keys():  # noqa: SIM118 - an mbox iterates over messages, not keys
        message = parser.parsebytes(box.get_bytes(key))
        assert isinstance(message, EmailMessage)
        part = message.get_body(("plain",))
        subject = " ".join(str(message["subject"] or "").split())
        body = part.get_content() if part is not None else ""
        found.append(_Message(subject, body, subject.lower().startswith("re:")))
    box.close()
    return _assemble(str(path), found)


def _thread(path: Path, text: str) -> PatchSeries:
    """Messages of a saved thread: each starts at a line that is a subject with [PATCH ...]."""
    messages: list[_Message] = []
    heading: re.Match[str] | None = None
    body: list[str] = []

    def close() -> None:
        if heading is not None:
            messages.append(_Message(heading["subject"], "\n".join(body), bool(heading["re"])))

    for line in text.splitlines():
        if match := _HEADING.match(line):
            close()
            heading, body = match, []
        else:
            body.append(line)
    close()
    return _assemble(str(path), messages)


def _assemble(origin: str, messages: Sequence[_Message]) -> PatchSeries:
    """Of the messages with diffs, the newest revision of the series in order of its numbers."""
    numbered: dict[tuple[int, int], Patch] = {}
    totals: dict[int, int] = {}
    set_aside = []
    for message in messages:
        tag = _TAG.search(message.subject)
        if tag is None:
            continue
        revision_match = _REVISION.search(tag["inside"])
        revision = int(revision_match[1]) if revision_match else 1
        number_match = _NUMBER.search(tag["inside"])
        number, total = (int(number_match[1]), int(number_match[2])) if number_match else (1, 1)
        diff = extract_diffs(message.body)
        if not diff or (not message.reply and number == 0):
            continue
        if message.reply:
            set_aside.append(f"{message.subject}: a diff in a reply is no patch of the series")
        elif (revision, number) in numbered:
            set_aside.append(
                f"{message.subject}: number {number} came twice, the first one is used"
            )
        else:
            name = f"v{revision}-{number:04d}"
            numbered[revision, number] = Patch(name, tag["title"], diff)
            totals[revision] = total
    if not numbered:
        return PatchSeries(origin, [], set_aside)
    newest = max(totals)
    for (revision, number), patch in sorted(numbered.items()):
        if revision != newest:
            set_aside.append(f"v{revision} {number}: {patch.title}: superseded by v{newest}")
    chosen = [patch for (revision, _), patch in sorted(numbered.items()) if revision == newest]
    present = {number for revision, number in numbered if revision == newest}
    if missing := sorted(set(range(1, totals[newest] + 1)) - present):
        numbers = ", ".join(str(number) for number in missing)
        raise PatchProblem(
            f"{origin}: patches {numbers} of {totals[newest]} are missing from the series"
        )
    return PatchSeries(origin, chosen, set_aside)
