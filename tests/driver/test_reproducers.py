# SPDX-License-Identifier: GPL-2.0-only
"""The reproducers that need no testbed, in a guest: each compiles, runs and says what it saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.findings.load import FOLDER, load_findings
from tests.driver.conftest import CommandLine

ABSENT, SHOWN, CANNOT_TELL = 0, 1, 4
LOST_VM = 5  # the bug ends the guest

NEEDS_MORE = {
    "devmem-device-freed": "this kernel does not look",
    "devmem-tx-device-freed": "this kernel does not look",
    "napi-poll-after-complete": "one CPU",
    "probe-workqueue-killed": "not a module",
    "um-vmalloc-fault-endless": "one CPU",
    "udmabuf-dma-segment": "this kernel does not look",
    "zcrx-dma-segment": "this kernel does not look",
}
"""What the reproducer of a finding lacks on flavour uml, in its own words."""

SCRIPTS = {path.parent.name: path for path in sorted(FOLDER.glob("*/reproduce.*"))}


def test_every_reproducer_is_in_the_head_of_its_finding() -> None:
    named = {
        finding.id: finding.folder / finding.reproducer.script
        for finding in load_findings()
        if finding.reproducer.script
    }
    assert named == SCRIPTS


@pytest.mark.parametrize("finding", SCRIPTS)
def test_reproducer_on_uml(testbed: CommandLine, finding: str) -> None:
    """A newer kernel may have lost the bug; what it cannot tell here is known."""
    path: Path = SCRIPTS[finding]
    program = path.stem if path.suffix == ".c" else path.name
    done = testbed.run(
        "exec", "--engine", "uml", "--seed", "1", "--push", str(path), "--", f"./{program}"
    )
    said = done.stdout.decode()
    if finding in NEEDS_MORE:
        assert done.returncode == CANNOT_TELL, done
        assert any(
            line.startswith("SKIP: ") and NEEDS_MORE[finding] in line for line in said.splitlines()
        )
    elif done.returncode == LOST_VM:
        assert b"Kernel panic" in done.stderr
    elif done.returncode == SHOWN:
        assert "\nSHOWN: " in f"\n{said}"
    else:
        assert done.returncode == ABSENT, done
        assert "\nabsent: " in f"\n{said}"
