# SPDX-License-Identifier: GPL-2.0-only
"""The file of event hashes: one record for each scenario, flavour and seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.repeat.recorded import FILE, Record, find, keep, load

PING = Record(
    scenario="ping", flavour="uml", seed=1, inputs="a" * 64, kernel="b" * 64,
    cpu="AuthenticAMD 25/17/1 AMD EPYC", release="7.2.12-testbed-uml", date="2026-11-20",
    runs=300, event_hash="c" * 64,
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hashes.json"
    path.write_text("[]\n")
    keep(PING, path)
    return path


def test_only_the_very_run_is_found(file: Path) -> None:
    assert find("ping", PING.inputs, file) == PING
    assert find("zcrx", PING.inputs, file) is None
    assert find("ping", "d" * 64, file) is None


def test_newer_record_takes_the_place_of_the_older(file: Path) -> None:
    newer = replace(PING, inputs="d" * 64, date="2026-11-21")
    keep(newer, file)
    assert load(file) == [newer]


def test_records_of_others_stay_and_are_in_order(file: Path) -> None:
    others = [
        replace(PING, scenario="zcrx"), replace(PING, seed=2), replace(PING, flavour="san"),
        replace(PING, cpu="GenuineIntel 6/143/8 Intel Xeon"),
    ]  # fmt: skip
    for other in others:
        keep(other, file)
    assert load(file) == [others[2], PING, others[3], others[1], others[0]]


def test_file_in_the_repository_can_be_read() -> None:
    records = load(FILE)
    keys = {(one.scenario, one.flavour, one.seed, one.cpu) for one in records}
    assert len(keys) == len(records)
