# SPDX-License-Identifier: GPL-2.0-only
"""Promises of zero-copy receive."""
