# SPDX-License-Identifier: GPL-2.0-only
"""PatchSeries out of folders, mboxes and saved threads, and for which kernels their patches are."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from kernels.patches import (
    ALL_FIXES,
    FIXES,
    OURS,
    Patch,
    PatchProblem,
    extract_diffs,
    load_series,
    mended_by,
)
from kernels.version import KernelVersion
from testbed import ROOT

FINDINGS = ROOT / "docs" / "findings"


def diff(name: str, old: str = "old", new: str = "new") -> str:
    return (
        f"diff --git a/{name} b/{name}\nindex 1234..5678 100644\n--- a/{name}\n+++ b/{name}\n"
        f"@@ -1,3 +1,3 @@ context\n one\n-{old}\n+{new}\n three\n"
    )


def mail(subject: str, body: str) -> str:
    return f"Subject: {subject}\nFrom: A <a@b>\n\n{body}"


def test_diff_is_cut_out_of_a_mail() -> None:
    text = mail("[PATCH] x", f"why\n---\n file | 2 +-\n\n{diff('net/a.c')}-- \n2.45.2\n")
    assert extract_diffs(text) == diff("net/a.c")


def test_quoted_diff_is_none() -> None:
    quoted = "".join(f"> {line}\n" for line in diff("a.c").splitlines())
    assert extract_diffs(quoted) == ""


def test_removed_line_that_looks_like_a_header_stays_in_its_hunk() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n one\n--- a/lua comment\n\nprose\n"
    assert extract_diffs(text) == "--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n one\n--- a/lua comment\n"


def test_empty_context_line_without_its_blank_counts() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n\n-two\n+2\nprose\n"
    assert extract_diffs(text).endswith("\n\n-two\n+2\n")


def test_no_newline_mark_belongs_to_the_hunk() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\nprose\n"
    assert extract_diffs(text).endswith("+b\n\\ No newline at end of file\n")


def test_truncated_hunk_is_an_error() -> None:
    with pytest.raises(PatchProblem, match="the text ends within the hunk"):
        extract_diffs("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n")
    with pytest.raises(PatchProblem, match="a hunk ends too early"):
        extract_diffs("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\nprose and more\n")


def test_files_of_a_patch() -> None:
    text = diff("net/a.c") + "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+x\n"
    text += "diff --git a/o b/n\nsimilarity index 100%\nrename from o\nrename to n\n"
    assert Patch("p", "t", extract_diffs(text)).files == ["net/a.c", "new.c", "o", "n"]


def test_folder_is_read_in_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "0002-b.patch").write_text(mail("[PATCH 2/2] second", diff("b.c")))
    (tmp_path / "0001-a.patch").write_text(
        mail("[PATCH 1/2] first\n continued", f"x\n\n{diff('a.c')}")
    )
    (tmp_path / "0000-cover-letter.patch").write_text(mail("[PATCH 0/2] cover", "text\n"))
    series = load_series(tmp_path)
    assert [patch.title for patch in series.patches] == ["first continued", "second"]
    assert series.set_aside == ["0000-cover-letter.patch: no diff in it"]


def test_quilt_series_gives_the_order(tmp_path: Path) -> None:
    for name in ("a.patch", "b.patch", "unused.patch"):
        (tmp_path / name).write_text(diff(f"{name}.c"))
    (tmp_path / "series").write_text("# ours\nb.patch -p1\n\na.patch # later\n")
    assert [patch.name for patch in load_series(tmp_path).patches] == ["b.patch", "a.patch"]


def test_version_ranges_are_half_open(tmp_path: Path) -> None:
    (tmp_path / "a.patch").write_text(diff("a.c"))
    (tmp_path / "versions.toml").write_text(
        '["a.patch"]\nversions = [["6.15", "7.1"], ["7.2", ""]]\nreason = "renamed in 7.1"\n'
    )
    [patch] = load_series(tmp_path).patches
    texts = ["6.14", "6.15-rc1", "6.15", "7.0.99", "7.1-rc1", "7.1", "7.1.5", "7.2-rc1", "8.0"]
    assert [text for text in texts if patch.wanted_for(KernelVersion.parse(text))] == [
        "6.15-rc1", "6.15", "7.0.99", "7.2-rc1", "8.0",
    ]  # fmt: skip
    assert patch.reason == "renamed in 7.1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('["b.patch"]\nversions = []\n', "names patches that are not there: b.patch"),
        ('["a.patch"]\n', "expected versions"),
        ("not toml", "expected versions"),
        ('["a.patch"]\nversions = [["seven", ""]]\n', "expected versions"),
        ("x = " + "[" * 3000, "expected versions"),
    ],
)
def test_wrong_version_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "a.patch").write_text(diff("a.c"))
    (tmp_path / "versions.toml").write_text(text)
    with pytest.raises(PatchProblem, match=complaint):
        load_series(tmp_path)


def mbox(tmp_path: Path, *mails: tuple[str, str]) -> Path:
    path = tmp_path / "series.mbox"
    path.write_text(
        "\n".join(f"From a@b Mon Jan  1 00:00:00 2026\n{mail(*one)}" for one in mails) + "\n"
    )
    return path


def test_mbox_is_put_in_order_and_replies_set_aside(tmp_path: Path) -> None:
    path = mbox(
        tmp_path,
        ("[PATCH net-next 2/2] second", diff("b.c")),
        ("[PATCH net-next 0/2] cover", "text\n"),
        ("Re: [PATCH net-next 1/2] first", f"or rather\n\n{diff('a.c', new='better')}"),
        ("[PATCH net-next 1/2] first", diff("a.c")),
        ("lunch?", "text\n"),
    )
    series = load_series(path)
    assert [(patch.title, patch.files) for patch in series.patches] == [
        ("first", ["a.c"]),
        ("second", ["b.c"]),
    ]
    assert len(series.set_aside) == 1
    assert "a diff in a reply" in series.set_aside[0]


def test_newest_revision_wins(tmp_path: Path) -> None:
    path = mbox(
        tmp_path,
        ("[PATCH v2 1/1] thing", diff("a.c", new="v2")),
        ("[PATCH v11 1/1] thing", diff("a.c", new="v11")),
        ("[PATCH 1/1] thing", diff("a.c", new="v1")),
    )
    series = load_series(path)
    assert ["+v11" in patch.diff for patch in series.patches] == [True]
    assert series.set_aside == ["v1 1: thing: superseded by v11", "v2 1: thing: superseded by v11"]


def test_missing_number_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PatchProblem, match="patches 1, 3 of 3 are missing"):
        load_series(mbox(tmp_path, ("[PATCH 2/3] only", diff("a.c"))))


THREAD = """\
public inbox for io-uring@vger.kernel.org
* [PATCHSET RFC 0/2] Do a thing
@ 2026-01-01 16:07 A
  2026-01-01 16:07 ` [PATCH 1/2] io_uring: first A

 io_uring/kbuf.c | 2 +-

* [PATCH 1/2] io_uring: first
  2026-01-01 16:07 [PATCHSET RFC 0/2] Do a thing A
From: A
{first}-- 
2.45.2

* Re: [PATCH 1/2] io_uring: first
> --- a/io_uring/kbuf.c
> +++ b/io_uring/kbuf.c
Looks good.

* [PATCH 2/2] io_uring: second
{second}
"""  # noqa: W291 - the mark of a mail's signature ends in a blank


def test_saved_thread(tmp_path: Path) -> None:
    path = tmp_path / "thread.txt"
    text = THREAD.format(first=diff("io_uring/kbuf.c"), second=diff("io_uring/net.c"))
    path.write_text(text)
    series = load_series(path)
    assert [(patch.title, patch.diff) for patch in series.patches] == [
        ("io_uring: first", diff("io_uring/kbuf.c")),
        ("io_uring: second", diff("io_uring/net.c")),
    ]


def test_text_without_patches_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thread.txt"
    path.write_text(textwrap.dedent("On Monday, A wrote:\n> I don't like this approach.\n"))
    with pytest.raises(PatchProblem, match="holds no patch"):
        load_series(path)
    with pytest.raises(PatchProblem, match="cannot be read"):
        load_series(tmp_path / "none")
    with pytest.raises(PatchProblem, match=r"neither \*.patch files"):
        load_series(tmp_path)


def test_our_own_series_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    series = load_series(Path("provided-registered-buffers"))
    assert [patch.name[:4] for patch in series.patches] == ["0001", "0002", "0003"]
    with pytest.raises(PatchProblem, match="cannot be read"):
        load_series(Path("no-such-series"))


FIXED = [pytest.param(path, id=path.name) for path in sorted(FIXES.iterdir())]


def titles(path: Path) -> list[str]:
    return [patch.title for patch in load_series(path).patches]


@pytest.mark.parametrize("path", FIXED)
def test_fix_is_found_by_the_id_of_its_finding(path: Path) -> None:
    assert titles(Path(path.name)) == titles(path) != []


@pytest.mark.parametrize("path", FIXED)
def test_fix_is_that_of_a_finding_on_record(path: Path) -> None:
    assert (FINDINGS / f"{path.name}.md").is_file()


@pytest.mark.parametrize("path", FIXED)
def test_fix_of_a_series_comes_after_what_it_builds_on(path: Path) -> None:
    whole, part = titles(OURS / "hardening"), titles(path)
    if set(part) & set(whole):
        assert part == [title for title in whole if title in part]


def test_each_patch_of_the_series_belongs_to_a_fix() -> None:
    assert set(titles(OURS / "hardening")) <= {
        title for path in FIXES.iterdir() for title in titles(path)
    }


def test_only_a_fix_of_ours_names_patches_of_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.patches.OURS", tmp_path / "series")
    monkeypatch.setattr("kernels.patches.FIXES", tmp_path / "fixes")
    for folder in ("series/group", "fixes/one", "elsewhere/two"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "series/group/a.patch").write_text(diff("a.c"))
    (tmp_path / "outside.patch").write_text(diff("b.c"))
    for folder in ("fixes/one", "elsewhere/two"):
        (tmp_path / folder / "series").write_text("group/a.patch\n")
    assert [patch.name for patch in load_series(tmp_path / "fixes/one").patches] == ["a.patch"]
    with pytest.raises(PatchProblem, match="cannot be read"):
        load_series(tmp_path / "elsewhere/two")
    (tmp_path / "fixes/one/series").write_text("../outside.patch\n")
    with pytest.raises(PatchProblem, match="cannot be read"):
        load_series(tmp_path / "fixes/one")


def test_all_fixes_are_each_patch_once_and_each_series_in_its_order() -> None:
    every = titles(Path(ALL_FIXES))
    assert sorted(set(every)) == sorted(every)
    assert {title for path in FIXES.iterdir() for title in titles(path)} <= set(every)
    for folder in {name.partition("/")[0] for name in SERIES_LINES if "/" in name}:
        whole = titles(OURS / folder)
        first = every.index(whole[0])
        assert every[first : first + len(whole)] == whole


SERIES_LINES = [
    line for file in FIXES.glob("*/series") for line in file.read_text().splitlines() if line
]


def test_what_a_series_mends_is_told_by_its_whole_fixes() -> None:
    two = ["vnics-without-rfs-accel", "xdp-program-kept"]
    alone = load_series(FIXES / two[0])
    assert mended_by([alone], two) == {two[0]}
    assert mended_by([load_series(Path(ALL_FIXES))], two) == set(two)
    assert mended_by([], two) == mended_by([alone], []) == set()
