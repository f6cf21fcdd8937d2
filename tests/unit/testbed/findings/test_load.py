# SPDX-License-Identifier: GPL-2.0-only
"""The files of docs/findings: those there are, and those with something wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import ConfigProblem
from testbed.findings.judge import Findings, gone
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import FOLDER, INDEX, Replayed, kernel_of, load_findings, read_finding

SIMULATED_TIME = {"uml", "uml-san"}
HEAD = """+++
id = "a-bug"
title = "It breaks"
status = "open"
first_seen = 2026-11-20
kernels = ["7.2.12", "7.3-rc7"]
flavours = ["uml-san", "debian"]
replay = "./tb run"

[[splat]]
sanitizer = "WARNING"
function = "f"
title = "dev.c"

[[replayed]]
kernel = "uml-san"
runs = 20
shown = 20
event_hashes = 1
+++
# It breaks
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a-bug.md"
    path.write_text(HEAD)
    return path


def test_files_on_hand_are_sound_and_in_the_index() -> None:
    found = load_findings()
    assert found
    index = (FOLDER / INDEX).read_text()
    for finding in found:
        assert f"({finding.id}.md)" in index


def test_findings_on_hand_say_how_often_they_replay() -> None:
    """In simulated time every run shows it and is the same run; elsewhere a rate, as measured."""
    for finding in load_findings():
        measured = {one.kernel: one for one in finding.replayed}
        assert len(measured) == len(finding.replayed), finding.id
        assert measured or " faults run " not in finding.replay, finding.id
        for kernel, one in measured.items():
            assert one.shown or kernel not in finding.flavours, (finding.id, kernel)
            if kernel in SIMULATED_TIME:
                assert (one.shown, one.event_hashes) == (one.runs, 1), (finding.id, kernel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("a-bug", "another"), "id: 'another' is not the file's name, 'a-bug'"),
        (("status = ", "state = "), "state: unknown key"),
        (('"open"', '"new"'), "status: 'new' is not allowed"),
        (("2026-11-20", '"2026-11-20"'), "first_seen: '2026-11-20' is not allowed"),
        (("2026-11-20", "{date = 5}"), "first_seen: {'date': 5} is not allowed"),
        (("2026-11-20", '{date = "2026-11-20"}'), "first_seen: {'date': .*} is not allowed"),
        (("first_seen", "# a +++\nprovokd = true # +++\nfirst_seen"), "provokd: unknown key"),
        (('"It breaks"', "2026-11-20"), "title: 2026-11-20 is not allowed"),
        (('replay = "./tb run"\n', ""), "replay: is missing"),
        (('"./tb run"', '""'), "replay: '' is not allowed"),
        (('["7.2.12", "7.3-rc7"]', '"7.2.12"'), "kernels: '7.2.12' is not allowed"),
        (('["7.2.12", "7.3-rc7"]', "[]"), r"kernels: \[\] is not allowed"),
        (('"WARNING"', '"WARN"'), r"\[\[splat\]\] 1.sanitizer: 'WARN' is not allowed"),
        (("dev.c", "("), r"\[\[splat\]\] 1.title: '\(' is not allowed"),
        (("dev.c", ""), r"\[\[splat\]\] 1.title: is empty"),
        (("function", "where"), r"\[\[splat\]\] 1.where: unknown key"),
        (("[[splat]]", "[splat]"), "splat: .* is not allowed"),
        (("kernels = ", "kernels "), "not TOML"),
        (("[[splat]]", "provoked = 1\n[[splat]]"), "provoked: 1 is not allowed"),
        (("[[replayed]]", "[replayed]"), "replayed: .* is not allowed"),
        (("runs = ", "times = "), r"\[\[replayed\]\] 1.times: unknown key"),
        (("shown = 20", "shown = 21"), r"1.runs: 20 is less than was counted in them"),
        (("shown = 20", "shown = -1"), r"\[\[replayed\]\] 1.shown: -1 is not allowed"),
        (("+++\n# It breaks\n", ""), "has to begin with a head"),
    ],
)
def test_mistake_is_named_with_file_and_key(
    file: Path, change: tuple[str, str], message: str
) -> None:
    old, new = change
    assert old in HEAD
    file.write_text(HEAD.replace(old, new, 1))
    with pytest.raises(ConfigProblem, match=message) as caught:
        read_finding(file)
    assert str(file) in str(caught.value)


def test_finding_that_nothing_could_show_is_refused(file: Path) -> None:
    head, _, _ = HEAD.partition("[[splat]]")
    file.write_text(head + "+++\n")
    with pytest.raises(ConfigProblem, match="neither"):
        read_finding(file)


@pytest.mark.parametrize(
    ("release", "version", "flavour"),
    [
        ("7.2.12-testbed-uml-san", "7.2.12", "uml-san"),
        ("7.2.12+deb13-amd64", "7.2.12", "debian"),
        ("7.3.0-rc7-testbed-uml", "7.3.0-rc7", "uml"),
        ("7.3-rc7-amd64", "7.3-rc7", "debian"),
    ],
)
def test_kernel_of_a_release(release: str, version: str, flavour: str) -> None:
    assert kernel_of(release) == (version, flavour)


def test_complaint_is_on_file_only_for_listed_kernels(file: Path) -> None:
    watcher = KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n")
    findings = Findings([read_finding(file)])
    known = findings.sort(watcher.events, "7.2.12-testbed-uml")
    assert list(known.known) == ["a-bug"]
    unknown = findings.sort(watcher.events, "7.2.13-testbed-uml-san")
    assert [one.function for one in unknown.unknown] == ["f"]
    (hint,) = findings.hints(unknown, "7.2.13-testbed-uml-san")
    assert "add it to a-bug.md" in hint


def test_provoked_finding_explains_only_where_it_is_asked_for(file: Path) -> None:
    file.write_text(HEAD.replace("[[splat]]", "provoked = true\n\n[[splat]]", 1))
    watcher = KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n")
    findings, release = Findings([read_finding(file)]), "7.2.12-testbed-uml"
    assert list(findings.sort(watcher.events, release, asked_for=["a-bug"]).known) == ["a-bug"]
    unasked = findings.sort(watcher.events, release)
    assert not unasked.known
    assert [one.function for one in unasked.unknown] == ["f"]
    (hint,) = findings.hints(unasked, release)
    assert "is the card's model at fault?" in hint


def test_counts_of_replays_are_read(file: Path) -> None:
    assert read_finding(file).replayed == (Replayed("uml-san", 20, 20, 1),)


def test_finding_shows_on_listed_flavours_of_listed_kernels(file: Path) -> None:
    finding = read_finding(file)
    assert finding.shows_on("7.2.12+deb13-amd64")
    assert not finding.shows_on("7.2.12-testbed-uml")
    assert not finding.shows_on("7.1.0-testbed-uml-san")
    assert "docs/findings/a-bug.md" in gone(finding, "7.2.12")


def hints_of(tmp_path: Path, *heads: str) -> list[str]:
    """Hints of a kernel that no file lists, whose log has one WARNING in f(), three times."""
    found = []
    for number, head in enumerate(heads):
        path = tmp_path / f"bug-{number}.md"
        path.write_text(head.replace('id = "a-bug"', f'id = "bug-{number}"'))
        found.append(read_finding(path))
    findings, watcher = Findings(found), KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n---[ end trace 0 ]---\n" * 3)
    release = "7.3.1-testbed-uml"
    return findings.hints(findings.sort(watcher.events, release), release)


def test_hint_is_given_once_for_the_same_complaint(tmp_path: Path) -> None:
    assert len(hints_of(tmp_path, HEAD)) == 1


def test_hint_names_the_finding_that_says_most(tmp_path: Path) -> None:
    vague = HEAD.replace('function = "f"\n', "")
    assert vague != HEAD
    (hint,) = hints_of(tmp_path, vague, HEAD, vague)
    assert "the finding bug-1," in hint


def test_no_hint_where_two_findings_say_as_much(tmp_path: Path) -> None:
    assert hints_of(tmp_path, HEAD, HEAD) == []
