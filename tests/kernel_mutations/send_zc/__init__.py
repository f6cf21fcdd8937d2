# SPDX-License-Identifier: GPL-2.0-only
"""Mutations of zero-copy send, most of them of our own series."""
