# SPDX-License-Identifier: GPL-2.0-only
"""What a run leaves behind: results, run directory, summary.json, JUnit, KTAP, HTML, provenance."""
