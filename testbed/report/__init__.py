# SPDX-License-Identifier: GPL-2.0-only
"""Run artifacts: results, run directory, summary.json, JUnit, KTAP, HTML, provenance."""
