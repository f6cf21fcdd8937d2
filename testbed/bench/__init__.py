# SPDX-License-Identifier: GPL-2.0-only
"""``testbed bench``: how fast things are.

``wire/`` (the card beside QEMU's NICs), ``ratio.py`` (paired ratios and how sure they are);
``kernels.py``, ``page_pool.py`` and ``sides.py`` (the kernel's own page_pool benchmark, two kernels
side by side).
"""
