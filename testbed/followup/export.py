# SPDX-License-Identifier: GPL-2.0-only
"""A finding as the mail that its maintainers want, or its patch ready to be sent.

As the kernel's own documents ask: Documentation/admin-guide/reporting-issues.rst, and in process/
submitting-patches.rst, maintainer-netdev.rst, security-bugs.rst. Plain text; the most important
first; addressees by get_maintainer.pl; each patch through checkpatch.pl.
"""

from __future__ import annotations

import email
import email.policy
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import Environment, PackageLoader, StrictUndefined

from kernels.scripts import Addressee, KernelScripts
from testbed.findings.head import Disclosure, Introduced
from testbed.findings.kernel import DEBIAN
from testbed.findings.load import Finding
from testbed.followup.dossier import LINES_OF, Dossier, Listing, Trace
from testbed.followup.evidence import FOLDER
from testbed.followup.markdown import WIDTH, as_plain
from testbed.followup.words import IMPACT, NEEDS, TRIGGER, configuration, fixed_on, seen_on
from testbed.host.terminal import escape_text

SECURITY = "security@kernel.org"
LABEL = 18
"""Columns that the labels of facts take."""
NETDEV_TREES = ("net/", "drivers/net/")
_LINE = re.compile(r"\b\w+\.[ch]:\d")
MAIL_DATE = "Mon Sep 17 00:00:00 2001"
"""As git writes it in front of each patch; what reads an mbox wants a date."""


class Format(StrEnum):
    """A report with the patch at its end, or the patch by itself, for `git am`."""

    MAIL = "mail"
    PATCH = "patch"


@dataclass(frozen=True)
class Letter:
    """What is to be sent, and what to know or do before: `notes` are not part of it.

    `wrong`: what the kernel's scripts say against it.
    """

    name: str
    text: str
    notes: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipients:
    """To whom it goes, as addresses of a mail's header."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()


def recipients(dossier: Dossier, files: Sequence[str], scripts: KernelScripts) -> Recipients:
    """Who wants mail about these files; while it is not public no list, but the security team.

    Raises EnvironmentProblem.
    """
    if dossier.finding.disclosure is Disclosure.PRIVATE:
        people = _addresses(scripts.maintainers(files))
        return Recipients((SECURITY, *people))
    everybody = scripts.addressees(files)
    to = _addresses([one for one in everybody if one.is_maintainer])
    rest = [one for one in everybody if not one.is_maintainer]
    reviewers = [one for one in rest if not one.is_list]
    lists = [one for one in rest if one.is_list]
    cc = _addresses([*reviewers, *lists])
    return Recipients(to, cc) if to else Recipients(cc)


def _addresses(found: Sequence[Addressee]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.address for one in found))


def letters(dossier: Dossier, scripts: KernelScripts, form: Format) -> list[Letter]:
    """What is to be sent. Raises EnvironmentProblem."""
    wrong = tuple(
        f"{patch.name}: {line}"
        for patch in dossier.patches
        for line in scripts.checkpatch(patch.text)
    )
    notes = tuple(_notes(dossier))
    if form is Format.MAIL:
        to = recipients(dossier, dossier.finding.files, scripts)
        return [Letter(f"{dossier.finding.id}.txt", report(dossier, to), notes, wrong)]
    count = len(dossier.patches)
    files = dict.fromkeys(name for patch in dossier.patches for name in changed_files(patch))
    to = recipients(dossier, list(files), scripts) if files else Recipients(())
    return [
        Letter(patch.name, patch_mail(dossier, to, patch, f"{number}/{count}"), notes, wrong)
        for number, patch in enumerate(dossier.patches, 1)
    ]


def report(dossier: Dossier, to: Recipients) -> str:
    """The mail about it, with headers."""
    finding = dossier.finding
    environment = Environment(
        loader=PackageLoader("testbed.followup", "."), autoescape=False, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["plain"] = as_plain
    text = environment.get_template("mail.txt.j2").render(
        dossier=dossier, finding=finding, headers=_headers(to, f"[BUG] {finding.title}"),
        opening=_opening(dossier), facts=list(_facts(dossier)), width=WIDTH,
        patches=[_inline(patch) for patch in dossier.patches], tried=_tried(dossier),
        command=_command(dossier),
        lines_of=f" (lines are those of {LINES_OF})" if _LINE.search(dossier.text) else "",
    )  # fmt: skip
    return escape_text(text)


def _opening(dossier: Dossier) -> str:
    """The first sentences: which kernel, what, and whether there is a patch."""
    finding = dossier.finding
    newest = max((one.kernel for one in finding.checked if one.shown), default=None)
    where = f" in {newest}" if newest else ""
    patch = " A patch is below." if dossier.patches else ""
    words = f"this is about {finding.subsystem}{where}: {_what(finding)}.{patch}"
    return textwrap.fill(words, WIDTH, break_long_words=False, break_on_hyphens=False)


def _facts(dossier: Dossier) -> Iterator[str]:
    """What decides whom it concerns, a label and a few words each."""
    finding = dossier.finding
    yield _fact("What it does", IMPACT[finding.impact])
    yield _fact("Who can do it", TRIGGER[finding.trigger])
    yield _fact("What it takes", NEEDS[finding.needs])
    yield _fact("Where", ", ".join(finding.files))
    shown = [one for one in finding.checked if one.shown]
    if finding.introduced is not None:
        yield _fact("Introduced in", _release(finding.introduced))
    elif dossier.fixes:
        yield _fact("Introduced in", f"commit {', '.join(dossier.fixes)}")
    elif shown:
        oldest = min(one.kernel for one in shown)
        yield _fact("Introduced in", f"not known; {oldest} is the oldest kernel known to have it")
    for number, line in enumerate(seen_on(finding)):
        yield _fact("" if number else "Tried on", line)
    for number, line in enumerate(fixed_on(finding)):
        yield _fact("" if number else "With the patch", line)
    for number, name in enumerate(dict.fromkeys(one.flavour for one in shown)):
        yield _fact("" if number else "Configuration", f"{name}: {configuration(name)}")


def _fact(label: str, words: str) -> str:
    first = f"  {label + ':':<15} " if label else " " * LABEL
    return textwrap.fill(
        words, WIDTH, initial_indent=first, subsequent_indent=" " * LABEL,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _what(finding: Finding) -> str:
    """The title without the subsystem in front."""
    return finding.title.removeprefix(f"{finding.subsystem}: ").rstrip(".")


def _release(introduced: Introduced) -> str:
    """The release, and the commit as a Fixes: line names it."""
    words = f"v{introduced.version}"
    if introduced.commit:
        words += f", commit {introduced.commit}"
    return words + (f' ("{introduced.subject}")' if introduced.subject else "")


def _command(dossier: Dossier) -> str:
    """What runs the reproducer on the newest kernel that showed it."""
    shown = [one for one in dossier.finding.checked if one.shown]
    newest = max(shown, key=lambda one: (one.kernel, one.every_time), default=None)
    where = f" --kernel {newest.kernel} --flavour {newest.flavour}" if newest else ""
    return f"testbed findings check {dossier.finding.id}{where}"


def _tried(dossier: Dossier) -> str:
    return "A patch:" if len(dossier.patches) == 1 else "Patches, in this order:"


def _inline(patch: Listing) -> str:
    """A patch as `git am --scissors` takes it out of a mail: author and subject, message, diff."""
    head, _, body = patch.text.partition("\n\n")
    message = email.message_from_string(f"{head}\n\n")
    if message["Subject"] is None:
        return patch.text
    names = ("From", "Subject")
    lines = [f"{name}: {_one_line(message[name])}" for name in names if message[name]]
    return "\n".join([*lines, "", body])


def _one_line(header: object) -> str:
    return " ".join(str(header).split())


def patch_mail(dossier: Dossier, to: Recipients, patch: Listing, number: str) -> str:
    """The patch with its message, addressed, and below the dashes what a reviewer needs to try it.

    `number` is "1/2" of a series, or "1/1".
    """
    message = email.message_from_string(patch.text, policy=email.policy.compat32)
    netdev = all(name.startswith(NETDEV_TREES) for name in changed_files(patch))
    tag = ["PATCH", *(["net"] if netdev else []), *([number] if number != "1/1" else [])]
    subject = _one_line(message["Subject"] or dossier.finding.title)
    title = subject.rpartition("] ")[2] if subject.startswith("[") else subject
    headers = [f"From: {_one_line(message['From'])}"] if message["From"] else []
    headers += _headers(to, f"[{' '.join(tag)}] {title}")
    body = str(message.get_payload())
    above, dashes, below = body.partition("\n---\n")
    if dashes:
        body = f"{above}{dashes}{_below_the_dashes(dossier)}\n{below}"
    start = f"From {'0' * 40} {MAIL_DATE}"
    return "\n".join([start, *map(escape_text, headers), "", body])


def changed_files(patch: Listing) -> list[str]:
    """The files of the kernel that a patch changes."""
    lines = patch.text.splitlines()
    return [line[6:].strip() for line in lines if line.startswith("+++ b/")]


def _below_the_dashes(dossier: Dossier) -> str:
    """What does not go into the kernel's history."""
    finding = dossier.finding
    lines = ["Seen on:"]
    lines += [f"  {line}" for line in seen_on(finding)]
    tried = fixed_on(finding)
    lines += ["With this patch:", *(f"  {line}" for line in tried)] if tried else []
    if finding.disclosure is not Disclosure.PRIVATE:
        for listing in dossier.reproducers:
            if listing.name == finding.reproducer.script:
                lines += ["", "Reproducer:"]
                lines += [f"  {line}".rstrip() for line in listing.text.splitlines()]
    return "\n".join(["", *lines, ""])


def _headers(to: Recipients, subject: str) -> list[str]:
    lines = [_folded("To", to.to)]
    if to.cc:
        lines.append(_folded("Cc", to.cc))
    return [*lines, f"Subject: {subject}"]


def _folded(name: str, addresses: Sequence[str]) -> str:
    return f"{name}: " + ",\n ".join(addresses)


def _notes(dossier: Dossier) -> Iterator[str]:
    finding = dossier.finding
    if finding.disclosure is Disclosure.PRIVATE:
        yield "not public: to these addresses only, no list, until the maintainers have agreed"
    if finding.status.value != "open":
        yield f"its status is {finding.status.value}"
    if not dossier.patches:
        yield f"there is no patch of ours (kernels/fixes/{finding.id})"
    elif not dossier.fixes:
        yield "the patch has no Fixes: line, which netdev asks for"
    elif not finding.verified:
        yield f"nothing on record says that the patch helps: findings verify --record {finding.id}"
    if not dossier.traces and finding.splat:
        yield f"no log is kept as evidence: findings check --record {finding.id}"
    yield from dossier.unread
    if dossier.traces:
        yield _attachments(dossier.traces[0])
    if not any(one.flavour == DEBIAN for one in finding.checked if one.shown):
        yield "it was not shown on a stock kernel"
    if dossier.kernels:
        yield f"{dossier.kernels[0]} is the newest kernel it was tried on: is there a newer one?"
    yield "read it, check that your mail program leaves the text as it is (email-clients.rst)"


def _attachments(trace: Trace) -> str:
    """What reporting-issues.rst wants besides: the whole log, and the configuration."""
    log = f"attach the kernel's log ({FOLDER}/{trace.version}-{trace.flavour})"
    if trace.flavour == DEBIAN:
        return log
    return f"{log}, and what `testbed kernel config --flavour {trace.flavour}` prints"
