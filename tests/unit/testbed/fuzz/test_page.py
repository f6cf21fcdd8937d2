# SPDX-License-Identifier: GPL-2.0-only
"""The campaign's page: what it says, and that nothing of a guest gets through."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from testbed.coverage.account import account
from testbed.coverage.program import Frame, Function, Point
from testbed.engines.uml.hits import CoveredKernel, Hits
from testbed.errors import EnvironmentProblem
from testbed.fuzz import page as page_module
from testbed.fuzz.covered import Covered
from testbed.fuzz.curves import Curve
from testbed.fuzz.page import gather, render, write
from testbed.fuzz.reading import TriageRow
from tests.unit.testbed.fuzz.campaigns import MEMORY, MadeUp, campaign

FUNCTION = Function("bnxt_poll", "drivers/net/bnxt/bnxt.c", 17)


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second, and most tests are of the rest."""
    if request.node.name != "test_pictures_have_words":
        monkeypatch.setattr(page_module, "plots", lambda _curves: [])


class Tags(HTMLParser):
    """All tags of a page, and the ids and links in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        self.links.append(found.get("href") or "")


def covered(tmp_path: Path) -> Covered:
    kernel = CoveredKernel("key", "7.2.12", str(tmp_path / "linux"), str(tmp_path))
    points = [Point(place, (Frame(FUNCTION, FUNCTION.file, place),)) for place in (18, 19)]
    hits = Hits(kernel, 60, Counter({18: 4}))
    return Covered(hits, account(points, hits.counts))


def page(tmp_path: Path) -> str:
    return render(gather(campaign(tmp_path / "c"), "a <night>"), covered=covered(tmp_path))


def test_guest_text_is_escaped(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert r"\x1b[2J" in text
    tags = Tags(text)
    assert not tags.tags["script"]
    assert not tags.tags["night"]
    assert "default-src 'none'" in text


def test_what_it_says(tmp_path: Path) -> None:
    text = re.sub(r"\s+", " ", page(tmp_path))
    assert "60 runs in 0.5 minutes" in text
    assert '<div class="value">2</div><div class="note">1 need no card that lies' in text
    assert "on record: tpa-agg-bug-on" in text
    assert 'shows as well as: <span class="code">leak: 3 mappings' in text
    assert "yes: the firmware refuses" in text
    assert "6 schedules were run twice: 5 were the same" in text
    assert "the 17th event" in text
    assert text.index("memory: bnxt_rx_pkt") < text.index("BUG: bnxt_tpa_start"), "new ones first"


def test_each_link_has_its_end(tmp_path: Path) -> None:
    index = write(tmp_path / "out", gather(campaign(tmp_path / "c"), "x"), (), covered(tmp_path))
    tags = Tags(index.read_text())
    for link in filter(None, tags.links):
        file, _, place = link.partition("#")
        there = Tags((index.parent / file).read_text()) if file else tags
        assert not place or place in there.ids or file, link
    assert "coverage/drivers.net.bnxt.bnxt.c.html#L17" in tags.links


def test_pictures_have_words(tmp_path: Path) -> None:
    made = gather(campaign(tmp_path / "c"), "x")
    text = render(made, [Curve.of("blind", made.runs)])
    assert text.count('<img src="data:image/svg+xml;base64,') == 6
    assert 'alt="Edges over runs. At the end x: ' in text
    assert "the kernel that was covered is not on this machine" in text.lower()


def test_triage_is_shown(tmp_path: Path) -> None:
    store = campaign(tmp_path / "c")
    name = store.complaints()[0].schedule
    with store.batch():
        store.triaged(
            TriageRow(signature=MEMORY.signature, minimal=name, shown=4, tried=5, filed="new-bug")
        )
    text = render(gather(store, "x"))
    assert "confirmed 4 of 5" in text
    assert "filed as new-bug" in text
    assert "minimised schedule" in text


def test_it_loads_itself_again_only_where_it_is_served(tmp_path: Path) -> None:
    made = gather(campaign(tmp_path / "c"), "x")
    assert 'http-equiv="refresh"' not in render(made)
    assert 'http-equiv="refresh" content="15"' in render(made, refresh_s=15)


def test_a_campaign_that_has_just_begun(tmp_path: Path) -> None:
    text = render(gather(MadeUp(tmp_path / "c").store, "x"))
    assert "no run has ended yet" in text
    assert "None so far." in text


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write(tmp_path / "file" / "out", gather(MadeUp(tmp_path / "c").store, "x"))
