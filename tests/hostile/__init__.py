# SPDX-License-Identifier: GPL-2.0-only
"""Campaigns against the card that CI has no time for: ``python -P -m tests.hostile --help``."""
