# SPDX-License-Identifier: GPL-2.0-only
"""The DMA oracle: says of every DMA whether the device was allowed to do it, and whose fault it is.

``Oracle`` watches mappings, rings and writes; what it can say is a table of rules that the card
gives it. See docs/oracle.md.
"""
