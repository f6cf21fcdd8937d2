# SPDX-License-Identifier: GPL-2.0-only
"""Seeded bugs: patches that each break one promise of driver, io_uring or network stack."""
