# SPDX-License-Identifier: GPL-2.0-only
"""The files of `docs/findings/`: one bug of the kernel each, with a head in TOML.

::

    +++
    id = "devmem-tx-device-freed"      # the file's name without .md
    title = "net: devmem: ..."         # as a subject line
    status = "open"                    # open, reported, fixed, wontfix, limitation or duplicate
    link = "https://..."               # of the report, or of the fix (optional)
    duplicate_of = "..."               # id of the other one: with status duplicate only
    first_seen = 2026-11-20
    needs = "none"                     # none, refusing firmware, lying card or artefact
    trigger = "user"                   # wire, user, root, firmware or card
    impact = "use after free"          # see testbed.findings.head.Impact
    subsystem = "net: devmem"          # what a subject line begins with
    files = ["net/core/devmem.c"]      # of the kernel, the main one first
    introduced = { version = "6.16", commit = "...", subject = "..." }                    # optional
    fixed = { version = "7.4", commit = "...", subject = "...", stable = ["7.2.14"] }     # optional
    flavours = ["uml-san"]             # kernels that show it: a flavour, or "debian"
    tests = ["tests/suite/devmem"]     # of its area
    failure = "did not recover"        # regex: how a test that is marked with it fails (optional)
    damage = "RESET_DONE not set"      # regex, searched in the log: after that anybody may complain
                                       # of memory that the card writes to (optional)
    only_marked = true                 # explains nothing but a test that is marked (optional)
    lasting = true                     # the kernel is not what it was before (optional)
    violations = ["mapping_leaked"]    # what the card says of it to a marked test (optional)

    [[splat]]                          # what the kernel's log says of it (optional)
    sanitizer = "KASAN"
    function = "old_name|new_name"     # optional
    title = "slab-use-after-free"      # regex, searched in the headline
    through = ["netdev_nl_sock_priv_destroy"]  # in its trace, guesses included (optional)

    [reproducer]                       # fault, test, schedule or script: the first is what is run
    fault = "restart-rss-refused"      # entry of the catalogue
    test = "tests/suite/...::test_x"   # marked with the finding
    schedule = "schedule.json"         # of `testbed fuzz`, in the folder of the finding's name
    script = "reproduce.sh"            # in the folder of the finding's name
    engine = "uml"
    flavour = "uml-san"                # optional, as are seed and options
    seed = 1
    options = ["--cpus", "4"]
    deterministic = true               # every run shows it

    [[checked]]                        # how often the reproducer was run on a kernel, and showed it
    kernel = "7.2.12"
    flavour = "uml-san"
    date = 2026-11-21
    runs = 20
    shown = 20
    event_hashes = 1                   # different ones; in simulated time only
    +++
    # Text for people
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from testbed import ROOT
from testbed.errors import ConfigProblem
from testbed.findings.head import Head
from testbed.findings.splat_report import SplatReport
from testbed.schema import read_text, read_toml

FOLDER = ROOT / "docs/findings"
INDEX = "README.md"
FENCE = "+++"


@dataclass(frozen=True, kw_only=True)
class Finding(Head):
    """A bug of the kernel on record, and the file."""

    path: Path

    @property
    def folder(self) -> Path:
        """Where its reproducer and evidence are, if there are any."""
        return self.path.with_suffix("")

    def explains(self, report: SplatReport) -> bool:
        """Whether ``report`` looks like it, on whatever kernel."""
        return any(splat.matches(report) for splat in self.splat)

    def is_failure(self, text: str) -> bool:
        """Whether ``text`` is how a test or trial fails that shows it."""
        return self.failure is not None and self.failure.search(text) is not None

    def is_damage(self, log: str) -> bool:
        """Whether ``log`` says that the card may now write to memory that was freed."""
        return self.damage is not None and self.damage.search(log) is not None


def load_findings(folder: Path = FOLDER) -> tuple[Finding, ...]:
    """All findings on record, by id. Raises ConfigProblem."""
    files = sorted(path for path in folder.glob("*.md") if path.name != INDEX)
    return tuple(read_finding(path) for path in files)


def read_finding(path: Path) -> Finding:
    """One file. Raises ConfigProblem, which names file, key and what is allowed."""
    before, *parts = re.split(r"^\+\+\+$\n?", read_text(path), maxsplit=2, flags=re.MULTILINE)
    if before or len(parts) < 2:
        raise ConfigProblem(path, FENCE, f"the file has to begin with a head between two {FENCE}")
    head = read_toml(Head, path, parts[0])
    if head.id != path.stem:
        raise ConfigProblem(path, "id", f"{head.id!r} is not the file's name, {path.stem!r}")
    return Finding(path=path, **vars(head))
