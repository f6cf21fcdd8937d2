# SPDX-License-Identifier: GPL-2.0-only
"""Stock Debian kernels: found, fetched, verified, and packed for a guest."""
