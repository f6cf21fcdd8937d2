# SPDX-License-Identifier: GPL-2.0-only
"""RSS and ntuple filters."""
