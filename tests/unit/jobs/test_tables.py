# SPDX-License-Identifier: GPL-2.0-only
"""What documents show of the jobs' results is what is on record, and names what there is."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from testbed import ROOT
from tests.jobs.due import DUE, due
from tests.jobs.record import CAUGHT, load, update, update_caught
from tests.jobs.results import Case, JobRun, Outcome
from tests.jobs.seeds import PROMISED, SUITE, Promised
from tests.jobs.tables import SHOWN, caught, seeds, skips, with_table
from tests.seeded.choice import TRIED

EMPTY = {"jobs": {}, "promised": {}, "caught": {}}
TOX = (ROOT / "tox.ini").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("document", "name", "table"), SHOWN, ids=lambda one: getattr(one, "name", None)
)
def test_documents_show_the_record(document: Path, name: str, table: object) -> None:
    text = document.read_text(encoding="utf-8")
    assert callable(table)
    assert text == with_table(text, name, table(load())), "run: python -P -m tests.jobs"


@pytest.mark.parametrize("row", PROMISED, ids=lambda row: row.feature)
def test_tests_of_a_feature_exist(row: Promised) -> None:
    for test in row.tests:
        file, _, function = test.partition("::")
        text = (ROOT / SUITE / file).read_text(encoding="utf-8")
        assert f"def {function}(" in text if function else "def test_" in text


def test_each_feature_has_a_name_of_its_own() -> None:
    assert len({row.feature for row in PROMISED}) == len(PROMISED)


def test_skips_on_record_are_due() -> None:
    for job, found in load()["jobs"].items():
        for reason in found["skips"]:
            known = due(reason)
            assert known is not None, f"{job} skips: {reason}; tests/jobs/due.py has no such reason"
            assert job not in known.ran_by, f"{job} is to run what it skips: {reason}"


def test_jobs_that_are_named_exist() -> None:
    named = {job for one in DUE for job in one.ran_by} | set(load()["jobs"])
    assert named <= set(re.findall(r"^\[testenv:(.*)\]$", TOX, re.MULTILINE))


def test_every_job_has_a_place_in_the_document() -> None:
    listed = re.search(r"^guests = (driver\S+)$", TOX, re.MULTILINE)
    assert listed is not None
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", page.partition("## ")[0], re.MULTILINE)) == set(
        listed[1].split(",")
    )


def _run(job: str, date: str, *cases: Case) -> JobRun:
    return JobRun(job, date, 12.4, cases)


def test_a_run_takes_the_place_of_the_last() -> None:
    record = copy.deepcopy(EMPTY)
    row = PROMISED[0]
    node = f"{SUITE}{row.tests[0]}::test_stream_is_not_copied[1]"
    update(record, [_run("uml", "2026-11-20", Case(node, Outcome.FAIL), Case("a", Outcome.PASS))])
    assert record["promised"][row.feature] == {"uml": {"fail": 1}}
    update(record, [_run("uml", "2026-11-21", Case(node, Outcome.PASS))])
    update(record, [_run("suite", "2026-11-21", Case(node, Outcome.SKIP, "requires IOMMU"))])
    assert record["jobs"]["uml"] == {
        "date": "2026-11-21", "seconds": 12, "skips": {}, "pass": 1, "finding": 0, "fail": 0,
        "skip": 0,
    }  # fmt: skip
    (line,) = [line for line in seeds(record) if row.feature in line]
    assert "`uml` 1 pass" in line
    assert "suite" not in line.partition("receive]")[2].partition(")")[2], "it has run nothing"
    update(record, [_run("uml", "2026-11-22")])
    assert record["promised"][row.feature] == {"suite": {"skip": 1}}
    (line,) = [line for line in seeds(record) if row.feature in line]
    assert "not on record" in line


def test_bug_is_caught_on_the_day_its_test_passed() -> None:
    record = copy.deepcopy(EMPTY)
    record["caught"] = {"zcrx-gone": "2026-11-01"}
    first, second = map(str, TRIED[:2])
    update(record, [_run(
        "seeded", "2026-11-21", Case(f"{CAUGHT}[{first}]", Outcome.PASS),
        Case(f"{CAUGHT}[{second}]", Outcome.FAIL),
    )])  # fmt: skip
    assert record["caught"] == {first: "2026-11-21"}
    table = list(caught(record))
    assert len(table) == len(TRIED) + 2
    assert table[2].endswith(f"| {first} | uml | 2026-11-21 |")
    assert table[3].endswith("| not on record |")


def test_part_of_a_job_says_only_what_was_caught() -> None:
    record = copy.deepcopy(EMPTY)
    cases = [Case(f"{CAUGHT}[{TRIED[0]}]", Outcome.PASS), Case("a", Outcome.SKIP, "no time")]
    update_caught(record, [_run("seeded", "2026-11-21", *cases)])
    assert record == {**EMPTY, "caught": {str(TRIED[0]): "2026-11-21"}}


def test_skip_without_an_entry_is_shown_as_that() -> None:
    record = copy.deepcopy(EMPTY)
    cases = [Case("a", Outcome.SKIP, "requires IOMMU"), Case("b", Outcome.SKIP, "no time")]
    update(record, [_run("uml", "2026-11-21", *cases)])
    assert list(skips(record))[2:] == [
        "| no time | `uml` 1 | **not due** |  |",
        "| requires IOMMU | `uml` 1 | UML has none; on QEMU one job has it | `iommu` |",
    ]


def test_table_without_its_comments_is_refused() -> None:
    with pytest.raises(ValueError, match="the document needs one line"):
        with_table("# Title\n", "seeds", iter(()))
