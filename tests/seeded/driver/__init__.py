# SPDX-License-Identifier: GPL-2.0-only
"""What bnxt_en owes the card: descriptors, doorbells, firmware objects, mappings."""
