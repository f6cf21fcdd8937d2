# SPDX-License-Identifier: GPL-2.0-only
"""The site: what is planted is on the first page as what it is, and a guest's text is text."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from testbed.errors import EnvironmentProblem
from testbed.nightly import site as site_module
from testbed.nightly.cell import Cell
from testbed.nightly.evidence import TIMELINE
from testbed.nightly.reading import Result, Value, read_attempt
from testbed.nightly.site import HISTORY, INDEX, NUMBERS, page_of, write
from testbed.nightly.store import Store
from tests.unit.testbed.nightly.nights import (
    CONFIG,
    DAY,
    add_night,
    attempt,
    cell,
    check,
    config,
    result,
)

HOSTILE = "<script>alert(1)</script>\x1b[31m\x00\u202eabc" + "x" * 20_000
RTL = "\u05e9\u05dc\u05d5\u05dd"


class Reading(HTMLParser):
    """Tags, links and the text of a page; a tag that is not closed is an error."""

    VOID = frozenset({"meta", "br", "link", "hr", "img", "input", "col"})

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def section(site: Path, name: str) -> str:
    """What the first page has below the heading of a state."""
    text = (site / INDEX).read_text()
    return text.partition(f'<h2 id="{name}">')[2].partition("<h2")[0]


def plant(store: Store) -> None:
    """Five quiet nights; then a regression, a flake, a fix and a slowdown."""
    for number in range(5):
        add_night(
            store,
            attempt(
                result("quiet"), result("regressed"), result("flaky"), result("mended", "fail"),
                values=[Value(name="receive by zcrx", value=650 + number, unit="insn/KiB")],
            ),
        )  # fmt: skip
    add_night(
        store,
        attempt(
            result("quiet"), result("regressed", "fail", reason="no byte came"),
            result("flaky", "fail"), result("mended"),
            values=[Value(name="receive by zcrx", value=800, unit="insn/KiB")],
        ),
        attempt(result("regressed", "fail", reason="no byte came"), result("flaky")),
    )  # fmt: skip


def site_of(folder: Path, text: str = CONFIG) -> Path:
    told = config(folder, text)
    with Store.open(folder) as store:
        return write(folder, store, told).parent


def test_the_first_page_says_what_is_what(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        plant(store)
    site = site_of(tmp_path)
    page = Reading(site / INDEX)
    assert "net, night 6: 1 new, 1 flaky, 1 slower, 1 fixed" in page.text
    assert "suite regressed" in section(site, "new")
    assert "no byte came" in section(site, "new")
    assert "suite flaky" in section(site, "flaky")
    assert "failed 1 of 2 tries tonight" in section(site, "flaky")
    assert "receive by zcrx" in section(site, "slower")
    assert "800 insn/KiB, usually 652 insn/KiB (+22.7%)" in section(site, "slower")
    assert "suite mended" in section(site, "fixed")
    assert "suite quiet" not in page.text


def test_every_link_leads_somewhere(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        plant(store)
    site = site_of(tmp_path)
    pages = sorted(site.rglob("*.html"))
    assert {INDEX, HISTORY, NUMBERS, page_of("suite regressed")} <= {
        str(page.relative_to(site)) for page in pages
    }
    for page in pages:
        for link in Reading(page).links:
            if not link.startswith(("#", "https://ui.perfetto.dev")):
                assert (page.parent / link).is_file(), f"{page}: {link}"


def test_a_night_in_which_nothing_is_new(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add_night(store, attempt(result("a")))
        add_night(store, attempt(result("a")))
    text = Reading(site_of(tmp_path) / INDEX).text
    assert "net, night 2: nothing new" in text
    assert "Every test ended as when it last ran." in text


def test_cells_without_time_or_result_are_told(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        night = store.begin(DAY % 1, 60.0, [cell(), cell(work="other")])
        none = attempt(verdict="does not build", reason="no such patch", reached=False)
        store.add(night, cell(), 1, none, "nights/1/a/1")
    text = Reading(site_of(tmp_path) / INDEX).text
    assert "does not build: no such patch" in text
    assert "no time was left" in text
    assert "under way" in text


def test_a_history_of_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add_night(store)
    site = site_of(tmp_path)
    assert "No test has run yet." in Reading(site / HISTORY).text
    assert "Nothing has been measured yet" in Reading(site / NUMBERS).text


def run_directory(state: Path, one: Cell, checks: Sequence[Mapping[str, object]]) -> Path:
    """As a killed guest may leave it: hostile logs, a trace with a violation, links outside."""
    run = state / "nights" / "1" / one.folder / "1" / "run" / "20261122-000000-abcdef"
    machine = run / "vm-1"
    machine.mkdir(parents=True)
    (run.parent / "latest").symlink_to(run.name)
    (run / "summary.json").write_text(json.dumps({"verdict": "fail", "checks": checks}))
    (run / "summary.html").write_text("<!doctype html><title>x</title>")
    log = [f"[{number}] quiet" for number in range(500)] + [f"BUG: {HOSTILE}", RTL]
    log += [f"[{number}] after" for number in range(500)]
    (machine / "kernel.log").write_text("\n".join(log))
    trace = [
        {"n": 1, "t": 5, "k": "hwrm", "cmd": "VER_GET"},
        {"n": 2, "t": 9, "k": "violation", "rule": HOSTILE},
    ]
    (machine / "trace.jsonl").write_text("".join(json.dumps(each) + "\n" for each in trace))
    (machine / "<b>.log").write_text("x")
    printed = ["passed before"] * 500 + [f"___ {HOSTILE[:20]} ___", "E   no byte came"]
    (run.parents[1] / "output.log").write_text("\n".join(printed))
    (machine / "passwd").symlink_to("/etc/passwd")
    return run


def hostile_site(folder: Path) -> Path:
    one = cell()
    failed = check(
        HOSTILE, "fail", reason=HOSTILE + RTL, title=HOSTILE, evidence="vm-1",
        splats=[{"headline": "BUG: <script>"}], findings=[HOSTILE],
    )  # fmt: skip
    run = run_directory(folder, one, [failed, check("good")])
    found = read_attempt(one, run, reason="", seconds=1.0)
    with Store.open(folder) as store:
        night = store.begin(DAY % 1, 60.0, [one])
        store.add(night, one, 1, found, f"nights/1/{one.folder}/1")
    return site_of(folder)


def test_a_guests_text_is_text(tmp_path: Path) -> None:
    site = hostile_site(tmp_path)
    pages = [page for page in site.rglob("*.html") if page.name != "summary.html"]
    assert len(pages) == 5
    for page in pages:
        read = Reading(page)
        assert "script" not in read.tags, page
        raw = page.read_text(encoding="utf-8")
        assert not set(raw) & {"\x1b", "\x00", "\u202e"}, page
        assert len(raw) < 60_000, page
    first = Reading(site / INDEX).text
    assert "<script>alert(1)</script>\\x1b[31m\\x00\\u202eabc" in first
    assert RTL in "".join(Reading(page).text for page in pages)


def test_the_page_of_a_failure_has_log_trace_and_files(tmp_path: Path) -> None:
    site = hostile_site(tmp_path)
    (page,) = [one for one in (site / "tests").iterdir() if "Kernel log" in one.read_text()]
    read = Reading(page)
    assert "[459] quiet" not in read.text
    assert "[460] quiet" in read.text, "the lines in front of what failed"
    assert "[0] after" in read.text
    assert "[200] after" not in read.text
    assert "hwrm VER_GET" in read.text
    assert read.tags.count("mark") == 1, "the complaint"
    assert "E no byte came" in read.text, "what the process printed last"
    names = {Path(link).name for link in read.links}
    assert {"kernel.log", "trace.jsonl", TIMELINE, "summary.html"} <= names
    assert "passwd" not in names
    assert not [path for path in site.rglob("*") if path.is_symlink()]
    events = json.loads(next(site.rglob(TIMELINE)).read_text())["traceEvents"]
    assert any(one["name"] == "hwrm VER_GET" for one in events)


def test_files_that_are_no_longer_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        add_night(store, attempt(result("a", "fail")))
    text = Reading(site_of(tmp_path) / page_of("suite a")).text
    assert "Its files are no longer kept." in text


def test_the_old_site_stays_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path) as store:
        add_night(store, attempt(result("a")))
    first = (site_of(tmp_path) / INDEX).read_text()

    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site_module, "_write", full)
    with pytest.raises(EnvironmentProblem, match="No space left") as caught:
        site_of(tmp_path)
    assert "--page" in (caught.value.remedy or "")
    assert (tmp_path / "site" / INDEX).read_text() == first


def test_a_curve_says_in_words_what_it_shows(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for number in (650, 700):
            value = Value(name="receive by $x$ <b>", value=number, unit="insn/KiB")
            add_night(store, attempt(values=[value], release="7.2 $\\frac$"))
    text = (site_of(tmp_path) / NUMBERS).read_text()
    assert 'alt="receive by $x$ &lt;b&gt;: 650 to 700 insn/KiB"' in text
    drawing = b64decode(text.partition("base64,")[2].partition('"')[0]).decode()
    assert "7.2 $\\frac$ c0ffee" in drawing, "each night has its kernel and commit"


def test_results_of_one_test_in_two_attempts_are_one_line(tmp_path: Path) -> None:
    bad: Result = result("a", "fail")
    with Store.open(tmp_path) as store:
        add_night(store, attempt(bad), attempt(bad))
    assert Reading(site_of(tmp_path) / INDEX).text.count("suite a") == 1
