# SPDX-License-Identifier: GPL-2.0-only
"""The source text that belongs to a report."""

from __future__ import annotations

from pathlib import Path

MISSING = "(the source is not there)"


class SourceText:
    """Lines of the files below ``root``; ``built`` is the program made from them."""

    def __init__(self, root: Path, built: Path) -> None:
        self._root = root
        self._built = built
        self._files: dict[str, list[str]] = {}

    def lines(self, file: str) -> list[str]:
        """All lines of ``file``; none where it is not in the source (made by the build)."""
        if file not in self._files:
            try:
                text = (self._root / file).read_text(encoding="utf-8", errors="replace")
            except OSError:
                text = ""
            self._files[file] = text.expandtabs(8).split("\n")
        return self._files[file]

    def line(self, file: str, number: int) -> str:
        """One line, from 1 on."""
        lines = self.lines(file)
        return lines[number - 1] if 0 < number <= len(lines) else MISSING

    def changed_since(self, file: str) -> bool:
        """Whether ``file`` was written after the kernel: then lines may not be those compiled."""
        try:
            return (self._root / file).stat().st_mtime > self._built.stat().st_mtime
        except OSError:
            return False
