# SPDX-License-Identifier: GPL-2.0-only
"""``testbed bench wire``: the card beside QEMU's NICs in C, TCP over the same wire.

``contenders.py`` (who takes part), ``plan.py`` (what is to be done), ``guests.py`` (a guest and its
streams), ``measure.py`` (rounds), ``results.py`` (ratios), ``tables.py`` and ``plot.py``,
``command.py``. docs/bench.md.
"""
