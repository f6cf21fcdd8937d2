# SPDX-License-Identifier: GPL-2.0-only
"""Generated documents are current, plans of the catalogue are valid, the schema says so too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from devmodel.bnxt.faulty.actions import CardActions
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hwrm import COMMANDS
from testbed.card.plans import CARD_ACTIONS, check_plan, load_plan, plan_schema
from testbed.cli.faults import faults
from testbed.errors import UsageProblem
from testbed.faults.catalogue import load_catalogue
from testbed.faults.describe import documents
from testbed.faults.entry import Fault, Reaction
from testbed.findings.load import load_findings
from testbed.workloads.table import WORKLOADS
from tests.unit.devmodel.bnxt.cardhost import CardHost

CATALOGUE = load_catalogue()
SCHEMA = jsonschema.Draft202012Validator(plan_schema())
FINDINGS = {finding.id for finding in load_findings()}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_generated_documents_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "run: testbed faults docs"


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_is_valid(fault: Fault) -> None:
    document = check_plan(fault.document(), fault.name)
    SCHEMA.validate(document)
    SCHEMA.validate(fault.document())
    assert fault.workload in WORKLOADS
    assert set(fault.engines) <= {"uml", "qemu"}
    ids = [one["id"] for one in fault.plan]
    assert set(fault.optional) < set(ids)
    if fault.expect.finding:
        assert fault.expect.finding in FINDINGS
    if fault.expect.mended:
        assert fault.expect.mended[0] in FINDINGS
    assert fault.expect.reaction is not Reaction.SURVIVES  # that is for `fixed`
    for expect in fault.expect.all:
        for command, fields in expect.requests.items():
            known = {field.name for field in COMMANDS[Cmd[command]].request.FIELDS}
            assert set(fields) <= known
        assert all(command in Cmd.__members__ for command in expect.hwrm)
        if expect.reaction is Reaction.REFUSES:
            assert expect.kernel_log or expect.output


@pytest.mark.parametrize(
    "fault",
    [
        {"id": "a", "where": "dma.write", "what": {"action": "melt"}},
        {"id": "a", "where": "dma.write", "what": {"action": "set", "fields": {"ring": 1}}},
        {"id": "a", "where": "irq.raise", "what": {"action": "drop"}, "when": {"nth": 0}},
        {"id": "a", "where": "now", "what": {"action": "card", "do": "burn"}},
        {"id": "a", "where": "now", "what": {"action": "drop"}},
        {"id": "a", "where": "dma.read", "what": {"action": "drop"}, "colour": 1},
    ],
)
def test_schema_and_parser_refuse_the_same(fault: dict[str, Any]) -> None:
    document = {"version": 1, "fault": [fault]}
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(document)
    with pytest.raises(UsageProblem):
        check_plan(document)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(plan_schema())


def test_the_card_can_do_every_card_action() -> None:
    host = CardHost()
    assert isinstance(host.card.actions, CardActions)
    assert host.card.actions.names == set(CARD_ACTIONS)


def test_list_is_one_object_per_fault() -> None:
    done = CliRunner().invoke(faults, ["list", "--json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["name"] for row in rows] == list(CATALOGUE)
    keys = {"name", "class", "injection_point", "expected_reaction", "source"}
    assert all(keys <= row.keys() and all(row[key] for key in keys) for row in rows)


def test_a_plan_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("version = ")
    with pytest.raises(UsageProblem, match=r"p\.toml: .*not TOML"):
        load_plan(path)
    with pytest.raises(UsageProblem, match=r"gone\.toml: .*cannot be read"):
        load_plan(tmp_path / "gone.toml")
    path.write_text("version = 1\n[[fault]]\nid = 'a'\nwhere = 'x'\n")
    with pytest.raises(UsageProblem, match=r"p\.toml: fault\[0\]\.where is 'x'; allowed: now, dma"):
        load_plan(path)
