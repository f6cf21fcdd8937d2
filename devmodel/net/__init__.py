# SPDX-License-Identifier: GPL-2.0-only
"""Wire side: parsing, checksums, segmentation, ports."""
