# SPDX-License-Identifier: GPL-2.0-only
"""The DMA oracle: says of every DMA whether the device was allowed to do it, and whose fault it is.

``Oracle`` watches mappings, rings and writes; ``rules.RULES`` is what it can say. See
docs/oracle.md.
"""
