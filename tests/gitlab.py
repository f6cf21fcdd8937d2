# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.gitlab FILE JOB``: a job of a GitLab file, as a runner would run it.

In the working folder, which is the project's: `before_script` and `script` by one
`bash -eo pipefail`, with the variables of the job in its environment; ``--set`` overrides one, as
the settings of a project do. Then the reports that it names have to be there. Image, tags and cache
are GitLab's matter. No part of CI: the commands install packages on the host.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml


def script(job: Mapping[str, Any]) -> str:
    """The commands of a job, one after the other."""
    return "\n".join([*job.get("before_script", []), *job["script"]])


def variables(job: Mapping[str, Any], settings: Mapping[str, str], folder: str) -> dict[str, str]:
    """What a job finds in its environment; ``folder`` is the project's."""
    known = {"CI": "true", "CI_PROJECT_DIR": folder}
    given = {**job.get("variables", {}), **settings}
    return known | {
        name: Template(str(text)).safe_substitute(known) for name, text in given.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Run the job; its status, or 1 when a report is missing."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.gitlab")
    parser.add_argument("file", type=Path)
    parser.add_argument("job")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    job = yaml.safe_load(given.file.read_text())[given.job]
    settings = dict(one.partition("=")[::2] for one in given.set)
    environ = {**os.environ, **variables(job, settings, str(Path.cwd()))}
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(job)]
    status = subprocess.run(argv, env=environ, check=False).returncode
    for kind, name in job.get("artifacts", {}).get("reports", {}).items():
        there = Path(name).is_file()
        print(f"== {kind}: {name}{'' if there else ' is missing'}", flush=True)
        status = status or int(not there)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
