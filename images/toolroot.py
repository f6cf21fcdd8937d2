# SPDX-License-Identifier: GPL-2.0-only
"""Programs from a package tree, started through the tree's own dynamic loader.

That needs no chroot, no mount and no root: the tree's glibc may be newer than the host's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images.store import Entry

LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = "usr/lib64/ld-linux-x86-64.so.2"
PROGRAM_FOLDERS = ("usr/bin", "usr/sbin", "usr/libexec")
FIRMWARE_FOLDERS = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")


@dataclass(frozen=True)
class ToolRoot:
    """A package tree whose programs the host can run."""

    path: Path

    @classmethod
    def of(cls, entry: Entry) -> ToolRoot:
        """The tree of a store entry."""
        return cls(entry.path)

    def command(self, program: str) -> list[str]:
        """The argument vector that starts `program`; its own arguments are to be appended.

        QEMU also gets the folders of its firmware. Raises FileNotFoundError.
        """
        places = [self.path / folder / program for folder in PROGRAM_FOLDERS]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise FileNotFoundError(f"{program} is not in {self.path}")
        libraries = str(self.path / LIBRARIES)
        argv = [str(self.path / LOADER), "--library-path", libraries, str(found)]
        if program.startswith("qemu-system-"):
            argv += self._firmware(FIRMWARE_FOLDERS)
        return argv

    def _firmware(self, folders: Sequence[str]) -> list[str]:
        present = [self.path / folder for folder in folders if (self.path / folder).is_dir()]
        return [word for folder in present for word in ("-L", str(folder))]
