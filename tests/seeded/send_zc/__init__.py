# SPDX-License-Identifier: GPL-2.0-only
"""Promises of zero-copy send from provided registered buffers, a series of our own."""
