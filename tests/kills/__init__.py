# SPDX-License-Identifier: GPL-2.0-only
"""Kills and signals at any moment: nothing is left, and what is told of the end is true."""
