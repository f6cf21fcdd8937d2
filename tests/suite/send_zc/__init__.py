# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy send: from registered buffers, and from provided ones that name registered ones."""
