# SPDX-License-Identifier: GPL-2.0-only
"""A night with guests of UML: killed after its first cell, gone on with, told on a page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from testbed import ROOT

CONFIG = """
name = "two"
minutes = 60

[[kernel]]
name = "pinned"
version = "7.2"
engines = ["uml"]

[[faults]]
faults = ["irq-storm"]

[[suite]]
suites = ["rings"]
keyword = "test_channel_counts"
"""


def test_a_killed_night_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "nightly.toml"
    file.write_text(CONFIG)
    words = [sys.executable, "-P", "-m", "testbed", "nightly", "--config", str(file)]
    words += ["--folder", str(tmp_path / "state")]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as killed:
        assert killed.stderr is not None
        told = []
        for line in killed.stderr:
            told.append(line)
            if "faults" in line and "left" in line:  # the second cell begins
                killed.kill()
                break
    assert "pass in" in "".join(told)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "going on after 1" in done.stderr
    page = (tmp_path / "state" / "site" / "index.html").read_text()
    assert "night 1" in page
    assert "2 of 2 cells ran" in page
    report = tmp_path / "state" / "nights" / "1" / "report" / "summary.json"
    assert json.loads(report.read_text())["tests"]["passed"] == 2
