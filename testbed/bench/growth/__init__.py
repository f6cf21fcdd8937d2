# SPDX-License-Identifier: GPL-2.0-only
"""``testbed bench growth``: what more flows and queues, and more machines at once, cost.

``plan.py`` (what is to be done), ``measure.py`` (one guest with more and more queues; more and more
guests), ``results.py`` (medians and files), ``plot.py``, ``command.py``. docs/bench.md.
"""
