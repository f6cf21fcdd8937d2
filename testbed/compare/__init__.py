# SPDX-License-Identifier: GPL-2.0-only
"""What receiving costs the guest, in instructions: `testbed compare A B` (docs/compare.md)."""
