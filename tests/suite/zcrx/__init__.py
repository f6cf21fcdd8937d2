# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive."""
