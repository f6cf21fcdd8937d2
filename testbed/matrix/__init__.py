# SPDX-License-Identifier: GPL-2.0-only
"""``testbed matrix``: one suite on many kernels, and what changed from one to the next.

``columns.py`` (what ``--kernels`` names), ``run.py`` (one kernel: does it boot, then the suite),
``table.py`` (tests x kernels, changes between neighbours), ``page.py`` (HTML, CSV, JSON).
"""
