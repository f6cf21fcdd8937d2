# SPDX-License-Identifier: GPL-2.0-only
"""A GitLab job as tests.gitlab runs it, and the example in docs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from testbed import ROOT
from tests.gitlab import main, script, variables

EXAMPLE = ROOT / "docs/examples/pipelines/gitlab-ci.yml"
JOB = """it:
  variables: {WORD: $CI_PROJECT_DIR/it, OTHER: before}
  before_script: [word=said]
  script: ['echo "$word $WORD $OTHER" > report']
  artifacts: {reports: {junit: report}}
"""


def test_one_shell_runs_all_with_the_jobs_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ci.yml").write_text(JOB)
    assert main(["ci.yml", "it", "--set", "OTHER=after"]) == 0
    assert Path("report").read_text() == f"said {tmp_path}/it after\n"


@pytest.mark.parametrize(("command", "status"), [("exit 3; true", 3), ("rm report", 1)])
def test_status_is_the_commands_or_that_of_a_missing_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, status: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ci.yml").write_text(JOB.replace("> report'", f"> report; {command}'"))
    assert main(["ci.yml", "it"]) == status


def test_example_keeps_what_it_fetched_where_gitlab_can_cache_it() -> None:
    [job] = yaml.safe_load(EXAMPLE.read_text()).values()
    environ = variables(job, {}, "/builds/it")
    assert environ["TESTBED_CACHE"] == f"/builds/it/{job['cache']['paths'][0].rstrip('/')}"
    assert "--push listening.sh -- ./iou-zcrx.sh" in script(job)
