# SPDX-License-Identifier: GPL-2.0-only
"""One seeded bug: a patch that breaks a promise, and what must catch it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
FROM_SOCKETS = ("split-stream", "send", "unbind")
FROM_ZCRX = ("zcrx-stopped", "unbind")
ORDINARY = ("split-stream", "send", "zcrx-stopped", "restart-spread", "unbind")
"""Ordinary work of an interface, and its end: the driver leaves the card."""
_SUBJECT = re.compile(r"^Subject: \[PATCH\] Seeded bug: (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """The card's oracle must blame the driver.

    :ivar rules: each of these must be among the oracle verdicts; none for a bug that no device can
        see, about which the oracle must say nothing.
    :ivar consequences: verdicts on what follows from the bug, which may come as well.
    :ivar others: what else was seen in the same run: traffic, kernel log, DMA_API_DEBUG (on QEMU).
    :ivar workloads: names in :data:`tests.seeded.workloads.WORKLOADS`.
    """

    rules: Sequence[str]
    consequences: Sequence[str] = ()
    others: str = "nothing"
    workloads: Sequence[str] = ORDINARY

    def __str__(self) -> str:
        shown = ", ".join(f"`{rule}`" for rule in self.rules) or "none: no device can see it"
        follow = ", ".join(f"`{rule}`" for rule in self.consequences)
        return f"{shown} (may follow: {follow})" if follow else shown


@dataclass(frozen=True, kw_only=True)
class Sanitizer:
    """A sanitizer of the kernel must report this signature during the workloads.

    The bug is behind a module parameter, ``bug_<name>``.
    """

    signature: str
    workloads: Sequence[str]
    others: str = ""

    def __str__(self) -> str:
        return f"`{self.signature}`"


@dataclass(frozen=True)
class SuiteTests:
    """Each of these must fail with the patch and pass without: node ids below tests/suite/<area>.

    ``test_file.py::test_name[parameters]``.
    """

    nodes: Sequence[str]
    others: str = ""

    def __str__(self) -> str:
        return ", ".join(f"`{node}`" for node in self.nodes)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """``testbed bench page-pool`` must see a path that takes more instructions, at most so many."""

    most_added: int
    others: str = ""

    def __str__(self) -> str:
        return "`testbed bench page-pool`"


@dataclass(frozen=True)
class Seeded:
    """One seeded bug.

    :ivar area: whose promise it breaks: a feature's (its folder of tests/suite), the driver's to
        the card (``driver``) or to the kernel (``sanitizers``); also the folder of the patch.
    :ivar on_top_of: patches or series that come first, e.g. those of a feature never merged, or one
        that keeps the window of a race open.
    :ivar flavour: of the UML kernel (``uml-smp`` has two CPUs); on QEMU always ``x86``, with IOMMU.
    :ivar bounces: on QEMU, every DMA bounces (``--swiotlb on``) and there is no IOMMU.
    :ivar in_sample: one of the few that every CI run builds and boots.
    :ivar promise: what it breaks: word for word the first cell of a row in a table of
        :attr:`promises_of`; empty if no document has it.
    """

    area: str
    name: str
    caught_by: Oracle | Sanitizer | SuiteTests | Benchmark
    on_top_of: Sequence[Path] = ()
    flavour: str = "uml"
    engine: str = "uml"
    bounces: bool = False
    in_sample: bool = False
    promise: str = ""

    @property
    def patch(self) -> Path:
        """The bug itself; its head says which promise it breaks."""
        return HERE / self.area / f"{self.name}.patch"

    @property
    def kind(self) -> tuple[object, ...]:
        """Its machine, and its kernel without the bug."""
        return self.engine, self.flavour, self.bounces, *self.on_top_of

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The tests that must catch it, from the top of the repository."""
        if not isinstance(self.caught_by, SuiteTests):
            return ()
        return tuple(f"tests/suite/{self.area}/{node}" for node in self.caught_by.nodes)

    @property
    def promises_of(self) -> Path:
        """The document with the promises of its area."""
        return DOCS / f"suite-{self.area.replace('_', '-')}.md"

    @property
    def title(self) -> str:
        """The patch's subject. Raises ValueError if it has none of the agreed form."""
        found = _SUBJECT.search(self.patch.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{self.patch} has no 'Subject: [PATCH] Seeded bug: ...'")
        return found[1]

    def __str__(self) -> str:
        return f"{self.area}-{self.name}"


def seeded_for_tests(
    area: str,
    name: str,
    *nodes: str,
    on_top_of: Sequence[Path] = (),
    flavour: str = "uml",
    in_sample: bool = False,
    promise: str = "",
) -> Seeded:
    """A bug of UML's kernel that tests of its area must catch."""
    caught_by = SuiteTests(nodes)
    return Seeded(area, name, caught_by, on_top_of, flavour, in_sample=in_sample, promise=promise)
