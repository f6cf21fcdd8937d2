# SPDX-License-Identifier: GPL-2.0-only
"""The index of findings is current, and has each of them once."""

from __future__ import annotations

from pathlib import Path

from testbed.findings.describe import BEGIN, END, documents, index_markdown
from testbed.findings.load import load_findings, read_finding
from tests.unit.testbed.findings.heads import ABOUT, REPRODUCER, checked, verified

FIXED = 'fixed = { version = "7.4-rc1" }\n'
SHOWS = 'flavours = ["uml"]\nfailure = "it broke"\n'


def written(folder: Path, name: str, *, about: str = ABOUT, more: str = "") -> None:
    tables = checked("7.3-rc7", "uml", hashes=1) + checked("7.2.12", "uml", hashes=1)
    tables += checked("7.2.12", "debian", runs=4, shown=3)
    text = f'+++\nid = "{name}"\n{about}{SHOWS}{more}{REPRODUCER}{tables}+++\n'
    (folder / f"{name}.md").write_text(text)


def test_index_on_hand_is_current() -> None:
    for path, text in documents().items():
        assert path.read_text(encoding="utf-8") == text, "run: testbed findings docs"


def test_each_finding_is_in_the_index_once() -> None:
    text = index_markdown(load_findings())
    for finding in load_findings():
        assert text.count(f"| [{finding.id}](") == 1


def test_row_says_what_the_head_says(tmp_path: Path) -> None:
    written(tmp_path, "a-bug", about=ABOUT.replace("It breaks", "a|b: breaks"))
    tried = verified("7.3.4", "uml") + verified("7.3.4", "uml-san") + verified("7.2.12", "uml")
    path = tmp_path / "a-bug.md"
    path.write_text(tried.join(path.read_text().rsplit("+++\n", 1)) + "+++\n")
    assert index_markdown(load_findings(tmp_path)).splitlines() == [
        "## With any card (1)",
        "",
        "| finding | what | status | comes from | leads to | shown | our fix tried on |",
        "|---|---|---|---|---|---|---|",
        r"| [a-bug](a-bug.md) | a\|b: breaks | open | root | warning |"
        " 7.2.12: debian 3 of 4, uml 20 of 20; 7.3-rc7: uml 20 of 20 | 7.2.12, 7.3.4 |",
        "",
        "## By kernel",
        "",
        "| kernel | shown | not shown | not run there, by the kernel that it takes |",
        "|---|---|---|---|",
        "| 7.2.12 | 1 | 0 |  |",
        "| 7.3-rc7 | 1 | 0 |  |",
        "",
    ]


def test_each_kernel_names_what_was_not_run_there(tmp_path: Path) -> None:
    written(tmp_path, "a-bug")
    for name in ("b-bug", "c-bug", "later"):
        written(tmp_path, name)
        text = (tmp_path / f"{name}.md").read_text()
        text, _, _ = text.partition("[[checked]]")
        seen = checked("7.3-rc7", "uml") if name == "later" else checked("7.2.12", "uml")
        (tmp_path / f"{name}.md").write_text(f"{text}{seen}+++\n")
    written(tmp_path, "old", about=ABOUT.replace('"open"', '"fixed"'), more=FIXED)
    lines = index_markdown(load_findings(tmp_path)).splitlines()
    assert "| 7.2.12 | 3 | 0 |  |" in lines
    assert "| 7.3-rc7 | 2 | 0 | uml-san: b-bug, c-bug |" in lines


def test_tables_are_by_what_it_takes_and_what_is_settled(tmp_path: Path) -> None:
    written(tmp_path, "lie", about=ABOUT.replace('"none"', '"lying card"'))
    written(tmp_path, "told", about=ABOUT.replace('"open"', '"reported"\nlink = "https://x/1"'))
    written(tmp_path, "done", about=ABOUT.replace('"open"', '"fixed"'), more=FIXED)
    written(tmp_path, "same", about=ABOUT.replace('"open"', '"duplicate"\nduplicate_of = "lie"'))
    text = index_markdown(load_findings(tmp_path))
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## With any card (1)",
        "## With a card or firmware that says what cannot be (1)",
        "## Fixed, or left as they are (2)",
        "## By kernel",
    ]
    assert "| [reported](https://x/1) |" in text
    assert "| fixed in 7.4-rc1 |" in text
    assert "| duplicate of [lie](lie.md) |" in text


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    written(tmp_path, "a-bug")
    ((path, text),) = documents(tmp_path).items()
    index = index_markdown([read_finding(tmp_path / "a-bug.md")])
    assert (path, text) == (
        tmp_path / "README.md",
        f"before\n{BEGIN}\n{index}{END}\nbehind\n",
    )
