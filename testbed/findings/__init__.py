# SPDX-License-Identifier: GPL-2.0-only
"""Bugs of the kernel under test on record: `docs/findings/`, and what of a run is theirs."""
