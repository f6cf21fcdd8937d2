# SPDX-License-Identifier: GPL-2.0-only
"""The runner: boots a guest beside the card, runs tests in it and writes the report."""

from pathlib import Path

__version__ = "0.2.0"

ROOT = Path(__file__).parents[1]
"""What holds testbed, devmodel, docs and tests: a clone, or bnxt_testbed of an installed wheel."""
