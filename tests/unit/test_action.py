# SPDX-License-Identifier: GPL-2.0-only
"""The action for GitHub: its steps, and what the command tests.action makes of them."""

from __future__ import annotations

import pytest
import yaml

from testbed import ROOT
from tests.action import FILE, called, replaced, steps

WORKFLOW = ROOT / "docs/examples/pipelines/github.yml"
ACTION = yaml.safe_load(FILE.read_text())


def test_inputs_reach_the_command_by_the_environment_only() -> None:
    """An expression in a script is a way to run anything; in `env` it is a text."""
    _cache, packages, program = steps(ACTION, {"command": "./a; b", "options": "--zcrx"})
    assert program[2]["COMMAND"] == "./a; b"
    assert program[2]["ACTION"] == str(FILE.parent)
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    assert "apt-get" in packages[1]


def test_step_of_another_action_has_no_script() -> None:
    assert steps(ACTION, {"command": "true"})[0][:2] == ("actions/cache@v4", "")


def test_command_is_required_and_unknown_expressions_are_errors() -> None:
    with pytest.raises(KeyError):
        steps(ACTION, {})
    with pytest.raises(KeyError):
        replaced("${{ github.token }}", {})


def test_program_of_the_action_is_ours() -> None:
    assert (FILE.parent / "../../tb").resolve().is_file()


def test_workflow_of_the_documents_gives_what_the_action_takes() -> None:
    given = called(yaml.safe_load(WORKFLOW.read_text()))
    assert given.keys() == ACTION["inputs"].keys()
    assert steps(ACTION, given)[2][2]["COMMAND"] == "./iou-zcrx.sh"
