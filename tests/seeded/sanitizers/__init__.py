# SPDX-License-Identifier: GPL-2.0-only
"""What bnxt_en owes the kernel: memory, locks, the DMA API."""
