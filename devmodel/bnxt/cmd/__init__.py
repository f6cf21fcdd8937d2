# SPDX-License-Identifier: GPL-2.0-only
"""HWRM command handlers, one file per group."""
