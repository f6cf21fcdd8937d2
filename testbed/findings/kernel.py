# SPDX-License-Identifier: GPL-2.0-only
"""The kernel a run is about, as the findings on record are asked about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from kernels.version import KernelVersion

DEBIAN = "debian"
"""The flavour of a kernel as Debian packages it."""

_FLAVOUR = re.compile(r"-testbed-([\w-]+)")


@dataclass(frozen=True)
class GuestKernel:
    """A kernel, by what it says of itself.

    :ivar release: its `uname -r`, for people.
    :ivar version: None if that does not begin with one: such a kernel has no finding on record.
    :ivar flavour: of ours, or "debian".
    :ivar stock: built of what Debian publishes, without a patch.
    """

    release: str
    version: KernelVersion | None
    flavour: str
    stock: bool = True

    @classmethod
    def of(cls, release: str, build: str = "", *, stock: bool = True) -> Self:
        """Of a `uname -r` such as 7.2.12-testbed-uml-san, and the `uname -v` where it is known."""
        try:
            version = KernelVersion.parse(release, build)
        except ValueError:
            version = None
        match = _FLAVOUR.search(release)
        return cls(release, version, match[1] if match else DEBIAN, stock)
