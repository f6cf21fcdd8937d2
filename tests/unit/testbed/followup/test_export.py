# SPDX-License-Identifier: GPL-2.0-only
"""Mails as maintainers get them: to whom, with what in them, and what is told beside them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import cast

import pytest

from kernels.patches import load_series
from kernels.scripts import Addressee, KernelScripts
from kernels.version import KernelVersion
from testbed.findings.head import Verified
from testbed.followup.dossier import Dossier
from testbed.followup.export import SECURITY, Format, Letter, letters
from testbed.followup.markdown import WIDTH
from tests.unit.testbed.followup.whole_finding import SCRIPT, dossier

CHAN = Addressee("Michael Chan <mc@example.com>", "maintainer:BNXT")
REVIEWER = Addressee("R <r@example.com>", "reviewer:NETWORKING")
NETDEV = Addressee("netdev@example.org", "open list:NETWORKING")


@dataclass
class Scripts:
    """The kernel's scripts, with answers of ours."""

    complaints: Sequence[str] = ()
    asked: list[Sequence[str]] = field(default_factory=list)

    def addressees(self, files: Sequence[str]) -> list[Addressee]:
        self.asked.append(files)
        return [CHAN, REVIEWER, NETDEV]

    def maintainers(self, files: Sequence[str]) -> list[Addressee]:
        return [CHAN]

    def checkpatch(self, patch: str) -> list[str]:
        return list(self.complaints)


def export(
    found: Dossier, form: Format = Format.MAIL, complaints: Sequence[str] = ()
) -> list[Letter]:
    return letters(found, cast("KernelScripts", Scripts(complaints)), form)


def test_report_goes_to_the_maintainers_and_in_copy_to_lists(tmp_path: Path) -> None:
    [letter] = export(dossier(tmp_path))
    headers, _, _ = letter.text.partition("\n\n")
    assert headers.splitlines() == [
        "To: Michael Chan <mc@example.com>",
        "Cc: R <r@example.com>,",
        " netdev@example.org",
        "Subject: [BUG] bnxt_en: it <breaks>",
    ]
    assert not any("not public" in note for note in letter.notes)


@pytest.mark.parametrize("trigger", ["wire", "user"])
@pytest.mark.parametrize("form", list(Format))
def test_what_is_not_public_goes_to_the_security_team_first_and_to_no_list(
    tmp_path: Path, trigger: str, form: Format
) -> None:
    [letter] = export(dossier(tmp_path, trigger), form)
    assert f"To: {SECURITY},\n Michael Chan <mc@example.com>\nSubject:" in letter.text
    assert "Cc:" not in letter.text
    assert "example.org>," not in letter.text
    assert "netdev" not in letter.text.partition("\n\n")[0]
    assert any("not public" in note for note in letter.notes)


def test_report_has_what_reporting_issues_asks_for(tmp_path: Path) -> None:
    [letter] = export(dossier(tmp_path))
    for words in (
        "this is about bnxt_en in 7.3-rc7: it <breaks>. A patch is below.",
        "What it does:   use after free",
        "Who can do it:  an administrator",
        'Introduced in:  v6.16, commit 123456789012 ("bnxt_en: Break")',
        "7.3-rc7 (uml-san): 3 of 10 runs",
        "7.3-rc7 (debian): not in 10 runs",
        "CONFIG_KASAN",
        "it_breaks+0x11/0x22",
        "Cause: it_breaks() writes <i>too late</i>.",
        SCRIPT,
        'Fixes: 123456789012 ("bnxt_en: Break")',
    ):
        assert " ".join(words.split()) in " ".join(letter.text.split())
    assert "./tb is ours" not in letter.text
    assert "**" not in letter.text


def test_report_says_whether_the_patch_was_tried_and_what_tainted_the_kernel(
    tmp_path: Path,
) -> None:
    found = dossier(tmp_path)
    [letter] = export(found)
    assert "Before that it had said:\n\n- WARNING: net/core/x.c:1 at other_function" in letter.text
    assert any("findings verify --record it-breaks" in note for note in letter.notes)
    assert any("(evidence/7.2.12-uml-san), and what" in note for note in letter.notes)
    trace = replace(found.traces[0], flavour="debian")
    debian = export(replace(found, traces=(trace,)))[0].notes
    assert "attach the kernel's log (evidence/7.2.12-debian)" in debian
    tried = Verified(
        kernel=KernelVersion.parse("7.3.4"), flavour="uml", date=date(2026, 11, 22), runs=3,
        tests=7, together=True,
    )  # fmt: skip
    found = replace(found, finding=replace(found.finding, verified=(tried,)))
    for form in Format:
        [letter] = export(found, form)
        said = "7.3.4 (uml): not in 3 runs; 7 tests of its area end well (with our other fixes)"
        assert said in " ".join(letter.text.split())
    assert not any("verify" in note for note in letter.notes)


def test_report_says_how_to_run_the_reproducer_on_the_newest_kernel_that_showed_it(
    tmp_path: Path,
) -> None:
    found = dossier(tmp_path)
    command = "    testbed findings check it-breaks --kernel 7.3-rc7 --flavour uml-san\n"
    said = f"With bnxt-testbed, which emulates the card:\n\n{command}"
    [letter] = export(found)
    assert f"{SCRIPT}\n{said}" in letter.text
    [letter] = export(replace(found, reproducers=()))
    assert f"How to reproduce it:\n\n{said}" in letter.text


def test_lines_of_files_come_with_the_kernel_they_are_of(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    assert "\nCause:\n" in export(found)[0].text
    [letter] = export(replace(found, text="*Cause:* bnxt.c:12 and `dev.h:3`.\n"))
    assert "\nCause (lines are those of 7.2.12):\n" in letter.text


def test_lines_of_ours_are_not_too_long(tmp_path: Path) -> None:
    [letter] = export(dossier(tmp_path))
    ours = letter.text.partition("How to reproduce it")[0]
    assert max(len(line) for line in ours.splitlines()) <= WIDTH


def test_nothing_in_a_mail_drives_a_terminal(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    [letter] = export(replace(found, text=found.text + "\x1b[2J"))
    assert "\x1b" not in letter.text
    assert r"\x1b[31mevil" in letter.text
    assert r"\x1b[2J" in letter.text


def test_git_takes_the_patch_out_of_the_report(tmp_path: Path) -> None:
    [letter] = export(dossier(tmp_path))
    _, scissors, patch = letter.text.partition("-- >8 --\n")
    assert scissors
    assert patch.startswith(
        "From: A Developer <a@example.org>\nSubject: [PATCH] bnxt_en: Do not break\n\nIt breaks"
    )
    done = subprocess.run(
        ["git", "mailinfo", "--scissors", str(tmp_path / "msg"), str(tmp_path / "diff")],
        input=letter.text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Subject: bnxt_en: Do not break" in done.stdout
    assert "Author: A Developer" in done.stdout
    assert "+good" in (tmp_path / "diff").read_text()
    assert "Hello" not in (tmp_path / "msg").read_text()


def test_patch_is_addressed_tagged_with_its_tree_and_says_below_the_dashes_how_to_try_it(
    tmp_path: Path,
) -> None:
    [letter] = export(dossier(tmp_path), Format.PATCH)
    assert letter.name == "0001-bnxt_en-Do-not-break.patch"
    assert "\nSubject: [PATCH net] bnxt_en: Do not break\n\n" in letter.text
    assert "\nFrom: A Developer <a@example.org>\nTo: Michael Chan" in letter.text
    above, below = letter.text.split("\n---\n", 1)
    assert "secret-command" not in above
    assert "secret-command" in below.partition("diff --git")[0]
    mail = tmp_path / "out.mbox"
    mail.write_text(letter.text)
    [patch] = load_series(mail).patches
    assert patch.title == "bnxt_en: Do not break"
    assert patch.files == ["drivers/net/x.c"]


def test_public_patch_of_what_is_not_public_has_no_reproducer(tmp_path: Path) -> None:
    [letter] = export(dossier(tmp_path, "user"), Format.PATCH)
    assert "secret-command" not in letter.text


def test_patches_of_a_series_are_numbered_and_other_trees_are_not_net(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    one = found.patches[0]
    other = replace(one, text=one.text.replace("drivers/net/x.c", "io_uring/zcrx.c"))
    first, second = export(replace(found, patches=(one, other)), Format.PATCH)
    assert "Subject: [PATCH net 1/2] " in first.text
    assert "Subject: [PATCH 2/2] " in second.text


def test_who_gets_a_patch_is_asked_of_the_files_it_changes(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    found = replace(found, finding=replace(found.finding, files=("net/core/y.c",)))
    for form, files in ((Format.MAIL, "net/core/y.c"), (Format.PATCH, "drivers/net/x.c")):
        scripts = Scripts()
        letters(found, cast("KernelScripts", scripts), form)
        assert scripts.asked == [(files,) if form is Format.MAIL else [files]]


def test_commit_that_the_patch_names_is_where_it_was_introduced(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    found = replace(found, finding=replace(found.finding, introduced=None))
    [letter] = export(found)
    assert 'Introduced in:  commit 123456789012 ("bnxt_en: Break")' in letter.text
    [letter] = export(replace(found, patches=()))
    assert "not known; 7.2.12 is the oldest kernel known to have it" in letter.text


def test_what_checkpatch_says_is_told_with_the_name_of_the_patch(tmp_path: Path) -> None:
    [letter] = export(dossier(tmp_path), complaints=["line 4: ERROR: bad"])
    assert letter.wrong == ("0001-bnxt_en-Do-not-break.patch: line 4: ERROR: bad",)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    found = replace(dossier(tmp_path), patches=(), traces=())
    [letter] = export(found)
    assert "There is no patch yet." in letter.text
    assert any("no patch of ours (kernels/fixes/it-breaks)" in note for note in letter.notes)
    assert any("findings check --record it-breaks" in note for note in letter.notes)
    assert export(found, Format.PATCH) == []
