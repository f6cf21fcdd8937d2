# SPDX-License-Identifier: GPL-2.0-only
"""``testbed nightly``: everything that runs at night, on every kernel, as one site to read.

``config.py`` (nightly.toml), ``work.py`` (the kinds of work, and the command of each), ``plan.py``
(cells, and which is next), ``run.py`` and ``attempt.py`` (a cell, in a process of its own),
``reading.py`` and ``store.py`` (the history), ``judge.py`` (what is new, fixed, flaky, slower),
``site.py`` (the pages).
"""
