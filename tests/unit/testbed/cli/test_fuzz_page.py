# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz page`` and ``export``: what they write, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cli import fuzz_page as module
from testbed.cli import main as cli
from testbed.coverage.program import Frame, Function, Point
from testbed.engines.uml.hits import CoveredKernel
from testbed.errors import ExitCode
from testbed.fuzz import covered, page
from testbed.fuzz.covered_kernel import facts_of
from testbed.fuzz.reading import Reader
from tests.unit.testbed.fuzz.campaigns import FACTS, MadeUp, campaign


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Campaign ``main``, and no picture of it: each takes a while."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "plots", lambda curves: [])
    campaign(tmp_path / "runs" / "fuzz-main")
    return tmp_path / "runs"


def fuzz(*words: str) -> int:
    return cli.run_app(["fuzz", *words])


def test_static_files(tmp_path: Path) -> None:
    assert fuzz("page", "--out", str(tmp_path / "out"), "--with", "main") == 0
    assert "Fuzz campaign main" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["page"], "name --out FOLDER, or --serve"),
        (["page", "--out", "x", "--serve"], "name --out FOLDER, or --serve"),
        (["page", "--out", "x", "--name", "other"], "holds no campaign"),
        (["page", "--out", "x", "--name", "../x"], "is no name for a campaign"),
        (["page", "--serve", "--name", "other"], "holds no campaign"),
        (["export", "--out", "x", "--name", "other"], "holds no campaign"),
    ],
)
def test_bad_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz(*words) == ExitCode.USAGE
    assert said in " ".join(capsys.readouterr().err.split())


def test_export_is_red_for_what_is_new(tmp_path: Path) -> None:
    assert fuzz("export", "--out", str(tmp_path / "out")) == ExitCode.TEST_FAILURE
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"junit.xml", "results.ktap", "summary.json", "summary.html"} <= names


FUNCTION = Function("f", "bnxt.c", 3)


def with_kernel(tmp_path: Path) -> Path:
    kernel = CoveredKernel(key="k", release="r", image="/nowhere/linux", source="/nowhere")
    facts = {**FACTS, **facts_of(kernel)}
    made = MadeUp(tmp_path / "runs" / "fuzz-covered", facts)
    with made.store.batch():
        made.store.count_features(1, [(7, 2)])
    return tmp_path / "runs" / "fuzz-covered"


def test_coverage_of_the_kernel_that_the_store_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def points(image: Path) -> tuple[Point, ...]:
        asked.append(image)
        return (Point(7, (Frame(FUNCTION, "bnxt.c", 4),)),)

    monkeypatch.setattr(covered, "_points", points)
    with Reader.of(with_kernel(tmp_path)) as reader:
        found = module.covered_by(reader)
    assert found is not None
    assert found.hits.counts == {7: 2}
    assert asked == [Path("/nowhere/linux")]


def test_a_kernel_that_is_gone_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Reader.of(with_kernel(tmp_path)) as reader:
        assert module.covered_by(reader) is None
    assert "no coverage: the kernel that was covered is gone" in capsys.readouterr().err


def test_what_is_served_is_as_the_store_is_now(tmp_path: Path, runs: Path) -> None:
    made = MadeUp(runs / "fuzz-live")
    pages = module._Pages(runs / "fuzz-live", "live", [], tmp_path / "coverage")
    assert "None so far." in pages.render()
    assert 'http-equiv="refresh"' in pages.render()
    from tests.unit.testbed.fuzz.campaigns import MEMORY, schedule

    made.run(schedule(), MEMORY)
    assert "memory: bnxt_rx_pkt" in pages.render()


def test_coverage_comes_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks first does not wait for it."""
    point = Point(7, (Frame(FUNCTION, "bnxt.c", 4),))
    monkeypatch.setattr(covered, "_points", lambda _image: (point,))
    pages = module._Pages(with_kernel(tmp_path), "covered", [], tmp_path / "coverage")
    started = []
    monkeypatch.setattr(module.Thread, "start", lambda thread: started.append(thread))
    assert "It is being read" in pages.render()
    pages.read_coverage()
    assert "coverage/bnxt.c.html#L3" in pages.render()
    assert (tmp_path / "coverage" / "bnxt.c.html").is_file()
    assert len(started) == 1, "nothing new was covered"
