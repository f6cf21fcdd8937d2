# SPDX-License-Identifier: GPL-2.0-only
"""Bugs of released kernels, each reproduced by one test: docs/regressions.md."""
