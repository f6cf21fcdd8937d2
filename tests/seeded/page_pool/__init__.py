# SPDX-License-Identifier: GPL-2.0-only
"""Promises of page_pool and of how bnxt_en uses it."""
