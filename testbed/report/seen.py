# SPDX-License-Identifier: GPL-2.0-only
"""What card and kernel said of a run, whatever it was: one line for each different thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from testbed.findings.splat_report import SplatReport
from testbed.host.terminal import escape
from testbed.report.limits import shorten_line


class SeenKind(StrEnum):
    """Who said it: the card's oracle and firmware, the kernel's log, or what is on record."""

    VIOLATION = "violation"
    UNKNOWN_REQUEST = "unknown firmware request"
    COMPLAINT = "kernel"
    FINDING = "finding"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One thing, and how many ``times`` it came.

    ``where`` is the part of the run it was seen in, if there are several; ``name`` the rule, the
    request, the signature of the complaint or the id of the finding; ``text`` is one line more of
    it, ``detail`` the rest, in many; ``splats`` are what the kernel printed. All may hold the
    guest's words; :attr:`line` is escaped.
    """

    kind: SeenKind
    name: str
    text: str = ""
    where: str = ""
    times: int = 1
    detail: str = ""
    splats: tuple[SplatReport, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether it is more than what is on record of this kernel."""
        return self.kind is not SeenKind.FINDING

    @property
    def line(self) -> str:
        """All of it that fits into one line, worded as by the main job."""
        where = f"{self.where}: " if self.where else ""
        times = f" ×{self.times}" if self.times > 1 else ""  # noqa: RUF001
        text = self.text and (
            f": {self.text}" if self.kind is SeenKind.FINDING else f" ({self.text})"
        )
        return shorten_line(escape(f"{where}{self.kind.value}: {self.name}{times}{text}"))
