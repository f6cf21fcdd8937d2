# SPDX-License-Identifier: GPL-2.0-only
"""Pages of findings: nothing on them is HTML but ours, and nothing that is not public."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernels.version import KernelVersion
from testbed.errors import EnvironmentProblem
from testbed.findings.head import Needs, Status
from testbed.followup.dossier import Dossier
from testbed.followup.page import NOT_TRIED, cell, groups, marked, write_pages
from tests.unit.testbed.followup.whole_finding import dossier


def pages(folder: Path, found: Dossier, *, everything: bool = False) -> tuple[str, str]:
    index = write_pages(folder / "pages", [found], everything=everything)
    return index.read_text(), (folder / "pages/it-breaks.html").read_text()


def test_all_that_is_public_is_on_the_page_and_none_of_it_is_html(tmp_path: Path) -> None:
    index, page = pages(tmp_path, dossier(tmp_path))
    for words in ("it_breaks+0x11", "secret-command", "+good", "./tb is ours", "123456789012"):
        assert words in page
    assert page.count("<pre") == page.count('tabindex="0">') > 2, "what scrolls is reached by keys"
    for text in (index, page):
        assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
        for html in ("<script", "<img", "<i>", "<b>", "\x1b"):
            assert html not in text
        assert "it &lt;breaks&gt;" in text


@pytest.mark.parametrize("trigger", ["wire", "user"])
def test_what_is_not_public_has_neither_text_nor_reproducer_nor_log_nor_patch(
    tmp_path: Path, trigger: str
) -> None:
    index, page = pages(tmp_path, dossier(tmp_path, trigger))
    for text in (index, page):
        assert "it &lt;breaks&gt;" in text
        assert "not public" in text
        for words in ("it_breaks", "secret-command", "+good", "too late", "./tb"):
            assert words not in text
    assert "20/20" in index
    _, page = pages(tmp_path, dossier(tmp_path / "again", trigger), everything=True)
    assert "secret-command" in page


def test_cell_is_of_the_flavour_that_shows_it_best(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    assert cell(found, KernelVersion(7, 2, 12)).text == "20/20"
    assert cell(found, KernelVersion(7, 2, 12)).state == "shown"
    some = cell(found, KernelVersion(7, 3, rc=7))
    assert (some.state, some.text) == ("sometimes", "3/10")
    assert some.detail == "debian: not in 10 runs; uml-san: 3 of 10 runs"
    assert cell(found, KernelVersion(7, 4)) == NOT_TRIED


def test_groups_are_by_need_the_gravest_first_and_what_is_over_last(tmp_path: Path) -> None:
    one = dossier(tmp_path)

    def other(name: str, **changed: object) -> Dossier:
        finding = replace(one.finding, id=name, **changed)  # type: ignore[arg-type]
        return replace(one, finding=finding)

    grave = other("grave", trigger=one.finding.trigger.__class__("wire"))
    lying = other("lying", needs=Needs.LYING_CARD)
    over = other("over", status=Status.WONTFIX)
    found = groups([over, lying, one, grave])
    assert [[each.finding.id for each in group.dossiers] for group in found] == [
        ["grave", "it-breaks"], ["lying"], ["over"],
    ]  # fmt: skip


def test_lines_of_a_patch_have_kinds() -> None:
    lines = [
        "- no diff yet", "diff --git a b", "index 1", "--- a/f", "+++ b/f", "@@ -1 +1 @@", "+a",
        "-b", " c",
    ]  # fmt: skip
    kinds = ["", "file", "file", "file", "file", "place", "added", "removed", ""]
    assert list(marked("\n".join(lines))) == list(zip(kinds, lines, strict=True))


def test_folder_that_cannot_be_written_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("")
    with pytest.raises(EnvironmentProblem, match="pages cannot be written"):
        write_pages(tmp_path / "pages", [])
