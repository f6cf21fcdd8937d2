# SPDX-License-Identifier: GPL-2.0-only
"""One mutation: a patch that breaks a promise, and the tests that must see it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_SUBJECT = re.compile(r"^Subject: \[PATCH\] Mutation: (.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One deliberate change of the kernel.

    :ivar feature: folder of tests/suite the promise belongs to; that of the patch below HERE.
    :ivar caught_by: node ids below tests/suite/<feature>, each of which must fail with the patch
        and pass without: ``test_file.py::test_name[parameters]``.
    :ivar on_top_of: patches or series that come first, e.g. those of a feature never merged.
    :ivar flavour: of the UML kernel; on QEMU always ``x86``, with IOMMU.
    :ivar in_sample: one of the few that every CI run builds and boots.
    """

    feature: str
    name: str
    caught_by: Sequence[str]
    on_top_of: Sequence[Path] = ()
    flavour: str = "uml"
    engine: str = "uml"
    in_sample: bool = False

    @property
    def patch(self) -> Path:
        """The change itself; its head says which promise it breaks."""
        return HERE / self.feature / f"{self.name}.patch"

    @property
    def node_ids(self) -> tuple[str, ...]:
        """``caught_by`` from the top of the repository."""
        return tuple(f"tests/suite/{self.feature}/{test}" for test in self.caught_by)

    @property
    def title(self) -> str:
        """The patch's subject. Raises ValueError if it has none of the agreed form."""
        found = _SUBJECT.search(self.patch.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{self.patch} has no 'Subject: [PATCH] Mutation: ...'")
        return found[1]
