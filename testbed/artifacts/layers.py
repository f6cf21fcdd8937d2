# SPDX-License-Identifier: GPL-2.0-only
"""Further images of a guest: what ``--with`` and ``--root`` ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from images.store import Json

PACKAGES, ROOT = "packages", "root"
OWN_ROOT = "own root"
"""What the root is called in a report, which has the guest's root image as well."""


@dataclass(frozen=True)
class Layers:
    """Read-only images, which are a guest's last disks, by what each is for: PACKAGES, ROOT.

    ``provenance`` goes into the report as it is.
    """

    by_name: Mapping[str, Path] = field(default_factory=dict)
    provenance: Mapping[str, Json] = field(default_factory=dict)

    @property
    def images(self) -> Sequence[Path]:
        """In the order of the disks."""
        return list(self.by_name.values())

    def devices(self, first: int) -> dict[str, str]:
        """The guest's device of each; ``first`` is the number of the first disk, 0 for /dev/vda."""
        return {
            name: f"/dev/vd{chr(ord('a') + number)}"
            for number, name in enumerate(self.by_name, start=first)
        }


NO_LAYERS = Layers()
