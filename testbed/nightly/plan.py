# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a night, in an order that is fair, and which is next in the time that is left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from pathlib import Path

from testbed.nightly.cell import Cell, KernelSource
from testbed.nightly.config import (
    PLAIN,
    QEMU,
    KernelTable,
    NightlyConfig,
    OnCards,
    WorkTable,
)
from testbed.nightly.work import WORK, Kind

MINUTE_S = 60.0


def cells_of(config: NightlyConfig, day: date) -> list[Cell]:
    """Every cell that the file names, in its order. What an engine cannot run is no cell."""
    cards = {PLAIN: {}, **{one.name: dict(one.card_options) for one in config.personality}}
    found = []
    for kind, tables in config.work.items():
        for table in tables:
            words, targets = WORK[kind].make(config, table, day)
            for kernel in config.kernel:
                if table.kernels and kernel.name not in table.kernels:
                    continue
                for engine in _engines(WORK[kind], kernel, table):
                    source = source_of(kernel, engine)
                    if not source.given and not WORK[kind].builds:
                        continue
                    found += [
                        Cell(
                            kind=kind, work=table.name or kind, kernel=kernel.name, engine=engine,
                            card=card, source=source, words=words, targets=targets,
                            seed=config.seed, limit_s=table.limit_minutes * MINUTE_S,
                            card_options=cards[card],
                        )
                        for card in _cards(table)
                    ]  # fmt: skip
    return found


def _engines(kind: Kind, kernel: KernelTable, table: WorkTable) -> list[str]:
    return [
        engine
        for engine in kernel.engines
        if (kind.qemu if engine == QEMU else kind.uml)
        and (not table.engines or engine in table.engines)
    ]


def _cards(table: WorkTable) -> Sequence[str]:
    return table.personalities or (PLAIN,) if isinstance(table, OnCards) else (PLAIN,)


def source_of(kernel: KernelTable, engine: str) -> KernelSource:
    """What it is made of there. QEMU takes no tree as it is: one has to be built."""
    if kernel.build is not None:
        return KernelSource(given=str(kernel.build.resolve()))
    series = tuple(_placed(one) for one in kernel.series)
    if kernel.tree is not None:
        tree = str(kernel.tree.resolve())
        if engine != QEMU and not series and kernel.branch is None:
            return KernelSource(given=tree)
        return KernelSource(tree=tree, branch=kernel.branch or "", series=series)
    version = kernel.version or ""
    return KernelSource(base=version, series=series) if series else KernelSource(given=version)


def _placed(series: str) -> str:
    """A series by its name stays a name, a path becomes a whole one."""
    return str(Path(series).expanduser().resolve()) if "/" in series else series


def fair_order(cells: Iterable[Cell], last: Mapping[str, int]) -> list[Cell]:
    """One of each kind in turn; of a kind those first that have waited longest.

    ``last``: name of a cell -> the night in which it last ended. Kinds follow each other as in
    :data:`WORK`, but first comes the kind that has waited longest.
    """
    queues: dict[str, list[Cell]] = {}
    for cell in cells:
        queues.setdefault(cell.kind, []).append(cell)
    for queue in queues.values():
        queue.sort(key=lambda cell: last.get(cell.name, 0))
    turns = sorted(queues.values(), key=lambda queue: last.get(queue[0].name, 0))
    return [cell for turn in zip_longest(*turns) for cell in turn if cell is not None]


@dataclass(frozen=True)
class Step:
    """What to run next: a cell, all of it (``only`` is empty) or what failed."""

    cell: Cell
    number: int = 1
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tried:
    """An attempt that is stored: how many checks failed, and what to name to retry them.

    ``reached``: whether there are results; without, nothing can be retried by name.
    """

    failed: tuple[str, ...] = ()
    reached: bool = True


def next_step(
    cells: Sequence[Cell], tried: Mapping[str, Sequence[Tried]], left_s: float,
    expected_s: Mapping[str, float], *, retries: int, most_retried: int,
    under_way: Collection[str] = (),
) -> Step | None:  # fmt: skip
    """The next in ``cells``, which are in order; None if nothing is left, or fits any more.

    What failed is retried at once. A cell that took longer, at the median, than what is left of
    the budget waits for another night; its place is given to one that fits.
    """
    if left_s <= 0:
        return None
    for cell in cells:
        if cell.name in under_way:
            continue
        attempts = tried.get(cell.name, ())
        if attempts:
            only = _to_retry(cell, attempts, retries, most_retried)
            if only is not None:
                return Step(cell, len(attempts) + 1, only)
        elif expected_s.get(cell.name, 0.0) <= left_s:
            return Step(cell)
    return None


def _to_retry(
    cell: Cell, attempts: Sequence[Tried], retries: int, most: int
) -> tuple[str, ...] | None:
    kind, failed = WORK[cell.kind], tuple(dict.fromkeys(filter(None, attempts[-1].failed)))
    if not kind.retried or len(attempts) > retries or len(failed) > most:
        return None
    if not attempts[-1].reached:
        return ()
    if not failed:
        return None
    return () if kind.whole else failed
