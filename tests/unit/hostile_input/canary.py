# SPDX-License-Identifier: GPL-2.0-only
"""A canary: a folder of the host that nothing may reach.

To reach it is to read it (its word is in what we keep), to write it, or to leave something in it.
The tests beside this file give us patches, trees, tarballs, plans and lab files of somebody else;
`tests/driver/test_hostile_guest.py` has what guests do.
"""

from __future__ import annotations

import os
from pathlib import Path

WORD = "TWEET-3f81"


class Canary:
    """A folder of the host that nothing may reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.folder.mkdir()
        self.file = self.folder / "id_rsa"
        self.file.write_text(WORD)
        (self.folder / "module.ko").write_text(WORD)
        self._before = self._state()

    def _state(self) -> list[tuple[str, str]]:
        return sorted((path.name, path.read_text()) for path in self.folder.iterdir())

    def check(self, kept: Path) -> None:
        """It is as it was, and its word is in no file below `kept`."""
        assert self._state() == self._before
        for folder, _, names in os.walk(kept):
            for path in (Path(folder, name) for name in names):
                if not path.is_symlink() and path.is_file():
                    assert WORD.encode() not in path.read_bytes(), path
