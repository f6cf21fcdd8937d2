# SPDX-License-Identifier: GPL-2.0-only
"""runner.log: what the runner itself did, with the time of day; one in each run directory.

Whoever has something to say takes a logger below "testbed" of the standard library's ``logging``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from testbed.host.terminal import escape_text

FILE_NAME = "runner.log"
ROOT = logging.getLogger("testbed")
SHOWN = ("testbed.progress", "testbed.job")
"""Loggers of what is on the screen anyway."""

_FORM = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"


class _Escaping(logging.Formatter):
    """Texts may be the guest's."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_text(super().format(record))


def _prepare() -> None:
    ROOT.setLevel(logging.DEBUG)
    ROOT.propagate = False
    logging.raiseExceptions = False  # a full disk: the reports say so


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Everything that is logged meanwhile goes to the folder's runner.log; none if it cannot."""
    _prepare()
    handler: logging.Handler = logging.NullHandler()
    with suppress(OSError):
        handler = logging.FileHandler(folder / FILE_NAME, encoding="utf-8")
    handler.setFormatter(_Escaping(_FORM, datefmt="%Y-%m-%d %H:%M:%S"))
    ROOT.addHandler(handler)
    try:
        yield
    finally:
        ROOT.removeHandler(handler)
        handler.close()


def show() -> None:
    """From now on what is logged is on standard error, too, but for what is on the screen."""
    _prepare()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Escaping("%(name)s: %(message)s"))
    handler.addFilter(lambda record: record.name not in SHOWN)
    ROOT.addHandler(handler)
