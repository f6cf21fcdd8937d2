# SPDX-License-Identifier: GPL-2.0-only
"""Recordings: what is left out of them, and their files."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from testbed.conformance.recording import LEFT_OUT, Recording, load, save
from testbed.errors import ConfigProblem, EnvironmentProblem, UsageProblem
from tests.unit.testbed.conformance.sample import FACE


def test_what_is_of_no_card_is_named_with_its_reason() -> None:
    recording = load(FACE)
    assert recording.left_out["pci/irq"] == "the kernel gives it out"
    assert "pci/irq" not in recording.values
    assert not recording.values.keys() & recording.left_out.keys()
    assert all(LEFT_OUT.values())


def test_addresses_of_the_host_and_counters_are_not_in_it() -> None:
    values = load(FACE).values
    assert not any(fnmatchcase(path, one) for path in values for one in LEFT_OUT)
    assert set(values.values()).isdisjoint({"0000:00:00.0", "nut0"})
    assert {v for p, v in values.items() if p.startswith("statistics/")} == {"present", "0"}


def test_a_recording_comes_back_from_its_file(tmp_path: Path) -> None:
    recording = load(FACE)
    file = tmp_path / "card.json"
    save(file, recording.text())
    assert load(file) == recording
    assert load(file).text() == recording.text()
    backwards = dict(reversed(recording.values.items()))
    assert Recording.of({**backwards, "pci/irq": "5"}).text().count("\n") > len(backwards)
    assert list(Recording.of(backwards).values) == sorted(recording.values)


def test_kernel_and_tools_are_told() -> None:
    recording = load(FACE)
    assert recording.made_with().startswith("7.2.12-testbed-uml; ethtool version 7.2 / ip")
    assert {"pci", "features", "rss"} <= recording.sections()
    assert recording.sections().isdisjoint({"made", "kernel", "tools"})


def test_wrong_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    file.write_text('{"values": {"a/b": 3}}')
    with pytest.raises(ConfigProblem, match=r"card\.json: values\.a/b: 3 is not allowed"):
        load(file)
    file.write_text("nothing")
    with pytest.raises(UsageProblem, match=r"not the output of record\.sh"):
        load(file)
    with pytest.raises(EnvironmentProblem, match="No such file"):
        save(tmp_path / "absent" / "card.json", "")
