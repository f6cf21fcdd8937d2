# SPDX-License-Identifier: GPL-2.0-only
"""The NVM of the board: a directory of items that survives whatever interrupts a write."""
