# SPDX-License-Identifier: GPL-2.0-only
"""What has become of a finding goes into its head, and nothing else of the file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import ConfigProblem
from testbed.findings.head import Status
from testbed.followup.close import close
from tests.unit.testbed.followup.made_up import a_finding

TEXT = """\
# It breaks

```
+++
status = "open"
link = "https://x"
fixed = 1
+++
```
"""


def test_reported_then_fixed(tmp_path: Path) -> None:
    finding = a_finding(tmp_path)
    before = finding.path.read_text().splitlines()
    finding.path.write_text(finding.path.read_text() + TEXT)
    closed = close(finding, Status.REPORTED, link="https://lore.kernel.org/x")
    assert (closed.status, closed.link) == (Status.REPORTED, "https://lore.kernel.org/x")
    fix = {"version": "7.4", "commit": "c0ffee", "subject": r'net: say "\1"'}
    closed = close(closed, Status.FIXED, fixed=fix)
    assert closed.fixed is not None
    assert (str(closed.fixed.version), closed.fixed.subject) == ("7.4", r'net: say "\1"')
    assert closed.link == "https://lore.kernel.org/x", "what is not given stays"
    closed = close(closed, Status.FIXED, link="https://git.kernel.org/y", fixed={"version": "7.5"})
    assert closed.fixed is not None
    assert (closed.link, str(closed.fixed.version)) == ("https://git.kernel.org/y", "7.5")
    assert closed.path.read_text().endswith(TEXT)
    after = closed.path.read_text().splitlines()[: -len(TEXT.splitlines())]
    assert [line for line in before if line not in after] == ['status = "open"']
    assert len(after) == len(before) + 2


def test_what_would_not_be_sound_changes_nothing(tmp_path: Path) -> None:
    finding = a_finding(tmp_path)
    before = finding.path.read_text()
    with pytest.raises(ConfigProblem, match="fixed: is missing"):
        close(finding, Status.FIXED)
    with pytest.raises(ConfigProblem, match="version"):
        close(finding, Status.FIXED, fixed={"version": "next year"})
    with pytest.raises(ConfigProblem, match="link"):
        close(finding, Status.REPORTED, link="")
    assert finding.path.read_text() == before
