# SPDX-License-Identifier: GPL-2.0-only
"""The BCM57508 itself, as bnxt_en uses it."""
