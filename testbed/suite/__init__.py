# SPDX-License-Identifier: GPL-2.0-only
"""Words the main job and the suite share: streams, settings of the NIC, its counters, undo.

Everything here is written against :mod:`testbed.dut`, so it works on the emulated card and on a
real one.
"""
