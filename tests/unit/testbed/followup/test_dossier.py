# SPDX-License-Identifier: GPL-2.0-only
"""What is found about a finding, and what becomes of files that are broken or missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.findings.load import load_findings, read_finding
from testbed.followup.dossier import read_dossier
from tests.unit.testbed.followup.made_up import a_finding
from tests.unit.testbed.followup.whole_finding import LOG, PATCH, SCRIPT, dossier, write


def test_text_is_without_its_heading_and_what_is_ours_stands_apart(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    assert found.text == "*Cause:* `it_breaks()` writes <i>too late</i>.\n"
    assert found.ours == "./tb is ours.\n"


def test_trace_is_the_complaint_of_this_finding_made_harmless(tmp_path: Path) -> None:
    [trace] = dossier(tmp_path).traces
    assert (str(trace.version), trace.flavour) == ("7.2.12", "uml-san")
    assert trace.release == "7.2.12-testbed-uml-san"
    assert trace.lines[0] == "BUG: KASAN: slab-use-after-free in it_breaks+0x11/0x22"
    assert not any("other_function" in line for line in trace.lines)
    assert trace.lines[1].endswith(r"\x1b[31mevil/1")
    assert trace.image_sha256 == "abc"


def test_guesses_are_left_out_where_the_kernel_knows_better(tmp_path: Path) -> None:
    [trace] = dossier(tmp_path).traces
    assert not any("guessed_at" in line for line in trace.lines)
    other = tmp_path / "other"
    assert " it_breaks+0x11/0x22" in trace.lines
    only = LOG.replace("  [<6004a24b>] it_breaks+0x11/0x22\n", "").replace(
        "  <b>caller</b>", "  ? caller"
    )
    found = read_dossier(read_finding(write(other, log=only)), other / "fixes")
    assert any("guessed_at" in line for line in found.traces[0].lines)


def test_gravest_of_several_complaints_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path)
    warns = '[[splat]]\nsanitizer = "WARNING"\ntitle = "other_function"\n\n[reproducer]'
    path.write_text(path.read_text().replace("[reproducer]", warns))
    [trace] = read_dossier(read_finding(path), tmp_path / "fixes").traces
    assert trace.lines[0].startswith("BUG: KASAN")


def test_log_that_does_not_show_it_gives_no_trace(tmp_path: Path) -> None:
    found = read_dossier(read_finding(write(tmp_path, log="nothing\n")), tmp_path / "fixes")
    assert found.traces == ()
    assert found.unread == ()


def test_a_schedule_is_a_reproducer(tmp_path: Path) -> None:
    finding = a_finding(tmp_path, shows='schedule = "schedule.json"')
    with pytest.raises(UsageProblem, match=r"the reproducer .* does not exist"):
        read_dossier(finding)
    finding.folder.mkdir()
    (finding.folder / "schedule.json").write_text('{"seed":1}')
    [listing] = read_dossier(finding).reproducers
    assert (listing.name, listing.text) == ("schedule.json", '{"seed":1}')


def test_broken_evidence_is_told_and_the_rest_stays(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "it-breaks/evidence/7.2.12-uml-san/kernel.log.xz").write_bytes(b"no xz")
    strange = tmp_path / "it-breaks/evidence/whatever"
    strange.mkdir()
    (strange / "kernel.log").write_text("")
    found = read_dossier(read_finding(path), tmp_path / "fixes")
    assert found.traces == ()
    assert len(found.unread) == 2
    assert found.patches


def test_reproducer_and_patch_are_whole_files(tmp_path: Path) -> None:
    found = dossier(tmp_path)
    assert [(one.name, one.text) for one in found.reproducers] == [("reproduce.sh", SCRIPT)]
    assert [(one.name, one.text) for one in found.patches] == [
        ("0001-bnxt_en-Do-not-break.patch", PATCH)
    ]
    assert [str(version) for version in found.kernels] == ["7.3-rc7", "7.2.12"]


def test_patch_for_other_kernels_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "fixes/it-breaks/versions.toml").write_text(
        '["0001-bnxt_en-Do-not-break.patch"]\nversions = [["6.15", "7.1"]]\nreason = "old"\n'
    )
    assert read_dossier(read_finding(path), tmp_path / "fixes").patches == ()


def test_reproducer_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "it-breaks/reproduce.sh").unlink()
    with pytest.raises(UsageProblem, match=r"reproduce\.sh does not exist"):
        read_dossier(read_finding(path), tmp_path / "fixes")


def test_fault_is_told_with_its_plan_and_what_goes_on_meanwhile() -> None:
    found = next(one for one in load_findings() if one.id == "rx-length-unchecked")
    [listing] = read_dossier(found).reproducers
    assert "Meanwhile: " in listing.name
    assert "[[fault]]" in listing.text


def test_patch_that_keeps_the_window_of_a_race_open_comes_with_the_reproducer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    (tmp_path / "it-breaks.patch").write_text("+ mdelay(20)\n")
    monkeypatch.setattr("testbed.followup.dossier.RACES", tmp_path)
    found = read_dossier(read_finding(path), tmp_path / "fixes").reproducers
    assert [one.text for one in found] == ["+ mdelay(20)\n", SCRIPT]
