# SPDX-License-Identifier: GPL-2.0-only
"""``testbed bench``: the kernel's own micro-benchmarks, two kernels side by side.

``kernels.py`` (a kernel and the benchmark's module for it), ``page_pool.py`` (one guest: load the
module, read what it says), ``sides.py`` (A against B), ``cli.py``.
"""
