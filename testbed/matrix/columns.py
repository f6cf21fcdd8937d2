# SPDX-License-Identifier: GPL-2.0-only
"""What ``--kernels`` names: versions, ranges, the user's own trees, each with its engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.engines.open import engine_named
from testbed.errors import UsageProblem
from testbed.options import ENGINES, RunOptions

_SERIES = re.compile(r"(\d+)\.(\d+)")
_RANGE = re.compile(r"(\d+\.\d+)\.\.(\d+\.\d+)")

Series = tuple[int, int]


@dataclass(frozen=True)
class Column:
    """One kernel of the matrix: ``kernel`` as ``--kernel`` takes it, ``flavour`` only if the
    engine has some.
    """

    kernel: str
    engine: str = RunOptions.engine
    flavour: str | None = None

    @property
    def label(self) -> str:
        """As the user may write it, and as the page shows it; a path by its last part."""
        name = Path(self.kernel).name if "/" in self.kernel else self.kernel
        return f"{self.flavour}:{name}" if self.flavour else name

    @property
    def arguments(self) -> list[str]:
        """Options that choose it, without the ``--`` or ``--testbed-`` in front."""
        words = ["kernel", self.kernel, "engine", self.engine]
        return [*words, "flavour", self.flavour] if self.flavour else words


def parse_kernels(text: str, packaged: Callable[[], Sequence[str]]) -> list[Column]:
    """The columns of ``text``, in its order, each once.

    Commas separate: a version (6.12, 7.2.12), a range of series (6.16..6.18: those of which a
    package is known, ``packaged`` lists their versions), a path to a build or a tree; in front of
    each the name of a UML flavour and a colon where UML runs it. Raises UsageProblem.
    """
    columns: list[Column] = []
    engines = {flavour: name for name in ENGINES for flavour in engine_named(name).flavours}
    for item in filter(None, (part.strip() for part in text.split(","))):
        flavour, colon, rest = item.partition(":")
        if colon and flavour not in engines:
            raise UsageProblem(
                f"{item!r}: {flavour!r} is no engine", remedy=f"allowed: {', '.join(engines)}"
            )
        name = rest if colon else item
        for kernel in _expand(name, packaged):
            column = Column(kernel, engines[flavour], flavour) if colon else Column(kernel)
            if column not in columns:
                columns.append(column)
    if not columns:
        raise UsageProblem("--kernels names none", remedy="for example: 6.12,6.16..6.18,7.2")
    labels = [column.label for column in columns]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise UsageProblem(f"several of --kernels are called {', '.join(twice)}")
    return columns


def _expand(name: str, packaged: Callable[[], Sequence[str]]) -> list[str]:
    if "/" in name:
        path = Path(name).expanduser()
        if not path.exists():
            raise UsageProblem(f"{path}: there is no such kernel or tree")
        return [str(path.resolve())]
    found = _RANGE.fullmatch(name)
    if found is None:
        if ".." in name:
            raise UsageProblem(
                f"{name!r} is no range", remedy="a range is of whole series: 6.16..6.18"
            )
        return [name]
    first, last = (series_of(end) for end in found.groups())
    known = sorted({series_of(version) for version in packaged()})
    chosen = [series for series in known if first <= series <= last]
    if not chosen:
        raise UsageProblem(f"no kernel of {name} is packaged", remedy="see `testbed kernels`")
    return [f"{major}.{minor}" for major, minor in chosen]


def series_of(version: str) -> Series:
    """(6, 16) of 6.16.12. Raises UsageProblem."""
    found = _SERIES.match(version)
    if found is None:
        raise UsageProblem(f"{version!r} is no kernel version")
    return int(found[1]), int(found[2])
