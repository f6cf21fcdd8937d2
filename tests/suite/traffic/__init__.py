# SPDX-License-Identifier: GPL-2.0-only
"""Integrity and statistics."""
