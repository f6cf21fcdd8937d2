# SPDX-License-Identifier: GPL-2.0-only
"""Scripted faults of the card."""
