# SPDX-License-Identifier: GPL-2.0-only
"""Hits of one kernel: taken from a guest, kept in ``coverage.json``, merged.

The kernel (``kernels/host/coverage.c``) counts in a file of one byte per byte of its text, from
the symbol ``__binary_start`` on, which byte is the place an instrumented point returns to.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from testbed.errors import UsageProblem

FILE_NAME = "coverage.json"
MAP_NAME = "coverage"
MAP_VARIABLE = "UML_COVERAGE"
"""Of a guest's environment: names the file in which an instrumented kernel counts."""
FORMAT = 1
SATURATED = 255
MAP_CAP_BYTES = 256 << 20
_COUNTED = re.compile(rb"[^\0]")


@dataclass(frozen=True)
class CoveredKernel:
    """``image``: the program with its symbols; ``source``: the folder it was compiled from;
    ``key``: its place in the store."""

    key: str
    release: str
    image: str
    source: str


@dataclass
class Hits:
    """``counts``: bytes after ``__binary_start`` -> how often, SATURATED for as often or more
    within one guest. ``guests``: how many guests were counted."""

    kernel: CoveredKernel
    guests: int = 0
    counts: Counter[int] = field(default_factory=Counter)

    def add_map(self, content: bytes) -> None:
        """Add what one guest counted."""
        self.guests += 1
        for match in _COUNTED.finditer(content):
            self.counts[match.start()] += content[match.start()]

    def save(self, path: Path) -> None:
        """Write as JSON."""
        document = {
            "format": FORMAT,
            "kernel": vars(self.kernel),
            "guests": self.guests,
            "counts": {f"{place:#x}": count for place, count in sorted(self.counts.items())},
        }
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def load(path: Path) -> Hits:
    """Read what :meth:`Hits.save` wrote. Raises UsageProblem."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError("another version of the testbed wrote it")
        counts = {int(place, 16): int(count) for place, count in document["counts"].items()}
        kernel = CoveredKernel(**document["kernel"])
        return Hits(kernel, int(document["guests"]), Counter(counts))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise UsageProblem(f"{path} cannot be read: {err}") from err


def find(places: Iterable[Path]) -> list[Path]:
    """All coverage files that ``places`` are or, as folders, hold. Raises UsageProblem."""
    found: list[Path] = []
    for place in places:
        files = sorted(place.rglob(FILE_NAME)) if place.is_dir() else [place]
        if not files:
            raise UsageProblem(
                f"{place} holds no {FILE_NAME}",
                remedy="give a run directory of --coverage, or of `testbed coverage run`",
            )
        found += [file.resolve() for file in files]
    return list(dict.fromkeys(found))


def merge(several: Sequence[Hits]) -> Hits:
    """The sum. Raises UsageProblem unless all are of one and the same kernel."""
    first, *others = several
    merged = Hits(first.kernel, first.guests, first.counts.copy())
    for other in others:
        if other.kernel.key != first.kernel.key:
            raise UsageProblem(
                f"the runs are of different kernels: {first.kernel.key} and {other.kernel.key}",
                remedy="give runs of one kernel only",
            )
        merged.guests += other.guests
        merged.counts.update(other.counts)
    return merged


class HitMap:
    """The file one guest counts in. Ours is the descriptor: whatever the guest puts in the place
    of the name, it is not what is read."""

    def __init__(self, folder: Path, uid: int | None) -> None:
        self._path = folder / MAP_NAME
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if uid is not None:
            os.fchown(self._fd, uid, uid)

    def read(self) -> bytes:
        """All that was counted so far."""
        size = min(os.fstat(self._fd).st_size, MAP_CAP_BYTES)
        return os.pread(self._fd, size, 0)

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """The same without the holes of the file: each part that has been counted in, and where it
        begins. They are a few percent of it.
        """
        end = 0
        while end < MAP_CAP_BYTES:
            try:
                start = os.lseek(self._fd, end, os.SEEK_DATA)
            except OSError as err:
                if err.errno != errno.ENXIO:  # no data behind here
                    raise
                return
            end = min(os.lseek(self._fd, start, os.SEEK_HOLE), MAP_CAP_BYTES)
            yield start, os.pread(self._fd, end - start, start)

    def clear(self, pieces: Iterable[tuple[int, bytes]]) -> None:
        """Count from nothing again where ``pieces`` are; the guest stands still meanwhile."""
        for start, content in pieces:
            os.pwrite(self._fd, bytes(len(content)), start)

    def __enter__(self) -> HitMap:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        self._path.unlink(missing_ok=True)
