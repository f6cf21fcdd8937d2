# SPDX-License-Identifier: GPL-2.0-only
"""A cell of a night: one piece of work on one kernel, engine and card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SEPARATOR = " · "


@dataclass(frozen=True, kw_only=True)
class KernelSource:
    """What a kernel is made of; texts, since a store keeps them. Paths are whole.

    ``given`` is what ``--kernel`` takes as it is. Otherwise it is built: of version ``base``, or
    of ``tree``, of which ``branch`` says which, with the patches of ``series``.
    """

    given: str = ""
    base: str = ""
    tree: str = ""
    branch: str = ""
    series: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """``words`` are the command's own, ``targets`` what of it runs: a retry names others.

    ``kernel``, ``engine`` and ``card`` are names of nightly.toml; so is ``work``, unique in its
    ``kind``. ``limit_s`` of wall time is for one process.
    """

    kind: str
    work: str
    kernel: str
    engine: str
    card: str
    source: KernelSource
    words: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    seed: int = 1
    limit_s: float = 3600.0
    card_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it runs; results are compared with those of other nights at the same place."""
        return SEPARATOR.join((self.kernel, self.engine, self.card))

    @property
    def name(self) -> str:
        """Unique in a night, and the same every night."""
        return SEPARATOR.join((self.work, self.place))

    @property
    def folder(self) -> str:
        """Its name for the file system."""
        return "_".join((self.kind, self.work, self.kernel, self.engine, self.card))

    def as_text(self) -> str:
        """For the store."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of_text(cls, text: str) -> Self:
        """What :meth:`as_text` made. Raises ValueError, TypeError, KeyError."""
        found = json.loads(text)
        source = found.pop("source")
        source["series"] = tuple(source["series"])
        found["words"], found["targets"] = tuple(found["words"]), tuple(found["targets"])
        return cls(source=KernelSource(**source), **found)
