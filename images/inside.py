# SPDX-License-Identifier: GPL-2.0-only
"""Reading a folder that somebody else has filled: a source tree, what a build left, a patch queue.

A link in it may lead to any file of the host, and a name in one of its lists may say `..`. Here no
link is followed and no name leaves the folder. Nobody may write the folder meanwhile.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

_NO_FILE = "there is no such file, links apart"


class Inside:
    """The folder `top`; names are relative to it, with `/` between their parts.

    It remembers which names are folders, so it is for one use: make a new one after a change.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self._folders = {"": True}

    def stat(self, name: str) -> os.stat_result | None:
        """`lstat` of an entry; None when there is none, or only a link leads there."""
        if name.rpartition("/")[2] in ("", ".", "..") or not self._is_folder(parent(name)):
            return None
        try:
            return os.lstat(f"{self.top}/{name}")  # strings: a kernel has 95,000 files
        except OSError:
            return None

    def mode(self, name: str) -> int:
        """`st_mode` of an entry, a link's own; 0 where `stat` says None."""
        found = self.stat(name)
        return 0 if found is None else found.st_mode

    def _is_folder(self, name: str) -> bool:
        known = self._folders.get(name)
        if known is None:
            known = self._folders[name] = stat.S_ISDIR(self.mode(name))
        return known

    def is_file(self, name: str) -> bool:
        """Whether it is a regular file: no folder, link, pipe or device."""
        return stat.S_ISREG(self.mode(name))

    def is_file_or_link(self, name: str) -> bool:
        """Whether it is what a source tree consists of."""
        mode = self.mode(name)
        return stat.S_ISREG(mode) or stat.S_ISLNK(mode)

    def open(self, name: str) -> BinaryIO:
        """A regular file, to be read. Raises OSError; FileNotFoundError when it is none."""
        if not self.is_file(name):
            raise FileNotFoundError(errno.ENOENT, _NO_FILE, f"{self.top}/{name}")
        return Path(self.top, name).open("rb")

    def read_bytes(self, name: str) -> bytes:
        """What a regular file holds. Raises OSError as `open` does."""
        with self.open(name) as stream:
            return stream.read()

    def read_text(self, name: str) -> str:
        """The same as text; what is no UTF-8 is replaced."""
        return self.read_bytes(name).decode(errors="replace")

    def copy(self, name: str, target: Path) -> None:
        """Copy a regular file's content. Raises OSError as `open` does."""
        with self.open(name) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)

    def copy_files(self, name: str, target: Path) -> None:
        """Copy the regular files of a folder and of those below it; nothing else in them.

        Raises FileNotFoundError when it is no folder.
        """
        if not stat.S_ISDIR(self.mode(name)):
            place = f"{self.top}/{name}"
            raise FileNotFoundError(errno.ENOENT, "there is no such folder, links apart", place)
        for current, _, files in os.walk(self.top / name):
            below = os.path.relpath(current, self.top)
            copied = target / os.path.relpath(current, self.top / name)
            copied.mkdir(parents=True)
            for file in files:
                if self.is_file(f"{below}/{file}"):
                    self.copy(f"{below}/{file}", copied / file)


def parent(name: str) -> str:
    """The folder that a name is in; "" for the top."""
    return name.rpartition("/")[0]


def leaves(name: str) -> bool:
    """Whether a name, put below a folder, could be a name outside of it, links apart."""
    return name.startswith("/") or ".." in name.split("/") or "\0" in name
