# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.action``: the steps of .ci/program/action.yml, as GitHub would run them.

Each step's script runs by `bash -eo pipefail` with its environment, expressions of inputs and the
action's folder replaced. Steps that use other actions are named and left out. The first step
that fails ends it with its status. ``--workflow FILE`` takes the inputs from the step of a workflow
that uses the action. No part of CI: the steps install packages on the host.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[1] / ".ci" / "program" / "action.yml"
USED = "/.ci/program@"
EXPRESSION = re.compile(r"\$\{\{ *([a-z_.]+) *\}\}")


def values(action: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """What expressions stand for. Raises KeyError for an input that is required and not given."""
    inputs = {
        f"inputs.{name}": given[name] if one.get("required") else given.get(name, one["default"])
        for name, one in action["inputs"].items()
    }
    return {**inputs, "github.action_path": str(FILE.parent)}


def replaced(text: str, known: Mapping[str, str]) -> str:
    """``text`` with each expression's value in its place. Raises KeyError for an unknown one."""
    return EXPRESSION.sub(lambda found: known[found[1]], text)


def steps(action: Mapping[str, Any], given: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    """Name, script ("" for a step that uses another action) and environment of each step."""
    known = values(action, given)
    return [
        (
            step.get("name", step.get("uses", "")),
            replaced(step.get("run", ""), known),
            {name: replaced(value, known) for name, value in step.get("env", {}).items()},
        )
        for step in action["runs"]["steps"]
    ]


def called(workflow: Mapping[str, Any]) -> dict[str, str]:
    """The inputs in the one step of a workflow that uses the action. Raises ValueError."""
    every = [step for job in workflow["jobs"].values() for step in job["steps"]]
    [step] = [step for step in every if USED in step.get("uses", "")]
    return dict(step["with"])


def main(arguments: Sequence[str]) -> int:
    """Run the steps; the status of the first that fails, or 0."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.action")
    parser.add_argument("--options", default="--zcrx")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--command")
    source.add_argument("--workflow", type=Path)
    given = vars(parser.parse_args(arguments))
    if given["workflow"]:
        given = called(yaml.safe_load(given["workflow"].read_text()))
    for name, script, environ in steps(yaml.safe_load(FILE.read_text()), given):
        print(f"== {name}{'' if script else ': left out'}", flush=True)
        if not script:
            continue
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        status = subprocess.run(argv, env={**os.environ, **environ}, check=False).returncode
        if status:
            print(f"== {name}: exit status {status}", flush=True)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
