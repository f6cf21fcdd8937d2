# SPDX-License-Identifier: GPL-2.0-only
"""The files of docs/findings: those there are, and those with something wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import ROOT
from testbed.errors import ConfigProblem
from testbed.findings.judge import Findings, gone
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import load_findings, read_finding
from tests.unit.testbed.findings.heads import ABOUT, REPRODUCER, checked

SIMULATED_TIME = {"uml", "uml-san"}
SPLAT = """
[[splat]]
sanitizer = "WARNING"
function = "f"
title = "dev.c"
"""
CHECKED = checked("7.2.12", "uml-san", hashes=1)
HEAD = f"""+++
id = "a-bug"
{ABOUT}flavours = ["uml-san", "debian"]
{SPLAT}{REPRODUCER}{CHECKED}+++
# It breaks
"""
UML = GuestKernel.of("7.2.12-testbed-uml")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a-bug.md"
    path.write_text(HEAD)
    return path


def test_findings_on_hand_say_how_often_they_replay() -> None:
    """In simulated time every run shows it and is the same run; elsewhere a rate, as measured."""
    for finding in load_findings():
        assert finding.checked, finding.id
        for one in finding.checked:
            assert one.shown or one.flavour not in finding.flavours, (finding.id, one)
            if one.flavour in SIMULATED_TIME:
                assert (one.shown, one.event_hashes) == (one.runs, 1), (finding.id, one)


def test_scripts_and_tests_of_findings_on_hand_exist() -> None:
    for finding in load_findings():
        script = finding.reproducer.script
        assert script is None or (finding.folder / script).is_file(), finding.id
        for path in finding.tests:
            assert (ROOT / path).exists(), (finding.id, path)


def test_marked_tests_of_findings_on_hand_exist() -> None:
    """The test that a finding names is there, and is marked with it."""
    for finding in load_findings():
        if finding.reproducer.test is not None and finding.duplicate_of is None:
            path, _, name = finding.reproducer.test.partition("::")
            function = name.partition("[")[0]
            before, _, _ = (ROOT / path).read_text().partition(f"def {function}(")
            last = before.rpartition("\n\n\n")[2]
            assert f'finding("{finding.id}")' in last, finding.id


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
        (('needs = "none"\n', ""), "needs: is missing"),
        (('"It breaks"', '""'), "title: '' is not allowed"),
        (('["tests/suite/link"]', '"tests/suite"'), "tests: 'tests/suite' is not allowed"),
        (('["tests/suite/link"]', "[]"), r"tests: \[\] is not allowed"),
        (('"WARNING"', '"WARN"'), r"\[\[splat\]\] 1.sanitizer: 'WARN' is not allowed"),
        (("dev.c", "("), r"\[\[splat\]\] 1.title: '\(' is not allowed"),
        (("dev.c", ""), r"\[\[splat\]\] 1.title: is empty"),
        (("function", "where"), r"\[\[splat\]\] 1.where: unknown key"),
        (("[[splat]]", "[splat]"), "splat: .* is not allowed"),
        (("needs = ", "needs "), "not TOML"),
        (("[[splat]]", "lasting = 1\n[[splat]]"), "lasting: 1 is not allowed"),
        (("[[checked]]", "[checked]"), "checked: .* is not allowed"),
        (("runs = ", "times = "), r"\[\[checked\]\] 1.times: unknown key"),
        (("shown = 20", "shown = 21"), r"1.runs: 20 is less than was counted in them"),
        (("shown = 20", "shown = -1"), r"\[\[checked\]\] 1.shown: -1 is not allowed"),
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


def test_complaint_is_on_file_only_for_kernels_that_may_have_it(file: Path) -> None:
    watcher = KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n")
    findings = Findings([read_finding(file)])
    for release in ("7.2.12-testbed-uml", "7.2.13-amd64", "7.3-rc1"):
        assert list(findings.sort(watcher.events, GuestKernel.of(release)).known) == ["a-bug"]
    older = GuestKernel.of("7.2.11-testbed-uml-san")
    unknown = findings.sort(watcher.events, older)
    assert [one.function for one in unknown.unknown] == ["f"]
    (hint,) = findings.hints(unknown, older)
    assert "does not have as far as a-bug.md says" in hint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('needs = "none"', 'needs = "lying card"'), "is the card's model at fault?"),
        (('needs = "none"', 'needs = "refusing firmware"'), "is the card's model at fault?"),
        (("\n[[splat]]", "only_marked = true\n\n[[splat]]"), "tests that are marked with it"),
    ],
)
def test_some_findings_explain_only_where_they_are_asked_for(
    file: Path, change: tuple[str, str], why: str
) -> None:
    file.write_text(HEAD.replace(*change, 1))
    watcher = KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n")
    findings = Findings([read_finding(file)])
    assert list(findings.sort(watcher.events, UML, asked_for=["a-bug"]).known) == ["a-bug"]
    unasked = findings.sort(watcher.events, UML)
    assert not unasked.known
    assert [one.function for one in unasked.unknown] == ["f"]
    (hint,) = findings.hints(unasked, UML)
    assert why in hint


def test_finding_that_is_asked_for_comes_before_others(tmp_path: Path) -> None:
    heads = {"a-bug": HEAD, "b-bug": HEAD.replace('id = "a-bug"', 'id = "b-bug"')}
    for name, head in heads.items():
        (tmp_path / f"{name}.md").write_text(head)
    watcher = KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n")
    findings = Findings(load_findings(tmp_path))
    for name in heads:
        assert list(findings.sort(watcher.events, UML, asked_for=[name]).known) == [name]


def test_what_is_on_no_record_comes_first(file: Path) -> None:
    watcher = KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n---[ end trace 0 ]---\n")
    watcher.feed(b"WARNING: net/core/dev.c:1 at g+0x1/0x2\n")
    found = Findings([read_finding(file)]).sort(watcher.events, UML)
    assert [one.function for one in found.all] == ["g", "f"]


def test_what_is_said_of_a_finding_that_is_gone_names_its_file(file: Path) -> None:
    assert "docs/findings/a-bug.md" in gone(read_finding(file), UML)


def test_folder_of_a_finding_has_its_name(file: Path) -> None:
    assert read_finding(file).folder == file.parent / "a-bug"


def hints_of(tmp_path: Path, *heads: str) -> list[str]:
    """Hints of a kernel before all of them, whose log has one WARNING in f(), three times."""
    found = []
    for number, head in enumerate(heads):
        path = tmp_path / f"bug-{number}.md"
        path.write_text(head.replace('id = "a-bug"', f'id = "bug-{number}"'))
        found.append(read_finding(path))
    findings, watcher = Findings(found), KernelLogWatcher()
    watcher.feed(b"WARNING: net/core/dev.c:1 at f+0x1/0x2\n---[ end trace 0 ]---\n" * 3)
    kernel = GuestKernel.of("7.1.1-testbed-uml")
    return findings.hints(findings.sort(watcher.events, kernel), kernel)


def test_hint_is_given_once_for_the_same_complaint(tmp_path: Path) -> None:
    assert len(hints_of(tmp_path, HEAD)) == 1


def test_hint_names_the_finding_that_says_most(tmp_path: Path) -> None:
    vague = HEAD.replace('function = "f"\n', "")
    assert vague != HEAD
    (hint,) = hints_of(tmp_path, vague, HEAD, vague)
    assert "the finding bug-1," in hint


def test_no_hint_where_two_findings_say_as_much(tmp_path: Path) -> None:
    assert hints_of(tmp_path, HEAD, HEAD) == []


@pytest.mark.parametrize("noticed", ["nothing for 15 s", "nothing for 5 s of CPU time"])
@pytest.mark.parametrize("frame", ["0x000000006034 in __bnxt_rx_agg_netmems", "segv_handler"])
def test_hang_on_record_is_known_however_it_was_noticed(noticed: str, frame: str) -> None:
    """The watchdog's words, and the first frame of a guest in a function and at its first line."""
    finding = {one.id: one for one in load_findings()}["rx-agg-opaque-unchecked"]
    assert finding.is_failure(f"the guest hangs: {noticed}; #0  {frame} (bp=bp@entry=0x61)")
    assert not finding.is_failure(f"the guest hangs: {noticed}; #0  schedule (p=0x61)")


def test_freed_mutex_on_record_is_known_by_splat_and_by_hang() -> None:
    """Lines of CI; the process that closes its socket sleeps in a device that is gone."""
    findings = Findings(load_findings())
    kernel = GuestKernel.of("7.2.12-testbed-uml-san")
    for caller, known in (("netdev_nl_sock_priv_destroy+0x18b/0x380", True), ("f+0x1/0x2", False)):
        watcher = KernelLogWatcher()
        watcher.feed(
            b"BUG: KASAN: use-after-free in __list_add_valid_or_report+0x211/0x280\n"
            b"Read of size 8 at addr 00000000b84803ea by task devmem_console/176\n"
            b"Call Trace:\n [<602d1692>] __mutex_add_waiter+0xc2/0x460\n"
            b" [<61895faf>] __mutex_lock+0x6af/0x3790\n [<61201eab>] " + caller.encode() + b"\n"
        )
        asked_for = ["devmem-tx-device-freed"]
        complaints = findings.sort(watcher.events, kernel, asked_for=asked_for)
        assert list(complaints.known) == (asked_for if known else [])
        assert not findings.sort(watcher.events, kernel).known
    assert findings[asked_for[0]].is_failure("the closing of the netlink socket does not end")
    assert not findings[asked_for[0]].is_failure("devmem_console did not end within 60 s")
