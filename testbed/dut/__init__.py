# SPDX-License-Identifier: GPL-2.0-only
"""The device under test as tests see it: protocols, and the words of the suite.

Streams, settings of the NIC, its counters, undo: all of it is written against
:mod:`testbed.dut.protocols`, so it works on the emulated card and on a real one.
"""
