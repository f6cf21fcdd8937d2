# SPDX-License-Identifier: GPL-2.0-only
"""A PCI Express function as a transport sees it."""
