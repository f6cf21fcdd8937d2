# SPDX-License-Identifier: GPL-2.0-only
"""The version of a kernel, however it is spelt: by mainline, by `uname -r`, by Debian."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import total_ordering
from typing import Self

_VERSION = re.compile(
    r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-~]rc(\d+))?(?:-next-(\d{8}))?(?![\w.])", re.ASCII
)
_DEBIAN_BUILD = re.compile(r"\bDebian (\S+)")
EXAMPLES = ("7.2.12", "7.3-rc7", "7.4-rc2-next-20261120")


@total_ordering
@dataclass(frozen=True)
class KernelVersion:
    """A version, in the order in which kernels come: 7.2.12, 7.3-rc1, 7.3-rc2, 7.3, 7.3.1.

    :ivar patch: of a stable kernel; 0 is the first of its series.
    :ivar rc: number of the release candidate, None for a release.
    :ivar next_date: "20261120" of linux-next, "" for any other tree.

    ``str()`` is the one spelling that files and reports have.
    """

    major: int
    minor: int
    patch: int = 0
    rc: int | None = None
    next_date: str = ""

    @classmethod
    def parse(cls, text: str, build: str = "") -> Self:
        """Of "7.2.12", "7.3-rc7", a `uname -r` or a Debian version; what follows is ignored.

        ``build`` is the `uname -v`: the release 7.3-amd64 is "Debian 7.3~rc7-1~exp1" only there.
        Raises ValueError.
        """
        match = _VERSION.match(text)
        if match is None:
            raise ValueError(f"{text!r} does not begin with the version of a kernel")
        major, minor, patch, rc = (None if one is None else int(one) for one in match.groups()[:4])
        assert major is not None
        assert minor is not None
        version = cls(major, minor, patch or 0, rc, match[5] or "")
        debian = _DEBIAN_BUILD.search(build)
        if debian is not None and rc is None and _VERSION.match(debian[1]):
            told = cls.parse(debian[1])
            if told.rc is not None and replace(told, rc=None) == version:
                return told
        return version

    @property
    def series(self) -> str:
        """7.2 of 7.2.12 and of 7.2-rc3."""
        return f"{self.major}.{self.minor}"

    def is_called(self, wanted: str) -> bool:
        """Whether ``wanted`` names it: its series, "7.2", or itself, "7.2.12"."""
        return wanted in (self.series, str(self))

    def is_since(self, first: KernelVersion) -> bool:
        """Whether it has what ``first`` was the first to have.

        What came with 7.3 is in its release candidates as well.
        """
        is_release = first.patch == 0 and first.rc is None and not first.next_date
        return self >= (replace(first, rc=0) if is_release else first)

    def __str__(self) -> str:
        text = f"{self.series}.{self.patch}" if self.patch else self.series
        text += "" if self.rc is None else f"-rc{self.rc}"
        return text + (f"-next-{self.next_date}" if self.next_date else "")

    def __lt__(self, other: KernelVersion) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[int, int, int, bool, int, str]:
        released = self.rc is None
        return self.major, self.minor, self.patch, released, self.rc or 0, self.next_date
