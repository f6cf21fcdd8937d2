# SPDX-License-Identifier: GPL-2.0-only
"""The fixes of findings: each is of a finding, and is a patch as it would be mailed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.patches import FIXES, OURS, load_series
from testbed.findings.load import load_findings

FOLDERS = sorted(path for path in FIXES.iterdir() if path.is_dir())
MAILS = sorted(
    [*FIXES.glob("*/*.patch"), *OURS.glob("devmem/*.patch"), *OURS.glob("queue-*/*.patch")]
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_is_of_a_finding(folder: Path) -> None:
    assert folder.name in {finding.id for finding in load_findings()}
    assert all(patch.diff for patch in load_series(folder).patches)


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: f"{path.parent.name}/{path.name[:4]}")
def test_is_a_mail(mail: Path) -> None:
    text = mail.read_text()
    message = text.partition("\n---\n")[0]
    assert "\nSubject: [PATCH" in message
    assert "\nSigned-off-by: " in message
    assert "/tmp/" not in message
