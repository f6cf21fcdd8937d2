# SPDX-License-Identifier: GPL-2.0-only
"""The programs of an installed wheel, where this file is ``bnxt_testbed/__init__.py``.

The folders of a clone lie beside it under their own names. They become importable by those names
in our programs only: nothing else in the environment sees our ``images``, ``kernels`` or ``tests``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def run_testbed() -> None:
    """Entry point of ``testbed``; leaves by SystemExit."""
    _call("testbed.cli.entry")


def run_devmodel() -> None:
    """Entry point of ``bnxt-devmodel``; leaves by SystemExit."""
    _call("devmodel.__main__")


def _call(module: str) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(import_module(module).main())
