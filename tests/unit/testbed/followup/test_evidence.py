# SPDX-License-Identifier: GPL-2.0-only
"""What of a run is kept beside a finding, and how much of it."""

from __future__ import annotations

import lzma
import tomllib
import tracemalloc
from pathlib import Path

import pytest

from testbed import ROOT
from testbed.errors import ConfigProblem, UsageProblem
from testbed.findings.kernel import GuestKernel
from testbed.followup import evidence
from tests.unit.testbed.followup.made_up import RELEASE, a_finding, check_of, leave, summary_of

KERNEL = GuestKernel.of(RELEASE)


def kept(tmp_path: Path, log: str) -> Path:
    run = tmp_path / "run"
    leave(run, summary_of(check_of(), event_hash="c0ffee"), log)
    return evidence.keep(a_finding(tmp_path), KERNEL, run)


def test_a_short_log_is_kept_as_it_is(tmp_path: Path) -> None:
    folder = kept(tmp_path, "[ 0.0] it broke\n")
    assert folder == tmp_path / "a-bug" / "evidence" / "7.2.12-uml"
    assert (folder / "kernel.log").read_text() == "[ 0.0] it broke\n"
    about = tomllib.loads((folder / "run.toml").read_text())
    assert about["command"] == ["pytest", "testbed", "exec", "--", "ip", "link"]
    assert (about["seed"], about["event_hash"], about["testbed"]) == (1, "c0ffee", "c0ffee")
    assert about["kernel"] == {
        "release": RELEASE, "config sha256": "ab" * 32, "source version": "7.2.12-1",
    }  # fmt: skip


def test_the_command_does_not_name_places_of_this_machine(tmp_path: Path) -> None:
    run, words = tmp_path / "run", ["exec", "--run-dir", "/here", "--seed", "1", "--"]
    summary = summary_of(check_of())
    script = f"{ROOT}/docs/findings/a-bug/reproduce.sh"
    summary["command"] = ["testbed", *words, "--testbed-run-dir=/there", script]
    leave(run, summary, "it broke")
    folder = evidence.keep(a_finding(tmp_path), KERNEL, run)
    about = tomllib.loads((folder / "run.toml").read_text())
    *begin, last = about["command"]
    assert begin == ["pytest", "testbed", "exec", "--seed", "1", "--"]
    assert last == "docs/findings/a-bug/reproduce.sh"


def test_of_other_files_the_command_has_the_names(tmp_path: Path) -> None:
    """What the guest is given, behind ``--``, are its own places."""
    run, summary = tmp_path / "run", summary_of(check_of())
    words = ["fuzz", "file", "/tmp/x/minimal.json", "an-id", "--kernel=/home/me/linux", "a/b=/c"]
    summary["command"] = ["testbed", *words, "--", "/usr/sbin/ip", "link"]
    leave(run, summary, "it broke")
    folder = evidence.keep(a_finding(tmp_path), KERNEL, run)
    command = tomllib.loads((folder / "run.toml").read_text())["command"]
    own, _, guests = " ".join(command).partition(" -- ")
    assert own.endswith("testbed fuzz file minimal.json an-id --kernel=linux a/b=c")
    assert guests == "/usr/sbin/ip link"


def test_a_long_log_is_packed_and_cut_in_its_middle(tmp_path: Path) -> None:
    lines = [f"[ {n}.0] line {n}\n" for n in range(100_000)]
    folder = kept(tmp_path, "".join(lines))
    assert not (folder / "kernel.log").exists()
    text = evidence.read_log(folder).decode()
    assert text.startswith(lines[0])
    assert text.endswith(lines[-1])
    assert "bytes are left out here]" in text
    assert len(text) < evidence.KEPT_BYTES + 100
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000


def test_a_trial_has_its_own_log_and_its_replay_file(tmp_path: Path) -> None:
    run = tmp_path / "run"
    leave(run, summary_of(check_of()), "of the machine")
    trial = run / "faults" / "irq-storm"
    trial.mkdir(parents=True)
    (trial / "kernel.log").write_text("of the trial")
    (trial / "replay.toml").write_text("version = 1\n")
    folder = evidence.keep(a_finding(tmp_path), KERNEL, run)
    assert (folder / "kernel.log").read_text() == "of the trial"
    assert (folder / "replay.toml").read_text() == "version = 1\n"


def test_new_evidence_takes_the_place_of_the_old(tmp_path: Path) -> None:
    folder = kept(tmp_path, "x" * evidence.PLAIN_BYTES * 2)
    leave(tmp_path / "other", summary_of(check_of()), "short")
    assert evidence.keep(a_finding(tmp_path), KERNEL, tmp_path / "other") == folder
    assert {path.name for path in folder.iterdir()} == {"kernel.log", "run.toml"}
    assert evidence.read_log(folder) == b"short"
    assert evidence.read_log(tmp_path) == b""


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (lzma.compress(bytes(64 << 20)), "is longer than"),
        (lzma.compress(bytes(evidence.READ_BYTES + 1)), "is longer than"),
        (lzma.compress(b"it broke", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]),
            "cannot be unpacked: Memory usage limit"),
        (b"PK" * 20, "cannot be unpacked"),
        (lzma.compress(b"it broke")[:-8], "ends in the middle"),
        (lzma.compress(bytes(evidence.READ_BYTES)), ""),
    ],
    ids=["bomb", "a byte too long", "hungry", "no xz", "cut", "as long as it may be"],
)  # fmt: skip
def test_packed_log_is_read_within_bounds(tmp_path: Path, packed: bytes, why: str) -> None:
    (tmp_path / "kernel.log.xz").write_bytes(packed)
    if not why:
        assert len(evidence.read_log(tmp_path)) == evidence.READ_BYTES
        return
    tracemalloc.start()
    try:
        with pytest.raises(ConfigProblem, match=why):
            evidence.read_log(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20, "and so is memory"
    finally:
        tracemalloc.stop()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no run directory"):
        evidence.keep(a_finding(tmp_path), KERNEL, tmp_path)
