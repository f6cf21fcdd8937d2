# SPDX-License-Identifier: GPL-2.0-only
"""The null fault: what it leaves of a plan, and what its trial says of an entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from testbed.card.plans import POINTS, check_plan
from testbed.cli.faults import counted_as, faults
from testbed.cli.trials import TrialRuns
from testbed.engines.open import build_options
from testbed.errors import LostVM, UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Expect, Fault, FaultClass, Reaction
from testbed.faults.evidence import Evidence
from testbed.faults.judge import Judgement, TrialVerdict
from testbed.faults.null import GOOD, NullVerdict, null_plan, null_table, null_verdict
from testbed.faults.plans import fault
from testbed.faults.run import Trial
from testbed.report.results import Outcome

CATALOGUE = load_catalogue()
ENTRY = Fault(
    name="a-fault", fault_class=FaultClass.DMA, title="t", plan=(fault("a", "irq.raise", "drop"),),
    workload="stream", expect=Expect(Reaction.UNAFFECTED), source="bnxt.c:1",
)  # fmt: skip
HIDDEN = replace(ENTRY, unobservable="Nobody looks.")
INJECTED = {"id": "a", "missing_fields": []}


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_null_plan_is_the_plan_without_its_actions(entry: Fault) -> None:
    plan = null_plan(entry)
    check_plan(plan, entry.name)
    for real, null in zip(entry.plan, plan["fault"], strict=True):
        assert {**real, "what": 0} == {**null, "what": 0}
        harmless = [{"action": "card", "do": "irq", "params": {"count": 0}}]
        harmless += [
            {"action": "set", "fields": {field.name: {"add": 0}}}
            for field in POINTS[str(real["where"])].fields
            if field.type == "int"
        ]
        assert null["what"] in harmless


@pytest.mark.parametrize(
    ("entry", "trial", "missing", "verdict"),
    [
        (ENTRY, TrialVerdict.PASS, [], NullVerdict.BLIND),
        (ENTRY, TrialVerdict.FINDING, [], NullVerdict.BLIND),
        (ENTRY, TrialVerdict.GONE, [], NullVerdict.BLIND),
        (ENTRY, TrialVerdict.FAIL, [], NullVerdict.TELLS),
        (ENTRY, TrialVerdict.NEVER_FIRED, [], NullVerdict.TELLS),
        (ENTRY, TrialVerdict.NEVER_FIRED, ["vector"], NullVerdict.BLIND),
        (HIDDEN, TrialVerdict.PASS, [], NullVerdict.UNOBSERVABLE),
        (HIDDEN, TrialVerdict.FAIL, [], NullVerdict.MISDECLARED),
        (HIDDEN, TrialVerdict.NEVER_FIRED, [], NullVerdict.MISDECLARED),
    ],
)
def test_verdicts(
    entry: Fault, trial: TrialVerdict, missing: list[str], verdict: NullVerdict
) -> None:
    status = [{**INJECTED, "missing_fields": missing}]
    assert null_verdict(Trial(entry, Judgement(trial), Evidence(), status=status)) is verdict


def test_a_machine_lost_without_a_fault_tells_nothing() -> None:
    for entry in (ENTRY, HIDDEN):
        trial = Trial(entry, Judgement(TrialVerdict.FAIL), Evidence(), lost=LostVM("it hangs"))
        assert null_verdict(trial) is NullVerdict.LOST
    assert NullVerdict.LOST not in GOOD


def test_counts_per_class() -> None:
    dma, pressure = FaultClass.DMA, FaultClass.PRESSURE
    table = null_table([(dma, NullVerdict.TELLS)] * 12 + [(pressure, NullVerdict.BLIND)])
    assert [line.split() for line in table] == [
        ["class", "tried", "tells", "unobservable", "blind", "misdeclared", "lost"],
        ["dma", "12", "12", "0", "0", "0", "0"],
        ["resource", "pressure", "1", "0", "0", "1", "0", "0"],
        ["all", "13", "12", "0", "1", "0", "0"],
    ]


def test_what_cannot_be_noticed_has_no_reaction() -> None:
    with pytest.raises(ValueError, match="reacts to what it cannot notice"):
        replace(HIDDEN, expect=Expect(Reaction.RECOVERS))


@pytest.mark.parametrize("arguments", [[], ["--plan", "p.toml"], ["irq-storm", "--plan", "p.toml"]])
def test_null_is_of_the_catalogue(arguments: list[str]) -> None:
    done = CliRunner().invoke(faults, ["run", "--null", *arguments])
    assert isinstance(done.exception, UsageProblem)


def test_a_pass_of_what_cannot_be_noticed_counts_apart() -> None:
    passed = Judgement(TrialVerdict.PASS)
    assert counted_as(ENTRY, Trial(ENTRY, passed, Evidence())) == "pass"
    assert counted_as(HIDDEN, Trial(HIDDEN, passed, Evidence())) == "pass, unobservable"
    failed = Judgement(TrialVerdict.FAIL)
    assert counted_as(HIDDEN, Trial(HIDDEN, failed, Evidence())) == "fail"
    assert counted_as(HIDDEN, None) == "skipped"


@pytest.mark.parametrize("verdict", NullVerdict)
def test_report_of_a_null_fault(
    verdict: NullVerdict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Trial(HIDDEN, Judgement(TrialVerdict.FAIL, ["no ring"]), Evidence())
    runs = TrialRuns(build_options({"engine": "uml"}), tmp_path)
    runs.series = Mock(cannot=lambda fault: "", run_null=lambda fault: (trial, verdict))
    assert runs.run_null(HIDDEN) == (FaultClass.DMA, verdict)
    assert f"a-fault: {verdict.value} (0.0 s) no ring" in capsys.readouterr().out
    good = verdict in (NullVerdict.TELLS, NullVerdict.UNOBSERVABLE)
    assert runs.report.checks[0].outcome is (Outcome.PASS if good else Outcome.FAIL)
    runs.series = Mock(cannot=lambda fault: "not on uml")
    assert runs.run_null(HIDDEN) is None
    assert runs.report.checks[1].outcome is Outcome.SKIP
