# SPDX-License-Identifier: GPL-2.0-only
"""A trial as a file: a finding names the trial that shows it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.errors import ConfigProblem
from testbed.faults.catalogue import load_catalogue
from testbed.faults.evidence import Evidence
from testbed.faults.judge import Judgement, TrialVerdict
from testbed.faults.replay import load_finding, load_replay, replay_text
from testbed.faults.run import Trial
from testbed.findings.load import FOLDER, load_findings
from testbed.options import RunOptions
from tests.unit.testbed.findings.heads import ABOUT

HEAD = f"""+++
id = "a-bug"
{ABOUT}flavours = ["uml-san"]
introduced = {{ version = "6.16" }}
failure = "it broke"

[reproducer]
fault = "irq-storm"
engine = "uml"
flavour = "uml-san"
seed = 7
deterministic = true
+++
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a-bug.md"
    path.write_text(HEAD)
    return path


def test_finding_names_fault_kernel_and_what_has_to_show(file: Path) -> None:
    kept = load_finding(file, "uml")
    assert kept.fault is load_catalogue()["irq-storm"]
    assert kept.document == kept.fault.document()
    assert (kept.options.engine, kept.options.flavour) == ("uml", "uml-san")
    assert kept.options.seed == 7
    assert load_finding(file, "qemu").options.engine == "qemu"


@pytest.mark.parametrize(("shown", "expected"), [(("b", "a-bug"), True), (("b",), False)])
def test_run_shows_a_finding_if_it_is_named(
    file: Path, shown: tuple[str, ...], expected: bool
) -> None:
    kept = load_finding(file, "uml")
    trial = Trial(kept.fault, Judgement(TrialVerdict.FINDING, findings=shown), Evidence())
    assert kept.is_shown_by(trial) is expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('fault = "irq-storm"', 'script = "reproduce.sh"'), "no trial of a fault shows it"),
        (("irq-storm", "no-such-fault"), "there is no fault 'no-such-fault'"),
    ],
)
def test_finding_without_a_trial_is_refused(
    file: Path, change: tuple[str, str], message: str
) -> None:
    file.write_text(HEAD.replace(*change))
    with pytest.raises(ConfigProblem, match=message):
        load_finding(file, "uml")


def test_findings_on_hand_name_the_fault_that_expects_them() -> None:
    trials = [finding for finding in load_findings() if finding.reproducer.fault is not None]
    assert trials
    for finding in trials:
        kept = load_finding(FOLDER / finding.path.name, "uml")
        assert kept.fault.expect.finding == finding.id
        assert kept.options.flavour in finding.flavours


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of a trial on UML."""
    return written(tmp_path, "doorbell-rx-late")


def written(folder: Path, name: str) -> Path:
    judgement = Judgement(TrialVerdict.FAIL, signature='splat "\\d+"')
    trial = Trial(load_catalogue()[name], judgement, Evidence())
    pool: Any = SimpleNamespace(options=RunOptions(engine="uml", flavour="uml-san", seed=17))
    file = folder / "replay.toml"
    file.write_text(replay_text(trial, pool, None), encoding="utf-8")
    return file


def test_every_entry_of_the_catalogue_survives_its_file(tmp_path: Path) -> None:
    for name, fault in load_catalogue().items():
        replay = load_replay(written(tmp_path, name))
        assert replay.document["fault"] == json.loads(json.dumps(fault.plan))
        assert replay.fault.workload == fault.workload
        assert replay.signature == 'splat "\\d+"'
        assert (replay.options.flavour, replay.options.seed) == ("uml-san", 17)


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ("version = 1", "version = 2", "version", "1"),
        ('workload = "stream"', 'workload = "song"', "workload", "stream"),
        ('engine = "uml"', 'engine = "xen"', "engine", "uml"),
        ('engine = "uml"\n', "", "engine", "uml"),
        ("seed = 17", 'seed = "17"', "seed", "an integer"),
        ("seed = 17", "speed = 17", "speed", "seed"),
        ('flavour = "uml-san"', "flavour = 3", "flavour", "a string"),
        ("[[fault]]", "[fault]", "fault", "a list"),
    ],
)
def test_mistake_in_a_replay_is_named(
    kept: Path, old: str, new: str, key: str, allowed: str
) -> None:
    text = kept.read_text()
    assert old in text
    kept.write_text(text.replace(old, new))
    with pytest.raises(ConfigProblem) as caught:
        load_replay(kept)
    assert caught.value.key == key
    assert allowed in str(caught.value.remedy)
