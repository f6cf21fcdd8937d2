# SPDX-License-Identifier: GPL-2.0-only
"""One attempt: the card and the kernel of its cell, and what the command is given."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed import ROOT
from testbed.host.child import Ended
from testbed.nightly import attempt as attempt_module
from testbed.nightly.attempt import attempt
from testbed.nightly.cell import Cell, KernelSource
from testbed.nightly.plan import Step
from testbed.nightly.work import WORK, command, retry_target
from tests.unit.testbed.nightly import nights
from tests.unit.testbed.nightly.nights import Processes, cell, check


def good(_words: Sequence[str]) -> Sequence[Mapping[str, object]]:
    return [check("test_a")]


def test_the_card_is_that_of_the_cell(tmp_path: Path) -> None:
    one = cell(card="few", card_options={"limits": {"msix": 16}})
    found = attempt(Step(one), tmp_path / "a", tmp_path, 60, Processes(good))
    assert (found.verdict, found.release, found.commit) == ("pass", "7.2.12", "c0ffee")
    told = tomllib.loads((tmp_path / "a" / "testbed.toml").read_text())
    assert told == {"run": {"card_options": {"limits": {"msix": 16}}}}


def test_what_a_killed_attempt_left_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a" / "run" / "old").mkdir(parents=True)
    attempt(Step(cell()), tmp_path / "a", tmp_path, 60, Processes(good))
    assert not (tmp_path / "a" / "run" / "old").exists()


def test_a_run_that_does_not_say_is_of_this_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_module, "repository_commit", lambda: "beef")
    monkeypatch.setattr(nights, "COMMIT", {})
    found = attempt(Step(cell()), tmp_path / "a", tmp_path, 60, Processes(good))
    assert found.commit == "beef"


def test_a_series_is_built_first(tmp_path: Path) -> None:
    one = cell(source=KernelSource(base="7.2", series=("fixes", "/p/a.mbox")))
    processes = Processes(good)
    attempt(Step(one), tmp_path / "a", tmp_path, 60, processes)
    build, test = (" ".join(words) for words in processes.words)
    assert build.endswith("kernel build --flavour uml --base 7.2 --series fixes --series /p/a.mbox")
    assert "--testbed-kernel /cache/linux" in test


def test_a_kernel_that_does_not_build_is_told(tmp_path: Path) -> None:
    def fails(*_arguments: object, **_more: object) -> Ended:
        return Ended(2, ["zcrx.c:7: error: no"], timed_out=False)

    one = cell(source=KernelSource(tree="/linux"), engine="qemu")
    found = attempt(Step(one), tmp_path / "a", tmp_path, 60, fails)
    assert (found.verdict, found.reason) == ("does not build", "zcrx.c:7: error: no")
    assert not found.reached


def repository(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    git = ["git", "-C", str(tree), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for branch in ("main", "zcrx"):
        (tree / "Makefile").write_text(f"# {branch}\n")
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", branch], check=True)
        subprocess.run([*git, "branch", "-f", "zcrx"], check=True)
    subprocess.run([*git, "reset", "-q", "--hard", "HEAD~1"], check=True)
    return tree


def test_a_branch_is_built_of_what_is_committed(tmp_path: Path) -> None:
    seen = []

    class Builds(Processes):
        def __call__(
            self, words: Sequence[str], log: Path, limit_s: float, *, folder: Path
        ) -> Ended:
            if "--tarball" in words:
                with tarfile.open(words[words.index("--tarball") + 1]) as archive:
                    makefile = archive.extractfile("linux/Makefile")
                    assert makefile is not None
                    seen.append(makefile.read())
            return super().__call__(words, log, limit_s, folder=folder)

    one = cell(source=KernelSource(tree=str(repository(tmp_path)), branch="zcrx"))
    found = attempt(Step(one), tmp_path / "a", tmp_path, 60, Builds(good))
    assert (found.verdict, seen) == ("pass", [b"# zcrx\n"])
    assert found.source.startswith("zcrx + "), "its commit, for people"
    assert not list((tmp_path / "a").rglob("*.tar")), "the tarball is not kept"


def test_a_branch_that_is_not_there(tmp_path: Path) -> None:
    one = cell(source=KernelSource(tree=str(repository(tmp_path)), branch="nowhere"))
    found = attempt(Step(one), tmp_path / "a", tmp_path, 60, Processes(good))
    assert found.verdict == "does not build"
    assert "nowhere" in found.reason


WORDS = {
    "suite": "--sample 0/8 {root}/tests/suite/rings --testbed-engine uml --testbed-flavour uml",
    "job": "testbed run --run-dir {runs} --engine uml --flavour uml --kernel 7.2 --seed 1",
    "ksft": "testbed ksft hds.py --run-dir {runs} --kernel 7.2 --seed 1",
    "faults": "testbed faults run all --run-dir {runs} --engine uml --flavour uml --kernel 7.2",
    "fuzz": "--name fuzz-7.2-uml --flavour uml --kernel 7.2 --seed 1 --run-dir {state}/campaigns",
    "compare": "testbed compare --runs 3 epoll@7.2 zcrx@7.2 --run-dir {runs}",
    "page_pool": "testbed bench page-pool 7.2 7.2 --run-dir {runs}",
    "wire": "testbed bench wire --run-dir {runs} --kernel 7.2 --seed 1",
    "coverage": "testbed coverage run zcrx --run-dir {runs} --flavour uml --kernel 7.2 --seed 1",
    "findings": "testbed findings check --run-dir {runs} --kernel 7.2 --flavour uml",
}


@pytest.mark.parametrize(
    ("kind", "words", "targets"),
    [
        ("suite", ("--sample", "0/8"), ("tests/suite/rings",)), ("job", ("run",), ()),
        ("ksft", ("ksft",), ("hds.py",)), ("faults", ("faults", "run"), ("all",)),
        ("fuzz", ("fuzz", "start"), ()), ("compare", ("compare", "--runs", "3"), ("epoll", "zcrx")),
        ("page_pool", ("bench", "page-pool"), ()), ("wire", ("bench", "wire"), ()),
        ("coverage", ("coverage", "run"), ("zcrx",)),
        ("findings", ("findings", "check"), ()),
    ],
)  # fmt: skip
def test_the_command_of_each_kind(
    kind: str, words: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    one: Cell = cell(kind, words=words, targets=targets)
    state, runs = Path("/state"), Path("/state/a/run")
    told = " ".join(command(one, "7.2", (), runs, state))
    assert WORDS[kind].format(root=ROOT, runs=runs, state=state) in told
    assert set(WORDS) == set(WORK)


def test_a_retry_names_what_failed() -> None:
    one = cell("faults", words=("faults", "run"), targets=("all",))
    told = " ".join(command(one, "7.2", ["irq-storm"], Path("/r"), Path("/s")))
    assert "faults run irq-storm --run-dir" in told


def test_a_retry_takes_no_name_for_an_option() -> None:
    assert retry_target("faults", "", "--kernel") == ""
    assert retry_target("ksft", "-x", "case") == ""
